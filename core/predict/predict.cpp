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

OwnedPrediction run(const osteon_call* call, const Predictor& predictor, const osteon_image* image, std::uint32_t form,
                    std::uint32_t grid) {
  std::vector<OwnedPrediction> predictions(1);
  try {
    predictor.predict(call, {image}, make_request(form, grid), predictions);
  } catch (const sdk::BadInput& e) {
    throw Error(ExitCode::kData, e.what());
  }
  return std::move(predictions[0]);
}

std::unique_ptr<Reading> opened(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                                const osteon_predict_request& request) {
  try {
    return predictor.open(call, image, request);
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
data::Labels labels_by_bands(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                             const Decision& decision, const ProbabilitySink& sink) {
  const std::uint32_t form = form_to_decide(predictor);
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1];
  const auto classes = static_cast<int>(predictor.classes().names.size());
  const auto reading = opened(call, predictor, image, make_request(form, OSTEON_GRID_IMAGE));
  data::Labels labels(classes, cv::Size(static_cast<int>(width), static_cast<int>(height)));
  const std::int64_t step = rows_of_band(classes, height, width);
  for (std::int64_t first = 0; first < height; first += step) {
    const plugin::Call own(call, {});
    OwnedPrediction band = reading->read(own.raw(), std::min(step, height - first));
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
void give_bands(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                const OwnedPrediction& prediction, const ProbabilitySink& sink) {
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1];
  HeldReading reading(call, predictor, image, make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE), prediction);
  const std::int64_t step = rows_of_band(prediction.classes(), height, width);
  for (std::int64_t first = 0; first < height; first += step) {
    const plugin::Call own(call, {});
    sdk::Call(own.raw()).stop_if_cancelled();
    const OwnedPrediction band = reading.read(own.raw(), std::min(step, height - first));
    sink(band.view(), first);
  }
}

data::Labels labels_of(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                       const Decision& decision, const ProbabilitySink& sink) {
  const std::uint32_t form = form_to_decide(predictor), grid = grid_to_decide(predictor);
  if (form != OSTEON_FORM_BITS && grid == OSTEON_GRID_IMAGE)
    return labels_by_bands(call, predictor, image, decision, sink);
  const OwnedPrediction prediction = run(call, predictor, &image, form, grid);
  data::Labels labels = naming_not_finite(predictor, image, make_request(form, grid), form, [&] {
    return decide(call, prediction.raw(), static_cast<int>(predictor.classes().names.size()), image.pixels.shape[0],
                  image.pixels.shape[1], decision);
  });
  if (sink) give_bands(call, predictor, image, prediction, sink);
  return labels;
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
  return until_interrupted([&] {
    const FileImage root(image, name);
    return labels_of(call, predictor, *root.get(), decision, sink);
  });
}

void try_out(const osteon_call* call, const Predictor& predictor, int channels, const Decision& decision) {
  constexpr int kSide = 64;
  // A slope with a bright square: neither constant nor noise.
  cv::Mat pixels(kSide, kSide, CV_32FC(channels));
  for (int y = 0; y < kSide; ++y)
    for (int i = 0; i < kSide * channels; ++i)
      pixels.ptr<float>(y)[i] = static_cast<float>(y + i / channels) / (2 * kSide);
  pixels(cv::Rect(16, 24, 24, 16)).setTo(cv::Scalar::all(0.9));
  const RootImage root(pixels, "the image that is tried before the start");
  until_interrupted([&] {
    try {
      labels_of(call, predictor, *root.get(), decision, {});
    } catch (const Error& e) {
      if (e.code() != ExitCode::kData) throw;
    }
  });
}

OwnedPrediction predict_probabilities(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                                      const std::string& name) {
  expect_probabilities(predictor);
  return until_interrupted([&] {
    const FileImage root(image, name);
    OwnedPrediction prediction = run(call, predictor, root.get(), OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    naming_not_finite(predictor, *root.get(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE),
                      OSTEON_FORM_PROBABILITIES, [&] { expect_finite(sdk::Call(call), prediction.raw()); });
    return prediction;
  });
}

}  // namespace osteon::predict
