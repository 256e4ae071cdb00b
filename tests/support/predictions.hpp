// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <osteon/sdk/call.hpp>

#include "predict/member.hpp"
#include "predict/predictor.hpp"
#include "predict/resample.hpp"

// Predictions of tests' own making, and bilinear interpolation as PyTorch does it, in double.
namespace osteon::test {

/// [classes, height, width] from a function of class, row and column.
using Value = std::function<double(std::int64_t c, std::int64_t y, std::int64_t x)>;

inline void fill(const osteon_call* call, std::uint32_t form, std::int64_t classes, std::int64_t height,
                 std::int64_t width, const Value& value, predict::OwnedPrediction& prediction) {
  sdk::OwnedTensor values = sdk::Call(call).allocate<float>({classes, height, width});
  float* out = values.data<float>();
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) *out++ = static_cast<float>(value(c, y, x));
  prediction.raw().form = form;
  values.move_to(&prediction.raw().values);
  const double identity[6] = {1, 0, 0, 0, 1, 0};
  std::memcpy(prediction.raw().to_image, identity, sizeof identity);
}

inline double torch_source(std::int64_t in, std::int64_t out, std::int64_t i, bool align_corners) {
  const double position =
      align_corners ? (out > 1 ? static_cast<double>((in - 1) * i) / static_cast<double>(out - 1) : 0.0)
                    : static_cast<double>(in) / static_cast<double>(out) * (static_cast<double>(i) + 0.5) - 0.5;
  return std::clamp(position, 0.0, static_cast<double>(in - 1));
}

/// Pixel (y, x) of `in` (height x width) resized to out_height x out_width.
inline double torch_bilinear(const float* in, std::int64_t height, std::int64_t width, std::int64_t out_height,
                             std::int64_t out_width, std::int64_t y, std::int64_t x, bool align_corners) {
  const double sy = torch_source(height, out_height, y, align_corners),
               sx = torch_source(width, out_width, x, align_corners);
  const auto y0 = static_cast<std::int64_t>(sy), x0 = static_cast<std::int64_t>(sx);
  const std::int64_t y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
  const double wy = sy - static_cast<double>(y0), wx = sx - static_cast<double>(x0);
  return (in[y0 * width + x0] * (1 - wx) + in[y0 * width + x1] * wx) * (1 - wy) +
         (in[y1 * width + x0] * (1 - wx) + in[y1 * width + x1] * wx) * wy;
}

inline plugin::ClassContext classes(int count, bool multiclass = false) {
  plugin::ClassContext context;
  context.multiclass = multiclass;
  for (int c = 0; c < count; ++c) context.names.push_back("c" + std::to_string(c));
  return context;
}

/// A member of a whole that has `classes`.
inline predict::Member member(std::shared_ptr<const predict::Predictor> predictor, const plugin::ClassContext& classes,
                              std::vector<double> thresholds = {}) {
  predict::Member made{std::move(predictor), {}, std::move(thresholds)};
  made.channels = predict::channels_of(*made.predictor, classes, "a member");
  return made;
}

/// A predictor whose probabilities are a function of class and pixel, on the image's grid. Notes what it was asked.
class FunctionPredictor final : public predict::Predictor {
 public:
  FunctionPredictor(const plugin::ClassContext& context, Value value)
      : Predictor(context, {predict::Gives{}.forms, OSTEON_SET(OSTEON_GRID_IMAGE)}), value_(std::move(value)) {}
  std::string name() const override { return "the test's predictor"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request,
               std::vector<predict::OwnedPrediction>& predictions) const override {
    std::vector<std::int32_t> wanted(request.classes, request.classes + request.n_classes);
    for (std::size_t c = 0; request.n_classes == 0 && c < classes().names.size(); ++c)
      wanted.push_back(static_cast<std::int32_t>(c));
    asked.push_back(wanted);
    for (std::size_t i = 0; i < images.size(); ++i)
      fill(
          call, request.form, static_cast<std::int64_t>(wanted.size()), images[i]->pixels.shape[0],
          images[i]->pixels.shape[1],
          [&](std::int64_t c, std::int64_t y, std::int64_t x) {
            return value_(wanted[static_cast<std::size_t>(c)], y, x);
          },
          predictions[i]);
  }
  mutable std::vector<std::vector<std::int32_t>> asked;

 private:
  Value value_;
};

inline double grid_logit(std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<double>((7 * c + 5 * y + 3 * x) % 17 - 8) / 4;
}

/// Logits on a grid of its own, a third of the image's or less, with a softmax where classes exclude each other.
/// Counts.
class GridPredictor final : public predict::Predictor {
 public:
  explicit GridPredictor(const plugin::ClassContext& context, std::int64_t stride = 3)
      : Predictor(context, predict::Gives{}), stride_(stride) {}
  std::string name() const override { return "the grid's predictor"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request,
               std::vector<predict::OwnedPrediction>& predictions) const override {
    ++forwards;
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::int64_t height = images[i]->pixels.shape[0], width = images[i]->pixels.shape[1];
      const std::int64_t h = (height + stride_ - 1) / stride_, w = (width + stride_ - 1) / stride_;
      test::fill(call, OSTEON_FORM_LOGITS, static_cast<std::int64_t>(classes().names.size()), h, w, grid_logit,
                 predictions[i]);
      double* m = predictions[i].raw().to_image;
      m[0] = static_cast<double>(width) / static_cast<double>(w);
      m[4] = static_cast<double>(height) / static_cast<double>(h);
      m[2] = (m[0] - 1) / 2;
      m[5] = (m[4] - 1) / 2;
      if (classes().multiclass) predict::convert(call, raw(), request, height, width, predictions[i].raw());
      predict::select_classes(call, request, predictions[i].raw());
      if (!classes().multiclass) predict::convert(call, raw(), request, height, width, predictions[i].raw());
    }
  }
  mutable int forwards = 0;

 private:
  std::int64_t stride_;
};

}  // namespace osteon::test
