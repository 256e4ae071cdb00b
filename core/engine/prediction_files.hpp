// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/image.hpp"
#include "data/labels.hpp"
#include "engine/engine.hpp"
#include "exports/output_folder.hpp"
#include "exports/submission.hpp"
#include "predict/predict.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// Writes the files that a prediction asks for, image by image. What it is given outlives it.
class PredictionFiles {
 public:
  /// Makes the folder. Throws Error(kResources) when it cannot.
  PredictionFiles(const exports::OutputFolder& out, const PredictRequest& request, const recipe::Recipe& recipe);
  bool wants(const std::string& format) const { return formats_.count(format) > 0; }
  /// Masks, overlay and lines of the CSV. `runs`: the masks, run-length encoded, by class.
  /// @return what was written, `{format: path}`
  nlohmann::json write(const exports::OutputName& name, const data::Image& image, const data::Labels& labels,
                       const std::vector<std::string>& runs);
  /// Probabilities, as `predict` gives them to the sink that it is called with.
  /// @return the file's path
  std::string write_probabilities(const exports::OutputName& name, cv::Size size,
                                  const std::function<void(const predict::ProbabilitySink&)>& predict);
  /// Ends the CSV, which is not there before.
  void finish();

 private:
  const exports::OutputFolder& out_;
  const recipe::Recipe& recipe_;
  std::set<std::string> formats_;
  bool half_;
  std::optional<exports::SubmissionWriter> csv_;
};

}  // namespace osteon::engine
