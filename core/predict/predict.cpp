// SPDX-License-Identifier: Apache-2.0
#include "predict/predict.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/view.hpp"
#include "predict/bridge.hpp"
#include "predict/finite.hpp"
#include "predict/reading.hpp"
#include "predict/resample.hpp"
#include "predict/until_interrupted.hpp"

namespace osteon::predict {
namespace {

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

std::unique_ptr<Reading> opened(const osteon_call* call, const Predictor& predictor, const FileImage& image,
                                const osteon_predict_request& request) {
  try {
    return predictor.open(call, *image.get(), request);
  } catch (const sdk::BadInput& e) {
    throw Error(ExitCode::kData, e.what());
  }
}

void expect_probabilities(const Predictor& predictor) {
  if ((predictor.gives_forms() & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) == 0)
    throw Error(ExitCode::kUsage,
                predictor.name() + " gives decided masks, no probabilities; leave `probabilities` out of --format");
}

// Rows of masks into those of the whole.
void put_rows(const data::Labels& band, std::int64_t first, data::Labels& whole) {
  for (std::size_t p = 0; p < whole.planes().size(); ++p)
    for (int y = 0; y < band.size().height; ++y)
      std::memcpy(whole.planes()[p].ptr(static_cast<int>(first) + y), band.planes()[p].ptr(y),
                  static_cast<std::size_t>(whole.size().width) * sizeof(std::int32_t));
}

// Where the predictor gives the image's grid alone: nobody holds all of its planes.
data::Labels labels_by_bands(const osteon_call* call, const Predictor& predictor, const FileImage& image,
                             const Decision& decision, const ProbabilitySink& sink) {
  const std::uint32_t form = form_to_decide(predictor);
  const auto classes = static_cast<int>(predictor.classes().names.size());
  const auto reading = opened(call, predictor, image, make_request(form, OSTEON_GRID_IMAGE));
  data::Labels labels(classes, cv::Size(static_cast<int>(image.width()), static_cast<int>(image.height())));
  const std::int64_t step = rows_of_band(classes, image.height(), image.width());
  for (std::int64_t first = 0; first < image.height(); first += step) {
    const plugin::Call own(call, {});
    OwnedPrediction band = reading->read(own.raw(), std::min(step, image.height() - first));
    std::copy_n(sdk::Affine().m, 6, band.raw().to_image);  // it is an image of its own to who decides
    put_rows(decide(own.raw(), band.raw(), classes, band.height(), band.width(), decision), first, labels);
    if (!sink) continue;
    convert(own.raw(), predictor.raw(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_MODEL), band.height(),
            band.width(), band.raw());
    sink(band.view(), first);
  }
  return labels;
}

// The probabilities of what was predicted on the model's grid.
void give_bands(const osteon_call* call, const Predictor& predictor, const FileImage& image,
                const OwnedPrediction& prediction, const ProbabilitySink& sink) {
  HeldReading reading(call, predictor, *image.get(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE),
                      prediction);
  const std::int64_t step = rows_of_band(prediction.classes(), image.height(), image.width());
  for (std::int64_t first = 0; first < image.height(); first += step) {
    const plugin::Call own(call, {});
    sdk::Call(own.raw()).stop_if_cancelled();
    const OwnedPrediction band = reading.read(own.raw(), std::min(step, image.height() - first));
    sink(band.view(), first);
  }
}

}  // namespace

FileImage::FileImage(const data::Image& image, const std::string& name)
    : pixels_(data::root_pixels(image)), root_(pixels_, name, facts_of(image)) {}

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
                            const std::string& name, const Decision& decision, const ProbabilitySink& sink) {
  if (sink) expect_probabilities(predictor);
  const std::uint32_t form = form_to_decide(predictor);
  return until_interrupted([&] {
    const FileImage root(image, name);
    if (form != OSTEON_FORM_BITS && grid_to_decide(predictor) == OSTEON_GRID_IMAGE)
      return labels_by_bands(call, predictor, root, decision, sink);
    const OwnedPrediction prediction = run(call, predictor, root, form, grid_to_decide(predictor));
    const data::Labels labels =
        naming_not_finite(predictor, *root.get(), make_request(form, OSTEON_GRID_MODEL), form, [&] {
          return decide(call, prediction.raw(), static_cast<int>(predictor.classes().names.size()), root.height(),
                        root.width(), decision);
        });
    if (sink) give_bands(call, predictor, root, prediction, sink);
    return labels;
  });
}

OwnedPrediction predict_probabilities(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                                      const std::string& name) {
  expect_probabilities(predictor);
  return until_interrupted([&] {
    const FileImage root(image, name);
    OwnedPrediction prediction = run(call, predictor, root, OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    naming_not_finite(predictor, *root.get(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE),
                      OSTEON_FORM_PROBABILITIES, [&] { expect_finite(sdk::Call(call), prediction.raw()); });
    return prediction;
  });
}

}  // namespace osteon::predict
