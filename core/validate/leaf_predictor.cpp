// SPDX-License-Identifier: Apache-2.0
#include "validate/leaf_predictor.hpp"

#include <algorithm>
#include <cmath>

#include "predict/grid.hpp"
#include "predict/resample.hpp"

namespace osteon::validate {
namespace {

constexpr std::int64_t kRecipeSide = 24;

float factor_of(std::int64_t k) { return (k % 2 == 0 ? 1.0f : -1.0f) * (8.0f - static_cast<float>(k % 5)); }

// Decides at 0.5, or takes the most probable class.
void to_bits(const osteon_call* call, bool multiclass, osteon_prediction& prediction) {
  const osteon_tensor_view& view = prediction.values.view;
  const std::int64_t classes = view.shape[0], pixels = view.shape[1] * view.shape[2];
  const float* values = sdk::data_of<const float>(view, "a prediction");
  sdk::OwnedTensor bits = sdk::Call(call).allocate<std::int32_t>({(classes + 31) / 32, view.shape[1], view.shape[2]});
  auto* words = reinterpret_cast<std::uint32_t*>(bits.data<std::int32_t>());
  std::fill_n(words, (classes + 31) / 32 * pixels, 0u);
  for (std::int64_t p = 0; p < pixels; ++p) {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < classes; ++k)
      if (values[k * pixels + p] > values[best * pixels + p]) best = k;
    for (std::int64_t k = 0; k < classes; ++k)
      if (multiclass ? k == best : values[k * pixels + p] > 0.5f) words[k / 32 * pixels + p] |= 1u << (k % 32);
  }
  sdk::OwnedTensor old(prediction.values);
  bits.move_to(&prediction.values);
  prediction.form = OSTEON_FORM_BITS;
}

}  // namespace

ProbeImage::ProbeImage(std::int64_t h, std::int64_t w, std::int64_t c) : pixels_({h, w, c}) {
  for (std::int64_t i = 0; i < pixels_.count(); ++i)
    pixels_.data()[i] = static_cast<float>(texture(i / (w * c), i / c % w, i % c));
  raw_.struct_size = sizeof raw_;
  raw_.pixels = pixels_.view();
  raw_.to_root[0] = raw_.to_root[4] = 1;
  raw_.root = "a probe";
}

LeafPredictor::LeafPredictor(const plugin::ClassContext& classes, const predict::Gives& gives)
    : Predictor(classes, gives), checked_(raw()) {
  checked_.predict = predict_checked;
}

void LeafPredictor::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                            const osteon_predict_request& request,
                            std::vector<predict::OwnedPrediction>& predictions) const {
  const bool multiclass = classes().multiclass, bits = request.form == OSTEON_FORM_BITS;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const osteon_tensor_view& pixels = images[i]->pixels;
    const std::int64_t height = pixels.shape[0], width = pixels.shape[1];
    const bool native = request.scale == OSTEON_SCALE_NATIVE;
    const std::int64_t h = native ? (height + 1) / 2 : kRecipeSide, w = native ? (width + 1) / 2 : kRecipeSide;
    const predict::AxisMap down = predict::covering(h, height, false), across = predict::covering(w, width, false);
    const predict::Axis rows = predict::make_axis(height, h, 1 / down.scale, -down.offset / down.scale);
    const predict::Axis columns = predict::make_axis(width, w, 1 / across.scale, -across.offset / across.scale);
    const std::vector<float> brightness = values_of(pixels);
    const auto at = [&](std::int64_t y, std::int64_t x) {
      return static_cast<double>(brightness[static_cast<std::size_t>((y * width + x) * pixels.shape[2])]);
    };
    sdk::OwnedTensor values = sdk::Call(call).allocate<float>({raw().n_classes, h, w});
    for (std::int64_t p = 0; p < h * w; ++p) {
      const auto y = static_cast<std::size_t>(p / w), x = static_cast<std::size_t>(p % w);
      const double a = at(rows.low[y], columns.low[x]), b = at(rows.low[y], columns.high[x]);
      const double c = at(rows.high[y], columns.low[x]), d = at(rows.high[y], columns.high[x]);
      const double top = a + (b - a) * static_cast<double>(columns.weight[x]);
      const double bottom = c + (d - c) * static_cast<double>(columns.weight[x]);
      const auto value = static_cast<float>(top + (bottom - top) * static_cast<double>(rows.weight[y]) - 0.5);
      for (std::int64_t k = 0; k < raw().n_classes; ++k) values.data<float>()[k * h * w + p] = factor_of(k) * value;
      if (spoilt_ && p % 5 == 0) values.data<float>()[p] = spoil_;
    }
    osteon_prediction& prediction = predictions[i].raw();
    prediction.form = OSTEON_FORM_LOGITS;
    const double map[6] = {across.scale, 0, across.offset, 0, down.scale, down.offset};
    std::copy_n(map, 6, prediction.to_image);
    values.move_to(&prediction.values);
    osteon_predict_request all = request;
    if (bits) all.form = OSTEON_FORM_PROBABILITIES;
    predict::convert(call, raw(), all, height, width, prediction);
    predict::select_classes(call, request, prediction);
    if (bits) to_bits(call, multiclass, prediction);
  }
}

