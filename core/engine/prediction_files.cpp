// SPDX-License-Identifier: Apache-2.0
#include "engine/prediction_files.hpp"

#include <filesystem>
#include <system_error>

#include "base/error.hpp"
#include "engine/probabilities_file.hpp"
#include "exports/mask_png.hpp"
#include "exports/overlay.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;

PredictionFiles::PredictionFiles(const exports::OutputFolder& out, const PredictRequest& request,
                                 const recipe::Recipe& recipe)
    : out_(out),
      recipe_(recipe),
      formats_(request.formats.begin(), request.formats.end()),
      half_(request.half_probabilities) {
  std::error_code failure;
  fs::create_directories(out_.root(), failure);
  if (failure)
    throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), out_.root().string());
  if (wants("csv")) csv_.emplace(out_.submission(), recipe.data.classes);
}

nlohmann::json PredictionFiles::write(const exports::OutputName& name, const data::Image& image,
                                      const data::Labels& labels, const std::vector<std::string>& runs) {
  nlohmann::json files = nlohmann::json::object();
  if (wants("png")) {
    const bool one_file = recipe_.data.kind == "multiclass";
    const fs::path path = out_.masks() / (one_file ? name.file + ".png" : name.file);
    if (one_file)
      exports::write_index_mask(path, labels);
    else
      exports::write_class_masks(path, labels, recipe_.data.classes);
    files["png"] = path.string();
  }
  if (wants("overlay")) {
    const fs::path path = out_.overlays() / (name.file + ".png");
    exports::write_png(path, exports::render_overlay(image, labels, recipe_.data.classes));
    files["overlay"] = path.string();
  }
  if (csv_) csv_->add(name.image, runs);
  return files;
}

std::string PredictionFiles::write_probabilities(const exports::OutputName& name, cv::Size size,
                                                 const std::function<void(const predict::ProbabilitySink&)>& predict) {
  const fs::path path = out_.probabilities() / (name.file + ".safetensors");
  engine::write_probabilities(path, static_cast<std::int64_t>(recipe_.data.classes.size()), size.height, size.width,
                              half_, predict);
  return path.string();
}

void PredictionFiles::finish() {
  if (csv_) csv_->finish();
}

}  // namespace osteon::engine
