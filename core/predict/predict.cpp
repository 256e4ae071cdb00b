// SPDX-License-Identifier: Apache-2.0
#include "predict/predict.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "predict/bridge.hpp"
#include "predict/finite.hpp"
#include "predict/until_interrupted.hpp"

namespace osteon::predict {
namespace {

cv::Mat root_pixels(const data::Image& image) {
  // The image keeps its own channels; the model's are the leaf's business.
  cv::Mat pixels = data::to_float(image, image.pixels.channels());
  return pixels.isContinuous() ? pixels : pixels.clone();
}

RootFacts facts_of(const data::Image& image) {
  RootFacts facts;
  facts.digest = digest_of(image);
  return facts;
}

OwnedPrediction run(const osteon_call* call, const Predictor& predictor, const FileImage& image, std::uint32_t form,
                    std::uint32_t grid) {
  std::vector<OwnedPrediction> predictions(1);
  try {
    predictor.predict(call, {image.get()}, make_request(form, grid), predictions);
  } catch (const sdk::BadInput& e) {
    throw Error(ExitCode::kData, e.what());
  }
  return std::move(predictions[0]);
}

}  // namespace

FileImage::FileImage(const data::Image& image, const std::string& name)
    : pixels_(root_pixels(image)), root_(pixels_, name, facts_of(image)) {}

std::array<std::uint8_t, 32> digest_of(const data::Image& image) {
  const cv::Mat pixels = image.pixels.isContinuous() ? image.pixels : image.pixels.clone();
  const std::string_view bytes(reinterpret_cast<const char*>(pixels.data), pixels.total() * pixels.elemSize());
  std::string text = sha256(bytes);
  for (const int number : {pixels.rows, pixels.cols, pixels.type(), static_cast<int>(image.maximum)})
    text += " " + std::to_string(number);
  const std::string whole = sha256(text);
  std::array<std::uint8_t, 32> digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<std::uint8_t>(std::stoi(whole.substr(2 * i, 2), nullptr, 16));
  return digest;
}

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
  const std::uint32_t form = form_to_decide(predictor), grid = grid_to_decide(predictor);
  return until_interrupted([&] {
    const FileImage root(image, name);
    const OwnedPrediction prediction = run(call, predictor, root, form, grid);
    return naming_not_finite(predictor, *root.get(), make_request(form, grid), form, [&] {
      return decide(call, prediction.raw(), static_cast<int>(predictor.classes().names.size()), root.height(),
                    root.width(), decision);
    });
  });
}

OwnedPrediction predict_probabilities(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                                      const std::string& name) {
  if ((predictor.gives_forms() & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) == 0)
    throw Error(ExitCode::kUsage,
                predictor.name() + " gives decided masks, no probabilities; leave `probabilities` out of --format");
  return until_interrupted([&] {
    const FileImage root(image, name);
    OwnedPrediction prediction = run(call, predictor, root, OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    naming_not_finite(predictor, *root.get(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE),
                      OSTEON_FORM_PROBABILITIES, [&] { expect_finite(sdk::Call(call), prediction.raw()); });
    return prediction;
  });
}

}  // namespace osteon::predict
