// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/postprocessor.hpp"
#include "plugin/registry.hpp"
#include "predict/predictor.hpp"
#include "recipe/recipe.hpp"

namespace osteon::predict {

/// Opens a run folder that a `predictor` parameter of a post-processor names. `who` is what the notes of its components
/// begin with.
using OpenRun =
    std::function<std::shared_ptr<const Predictor>(const std::filesystem::path& run, const std::string& who)>;

/// A post-processor that has to be fitted before it predicts, on what lies beneath it.
struct FittedLink {
  std::size_t index = 0;  ///< in predict.post
  std::string plugin;
  std::string location;  ///< in the recipe
  std::shared_ptr<plugin::Postprocessor> post;
  std::shared_ptr<const Predictor> inner;
  std::vector<std::int32_t> classes;  ///< of the data that it acts on, which `inner` has alone; empty: all
};

/// A recipe's `[[predict.post]]` around a predictor.
struct Chain {
  std::shared_ptr<const Predictor> predictor;
  std::vector<FittedLink> fitted;                       ///< from the innermost outwards
  std::vector<std::shared_ptr<const Predictor>> steps;  ///< with each post-processor, and those beneath it
};

enum class Extent {
  kWhole,
  kUpToFitted,  ///< those beneath the first that has to be fitted: what can predict before anything was
};

/// Puts the post-processors around `inner`, the first next to it. Where one needs a form that the next lower one does
/// not give, the host makes it, by the recipe's thresholds where it decides masks (predict/bridge.hpp). Throws
/// Error(kUsage), naming both neighbours and the recipe's place, when one does not give the grid that the next one
/// needs. Those that have to be fitted are not yet: they refuse to predict until they are or get their state.
/// @param who  what their notes and log lines begin with: "post.0/tta" behind it
Chain build_chain(std::shared_ptr<const Predictor> inner, const recipe::Recipe& recipe, plugin::Registry& registry,
                  const OpenRun& open_run, Extent extent = Extent::kWhole, const std::string& who = {});

}  // namespace osteon::predict