std::string LeafPredictor::fault_of(std::uint64_t n, const osteon_image* const* images,
                                    const osteon_predict_request& request,
                                    osteon_prediction* const* predictions) const {
  if (request.struct_size < sizeof request)
    return fmt::format("the request's struct_size is {}, expected {}", request.struct_size, sizeof request);
  if (request.form > 31 || (gives_forms() & OSTEON_SET(request.form)) == 0)
    return fmt::format("it was asked for form {}, and gives_forms is {:#x}", request.form, gives_forms());
  if (request.grid > 31 || (gives_grids() & OSTEON_SET(request.grid)) == 0)
    return fmt::format("it was asked for grid {}, and gives_grids is {:#x}", request.grid, gives_grids());
  if (request.scale != OSTEON_SCALE_RECIPE && request.scale != OSTEON_SCALE_NATIVE)
    return fmt::format("it was asked for scale {}", request.scale);
  for (std::uint64_t k = 0; k < request.n_classes; ++k)
    if (request.classes[k] < 0 || request.classes[k] >= raw().n_classes ||
        (k > 0 && request.classes[k] <= request.classes[k - 1]))
      return "it was asked for classes that do not exist or do not rise";
  for (std::uint64_t i = 0; i < n; ++i) {
    if (images[i]->struct_size < sizeof(osteon_image) || images[i]->flags != 0)
      return "an image has a wrong struct_size or flags";
    const osteon_tensor_view& pixels = images[i]->pixels;
    if (pixels.dtype != sdk::dtype_of<float>() || pixels.ndim != 3 || pixels.shape[0] < 1 || pixels.shape[1] < 1 ||
        (pixels.shape[2] != 1 && pixels.shape[2] != 3))
      return fmt::format("it was given an image {} of {}", sdk::shape_text(pixels), sdk::to_string(pixels.dtype));
    const double* m = images[i]->to_root;
    if (!(std::abs(m[0] * m[4] - m[1] * m[3]) > 1e-9)) return "an image's to_root cannot be inverted";
    const osteon_prediction& out = *predictions[i];
    if (out.struct_size < sizeof out || out.values.release != nullptr)
      return "an osteon_prediction is not zeroed, but for its struct_size";
  }
  return {};
}

osteon_status LeafPredictor::predict_checked(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                             const osteon_image* const* images, const osteon_predict_request* request,
                                             osteon_prediction* const* predictions, osteon_error* error) {
  const auto& leaf = *static_cast<const LeafPredictor*>(static_cast<const Predictor*>(self->host));
  std::string fault = leaf.fault_of(n, images, *request, predictions);
  {
    const std::lock_guard<std::mutex> lock(leaf.mutex_);
    leaf.last_images_.assign(images, images + n);
    if (leaf.fault_.empty()) leaf.fault_ = fault;
  }
  ++leaf.calls_;
  if (!fault.empty()) return sdk::detail::report(error, OSTEON_INVALID_ARGUMENT, fault.c_str());
  const osteon_status status = leaf.status_;
  if (status != OSTEON_OK) return sdk::detail::report(error, status, "the checks' model fails on purpose");
  return leaf.raw().predict(call, &leaf.raw(), n, images, request, predictions, error);
}

std::vector<const osteon_image*> LeafPredictor::last_images() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_images_;
}

void LeafPredictor::expect_well_used() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  expect(fault_.empty(), "it used its inner predictor wrongly: {}", fault_);
}

}  // namespace osteon::validate
