// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/leaf_predictor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <osteon/sdk/half.hpp>

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

// Floats as float16, for who takes that.
void halve(const osteon_call* call, osteon_prediction& prediction) {
  const osteon_tensor_view& view = prediction.values.view;
  sdk::OwnedTensor narrow = sdk::Call(call).allocate({OSTEON_DTYPE_FLOAT, 16, 1}, {view.shape, view.shape + view.ndim});
  const float* values = sdk::data_of<const float>(view, "a prediction");
  auto* halves = static_cast<std::uint16_t*>(narrow.view().data);
  for (std::int64_t i = 0; i < sdk::element_count(view); ++i) halves[i] = sdk::half_from_float(values[i]);
  sdk::OwnedTensor old(prediction.values);
  narrow.move_to(&prediction.values);
}

}  // namespace

ProbeImage::ProbeImage(std::int64_t h, std::int64_t w, std::int64_t c)
    : pixels_({h, w, c}), digest_(std::make_unique<std::uint8_t[]>(32)), raw_(sdk::sized<osteon_image>()) {
  for (std::int64_t i = 0; i < pixels_.count(); ++i)
    pixels_.data()[i] = static_cast<float>(texture(i / (w * c), i / c % w, i % c));
  // Of pixels that are decided by the size: no two sizes have one digest.
  for (std::size_t i = 0; i < 32; ++i) digest_[i] = static_cast<std::uint8_t>(h * 31 + w * 7 + c + (i % 2 ? h : w) * 3);
  raw_.pixels = pixels_.view();
  raw_.to_root[0] = raw_.to_root[4] = 1;
  raw_.root = "a probe";
  raw_.digest = digest_.get();
  raw_.spacing[0] = raw_.spacing[1] = 0.15;
}

LeafPredictor::LeafPredictor(const plugin::ClassContext& classes, const predict::Gives& gives)
    : Predictor(classes, gives), checked_(raw()) {
  checked_.predict = predict_checked;
}

void LeafPredictor::look_at(const osteon_call* call, const osteon_image& image, bool native,
                            osteon_prediction& prediction) const {
  const osteon_tensor_view& pixels = image.pixels;
  const std::int64_t height = pixels.shape[0], width = pixels.shape[1];
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
  prediction.form = OSTEON_FORM_LOGITS;
  const double map[6] = {across.scale, 0, across.offset, 0, down.scale, down.offset};
  std::copy_n(map, 6, prediction.to_image);
  values.move_to(&prediction.values);
}

void LeafPredictor::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                            const osteon_predict_request& request,
                            std::vector<predict::OwnedPrediction>& predictions) const {
  const bool bits = request.form == OSTEON_FORM_BITS;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const osteon_image& image = *images[i];
    if (image.root != nullptr && std::strcmp(image.root, kBadRoot) == 0) {
      constexpr const char* kWhy = "the checks call this image bad";
      if ((request.flags & OSTEON_PREDICT_EACH) == 0) throw sdk::BadInput(kWhy);
      predictions[i].refuse(kWhy);
      continue;
    }
    osteon_prediction& prediction = predictions[i].raw();
    look_at(call, image, request.scale == OSTEON_SCALE_NATIVE, prediction);
    osteon_predict_request all = request;
    all.elements = 0;
    if (bits) all.form = OSTEON_FORM_PROBABILITIES;
    predict::convert(call, raw(), all, image.pixels.shape[0], image.pixels.shape[1], prediction);
    predict::select_classes(call, request, prediction);
    if (bits)
      to_bits(call, classes().multiclass, prediction);
    else if ((request.elements & OSTEON_SET(OSTEON_ELEMENT_FLOAT16)) != 0)
      halve(call, prediction);
  }
}

std::string LeafPredictor::fault_of(std::uint64_t n, const osteon_image* const* images,
                                    const osteon_predict_request* given, osteon_prediction* const* predictions) const {
  try {
    const osteon_predict_request request = sdk::known(given, "its request", std::uint32_t{OSTEON_PREDICT_EACH});
    sdk::detail::check_request(request, raw().n_classes);
    if ((gives_forms() & OSTEON_SET(request.form)) == 0)
      return fmt::format("it was asked for form {}, and gives_forms is {:#x}", request.form, gives_forms());
    if ((gives_grids() & OSTEON_SET(request.grid)) == 0)
      return fmt::format("it was asked for grid {}, and gives_grids is {:#x}", request.grid, gives_grids());
    for (std::uint64_t i = 0; i < n; ++i) {
      const osteon_image image = sdk::known(images[i], "its image");
      const osteon_tensor_view& pixels = image.pixels;
      expect_canonical(pixels, "its image");
      if (pixels.dtype != sdk::dtype_of<float>() || pixels.ndim != 3 || pixels.shape[0] < 1 || pixels.shape[1] < 1 ||
          (pixels.shape[2] != 1 && pixels.shape[2] != 3))
        return fmt::format("it was given an image {} of {}", sdk::shape_text(pixels), sdk::to_string(pixels.dtype));
      const double* m = image.to_root;
      if (!(std::abs(m[0] * m[4] - m[1] * m[3]) > 1e-9)) return "an image's to_root cannot be inverted";
      const osteon_prediction out = sdk::known(predictions[i], "its osteon_prediction");
      if (out.values.release != nullptr || out.form != 0 || out.status != OSTEON_OK)
        return "an osteon_prediction is not zeroed, but for its struct_size and error";
      if (out.values.struct_size != sizeof out.values) return "the osteon_tensor in an osteon_prediction has no size";
    }
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

osteon_status LeafPredictor::predict_checked(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                             const osteon_image* const* images, const osteon_predict_request* request,
                                             osteon_prediction* const* predictions, osteon_error* error) {
  const auto& leaf = *static_cast<const LeafPredictor*>(static_cast<const Predictor*>(self->host));
  std::string fault = leaf.fault_of(n, images, request, predictions);
  {
    const std::lock_guard<std::mutex> lock(leaf.mutex_);
    leaf.last_pixels_.clear();
    for (std::uint64_t i = 0; i < n && fault.empty(); ++i) leaf.last_pixels_.push_back(images[i]->pixels.data);
    if (leaf.fault_.empty()) leaf.fault_ = fault;
  }
  ++leaf.calls_;
  if (!fault.empty()) return sdk::detail::report(error, OSTEON_INVALID_ARGUMENT, fault.c_str());
  const osteon_status status = leaf.status_;
  if (status != OSTEON_OK) return sdk::detail::report(error, status, "the checks' model fails on purpose");
  const osteon_status predicted = leaf.raw().predict(call, &leaf.raw(), n, images, request, predictions, error);
  for (std::uint64_t i = 0; i < n && predicted == OSTEON_OK; ++i) send_in_place(*predictions[i]);
  return predicted;
}

std::vector<const void*> LeafPredictor::last_pixels() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_pixels_;
}

void LeafPredictor::expect_well_used() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  expect(fault_.empty(), "it used its inner predictor wrongly: {}", fault_);
}

}  // namespace osteon::validate
