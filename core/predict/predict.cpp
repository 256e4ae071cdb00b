// SPDX-License-Identifier: Apache-2.0
#include "predict/predict.hpp"

#include "base/error.hpp"

namespace osteon::predict {
namespace {

cv::Mat root_pixels(const data::Image& image) {
  // The image keeps its own channels; the model's are the leaf's business.
  cv::Mat pixels = data::to_float(image, image.pixels.channels());
  return pixels.isContinuous() ? pixels : pixels.clone();
}

OwnedPrediction run(const osteon_call* call, const Predictor& predictor, const cv::Mat& pixels, const std::string& name,
                    std::uint32_t form, std::uint32_t grid) {
  const RootImage root(pixels, name);
  std::vector<OwnedPrediction> predictions(1);
  predictor.predict(call, {root.get()}, make_request(form, grid), predictions);
  return std::move(predictions[0]);
}

}  // namespace

Decision decision_of(const recipe::Recipe& recipe) {
  Decision decision;
  decision.multiclass = recipe.data.kind == "multiclass";
  for (const std::string& name : recipe.data.classes) {
    const auto own = recipe.predict.thresholds.find(name);
    decision.thresholds.push_back(own != recipe.predict.thresholds.end() ? own->second : recipe.predict.threshold);
  }
  return decision;
}

data::Labels predict_labels(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                            const std::string& name, const Decision& decision) {
  const std::uint32_t forms = predictor.gives_forms();
  const std::uint32_t grid =
      (predictor.gives_grids() & OSTEON_SET(OSTEON_GRID_MODEL)) != 0 ? OSTEON_GRID_MODEL : OSTEON_GRID_IMAGE;
  const std::uint32_t form = (forms & OSTEON_SET(OSTEON_FORM_LOGITS)) != 0          ? OSTEON_FORM_LOGITS
                             : (forms & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) != 0 ? OSTEON_FORM_PROBABILITIES
                                                                                    : OSTEON_FORM_BITS;
  const cv::Mat pixels = root_pixels(image);
  const OwnedPrediction prediction = run(call, predictor, pixels, name, form, grid);
  return decide(call, prediction.raw(), static_cast<int>(predictor.classes().names.size()), pixels.rows, pixels.cols,
                decision);
}

OwnedPrediction predict_probabilities(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                                      const std::string& name) {
  if ((predictor.gives_forms() & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) == 0)
    throw Error(ExitCode::kUsage,
                predictor.name() + " gives decided masks, no probabilities; leave `probabilities` out of --format");
  return run(call, predictor, root_pixels(image), name, OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
}

}  // namespace osteon::predict
