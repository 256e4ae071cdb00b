// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "data/dataset_check.hpp"
#include "engine/engine.hpp"
#include "metrics/scores.hpp"
#include "plugin/call.hpp"
#include "predict/decide.hpp"
#include "predict/predictor.hpp"

namespace osteon::engine {

/// Gets an image's name and its predicted masks.
using MaskLook = std::function<void(const std::string& image, const data::Labels&)>;

/// Predicts labelled images at their own size and counts. Each has a call of its own beneath `call`, which is of the
/// CPU. Images that cannot be read or predicted are `broken`'s business. `what` stands in front of the progress. `look`
/// sees the masks that were predicted of each; it may be empty.
void evaluate_images(const plugin::Call& call, const predict::Predictor& predictor, const predict::Decision& decision,
                     const data::Dataset& dataset, const std::vector<int>& indices, data::BrokenSamples& broken,
                     const std::string& what, metrics::Scores& evaluation, const MaskLook& look = {});

/// `osteon evaluate`; also writes the figures into the run folder, if it can be written: "files" names them.
nlohmann::ordered_json run_evaluation(const EvaluateRequest& request, const Context& context);

}  // namespace osteon::engine
