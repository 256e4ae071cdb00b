// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plugin/ensembler.hpp"
#include "plugin/fit.hpp"
#include "predict/chain.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {

/// Something of a run that is fitted: an ensembler or a post-processor.
struct FittedPart {
  std::string key;     ///< "post.0" or "ensembler": its tensors are called "post.0.NAME" in fitted.safetensors
  std::string plugin;  ///< which the file names beside them, so that no other one gets its state
  std::string what;    ///< "post-processor 'temperature' (predict.post[0])", for messages
  plugin::Fit* fit = nullptr;
  std::string classes;  ///< that it acts on, as the file names them too: another choice has another state; empty: all
};
FittedPart fitted_part(const predict::FittedLink& link);
FittedPart fitted_part(plugin::Ensembler& ensembler);

/// Gives a part the state that the run, an ensemble or not, keeps for it. Throws Error(kUsage), which says what to do,
/// when there is none or one of another plugin, Error(kData) when it does not fit.
void load_fitted(const run::RunFolder& folder, const FittedPart& part, bool ensemble);

/// Writes the states of all parts of a run.
void save_fitted(const run::RunFolder& folder, const std::vector<FittedPart>& parts);

}  // namespace osteon::engine
