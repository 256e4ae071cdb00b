// SPDX-License-Identifier: Apache-2.0
#include "predict/resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "plugin/call.hpp"
#include "predict/elements.hpp"
#include "predict/grid.hpp"

namespace osteon::predict {
namespace {

OSTEON_MULTIVERSION void sigmoid_in_place(float* x, std::int64_t count) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) x[i] = sdk::vector_sigmoid(x[i]).p;
}

OSTEON_MULTIVERSION void exp_in_place(float* x, std::int64_t count) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) x[i] = sdk::vector_exp(x[i]);
}

constexpr std::int64_t kRun = 4096;  // pixels that one thread activates at a time

void replace_values(osteon_prediction& prediction, sdk::OwnedTensor values) {
  sdk::OwnedTensor old(prediction.values);
  prediction.values = {};
  prediction.values.struct_size = sizeof prediction.values;
  values.move_to(&prediction.values);
}

// A grid of the image's size need not lie on its pixels: align_corners and padding may stretch it.
bool is_identity(const GridMap& map) {
  constexpr double kTiny = 1e-9;
  return std::abs(map.scale_x - 1) < kTiny && std::abs(map.scale_y - 1) < kTiny && std::abs(map.offset_x) < kTiny &&
         std::abs(map.offset_y) < kTiny;
}

bool is_on_image(const osteon_prediction& prediction, std::int64_t height, std::int64_t width) {
  const osteon_tensor_view& view = prediction.values.view;
  return view.shape[1] == height && view.shape[2] == width && is_identity(grid_map(prediction));
}

sdk::OwnedTensor resized(const osteon_call* call, std::int64_t height, std::int64_t width,
                         const osteon_prediction& prediction) {
  std::vector<std::int64_t> planes(static_cast<std::size_t>(prediction.values.view.shape[0]));
  std::iota(planes.begin(), planes.end(), 0);
  sdk::OwnedTensor out = sdk::Call(call).allocate<float>({prediction.values.view.shape[0], height, width});
  resample_rows(call, prediction, planes, {0, height}, height, width, out.data<float>());
  return out;
}

sdk::OwnedTensor widened(const sdk::Call& call, const osteon_tensor_view& view) {
  const std::int64_t rows = view.shape[0] * view.shape[1], width = view.shape[2];
  sdk::OwnedTensor out = call.allocate<float>({view.shape[0], view.shape[1], width});
  float* to = out.data<float>();
  const auto* from = static_cast<const char*>(view.data);
  sdk::parallel_for(call, rows, [&](std::int64_t row, int) {
    to_float32(view.dtype, from + row * width * (view.dtype.bits / 8), width, to + row * width);
  });
  return out;
}

osteon_status convert_service(const osteon_call* call, const osteon_predictor* of,
                              const osteon_predict_request* request, std::int64_t height, std::int64_t width,
                              osteon_prediction* prediction, osteon_error* error) {
  return sdk::detail::guard(error, [&] {
    const osteon_predictor predictor = sdk::known(of, "a predictor");
    const osteon_predict_request asked = sdk::known(request, "a request", std::uint32_t{OSTEON_PREDICT_EACH});
    sdk::detail::check_request(asked, predictor.n_classes);
    sdk::known(prediction, "a prediction");
    if (height < 1 || width < 1)
      throw sdk::InvalidArgument("there is no image of " + std::to_string(height) + " x " + std::to_string(width));
    // All that is written of the struct was there in the first version of it.
    convert(call, predictor, asked, height, width, *prediction);
  });
}

constexpr osteon_resample_service kResampleService = {sizeof(osteon_resample_service), 0, convert_service};

}  // namespace

void install_resample_service() { plugin::install_service(OSTEON_SERVICE_RESAMPLE, &kResampleService); }

GridMap grid_map(const osteon_prediction& prediction) {
  const double* m = prediction.to_image;
  if (!std::all_of(m, m + 6, [](double value) { return std::isfinite(value); }))
    throw sdk::InvalidArgument("a prediction's to_image is not finite");
  if (m[1] != 0 || m[3] != 0 || m[0] <= 0 || m[4] <= 0)
    throw sdk::Unsupported(
        "a prediction's grid is turned or mirrored against its image; post-processors turn it back before they give "
        "it");
  return {m[0], m[2], m[4], m[5]};
}

// Rows of a few classes at a time: enough to share among threads, little enough to stay in the cache.
void resample_rows(const osteon_call* raw, const osteon_prediction& prediction, const std::vector<std::int64_t>& planes,
                   RowRange range, std::int64_t height, std::int64_t width, float* out) {
  const sdk::Call call(raw);
  const osteon_tensor_view& view = prediction.values.view;
  const Rows in(view);
  const std::int64_t h = view.shape[1], w = view.shape[2];
  const bool as_it_lies = is_on_image(prediction, height, width);
  const GridMap map = grid_map(prediction);
  const Axis rows = make_axis(h, height, map.scale_y, map.offset_y);
  const Axis columns = make_axis(w, width, map.scale_x, map.offset_x);
  constexpr std::int64_t kBand = 64;
  const std::int64_t bands = (range.count + kBand - 1) / kBand;
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(call.threads()),
                                          std::vector<float>(3 * static_cast<std::size_t>(w)));
  sdk::parallel_for(call, static_cast<std::int64_t>(planes.size()) * bands, [&](std::int64_t job, int thread) {
    const std::int64_t p = job / bands, first = job % bands * kBand;
    const std::int64_t plane = planes[static_cast<std::size_t>(p)];
    float* mixed = scratch[static_cast<std::size_t>(thread)].data();
    for (std::int64_t y = first; y < std::min(range.count, first + kBand); ++y) {
      float* to = out + (p * range.count + y) * width;
      const std::int64_t at = range.first + y;
      const auto i = static_cast<std::size_t>(at);
      if (plane < 0) {
        std::fill_n(to, width, 0.0f);
      } else if (as_it_lies) {
        std::memcpy(to, in.row(plane * h + at, mixed), static_cast<std::size_t>(width) * sizeof(float));
      } else {
        const float* top = in.row(plane * h + rows.low[i], mixed + w);
        const float* bottom = in.row(plane * h + rows.high[i], mixed + 2 * w);
        blend_row(top, bottom, rows.weight[i], w, columns, mixed, to);
      }
    }
  });
}

Activation::Activation(const osteon_call* call, bool multiclass)
    : threads_(sdk::Call(call).threads()), multiclass_(multiclass) {
  if (multiclass) scratch_.resize(static_cast<std::size_t>(2 * kRun) * static_cast<std::size_t>(threads_));
}

void Activation::apply(float* x, std::int64_t k, std::int64_t pixels) noexcept {
  const std::int64_t runs = (pixels + kRun - 1) / kRun;
  // Not parallel_for, which can be cancelled half way.
  if (!multiclass_) {
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t job = 0; job < k * runs; ++job) {
      const std::int64_t first = job % runs * kRun;
      sigmoid_in_place(x + job / runs * pixels + first, std::min(kRun, pixels - first));
    }
    return;
  }
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (std::int64_t run = 0; run < runs; ++run) {
#ifdef _OPENMP
    float* top = scratch_.data() + static_cast<std::int64_t>(omp_get_thread_num()) * 2 * kRun;
#else
    float* top = scratch_.data();
#endif
    const std::int64_t first = run * kRun, count = std::min(kRun, pixels - first);
    sdk::vector_log_softmax(x + first, k, pixels, count, top, top + kRun);
    for (std::int64_t c = 0; c < k; ++c) exp_in_place(x + c * pixels + first, count);
  }
}

void convert(const osteon_call* raw, const osteon_predictor& of, const osteon_predict_request& request,
             std::int64_t height, std::int64_t width, osteon_prediction& prediction) {
  const sdk::Call call(raw);
  const osteon_tensor_view& view = prediction.values.view;
  sdk::expect_canonical(view, "a prediction");
  sdk::expect_shape(view, {-1, -1, -1}, "a prediction");
  const bool bits = prediction.form == OSTEON_FORM_BITS, to_image = request.grid == OSTEON_GRID_IMAGE;
  const bool activates = prediction.form == OSTEON_FORM_LOGITS && request.form == OSTEON_FORM_PROBABILITIES;
  const bool softmax = activates && of.labels != OSTEON_LABELS_MULTILABEL;
  const bool same_grid =
      !to_image || (bits ? view.shape[1] == height && view.shape[2] == width : is_on_image(prediction, height, width));
  if ((bits && (request.form != OSTEON_FORM_BITS || !same_grid)) ||
      (prediction.form == OSTEON_FORM_PROBABILITIES && request.form == OSTEON_FORM_LOGITS) ||
      (!bits && request.form == OSTEON_FORM_BITS))
    throw sdk::Unsupported("a prediction of form " + std::to_string(prediction.form) + " cannot become one of form " +
                           std::to_string(request.form));
  if (softmax && view.shape[0] != of.n_classes)
    throw sdk::Unsupported("a softmax needs the logits of all classes, not of " + std::to_string(view.shape[0]) +
                           " of them");
  if (bits) return;
  const Rows checked(view);
  Activation activation(raw, softmax);
  sdk::OwnedTensor values;
  // Logits are interpolated before the sigmoid, as the field does it.
  if (!same_grid)
    values = resized(raw, height, width, prediction);
  else if (view.dtype != sdk::dtype_of<float>() && (activates || !sdk::takes_element(request, view.dtype)))
    values = widened(call, view);
  call.stop_if_cancelled();
  // From here on nothing fails: what does leaves the prediction as it was.
  if (!values.empty()) replace_values(prediction, std::move(values));
  if (!same_grid) {
    const double identity[6] = {1, 0, 0, 0, 1, 0};
    std::memcpy(prediction.to_image, identity, sizeof identity);
  }
  if (!activates) return;
  activation.apply(static_cast<float*>(view.data), view.shape[0], view.shape[1] * view.shape[2]);
  prediction.form = OSTEON_FORM_PROBABILITIES;
}

void select_classes(const osteon_call* raw, const osteon_predict_request& request, osteon_prediction& prediction) {
  const osteon_tensor_view& view = prediction.values.view;
  if (request.n_classes == 0 || static_cast<std::int64_t>(request.n_classes) == view.shape[0]) return;
  const Rows checked(view);
  const std::int64_t plane = view.shape[1] * view.shape[2] * (view.dtype.bits / 8);
  sdk::OwnedTensor out =
      sdk::Call(raw).allocate(view.dtype, {static_cast<std::int64_t>(request.n_classes), view.shape[1], view.shape[2]});
  for (std::uint64_t i = 0; i < request.n_classes; ++i) {
    if (request.classes[i] < 0 || request.classes[i] >= view.shape[0])
      throw sdk::InvalidArgument("a class that is asked for does not exist");
    std::memcpy(static_cast<char*>(out.view().data) + static_cast<std::int64_t>(i) * plane,
                static_cast<const char*>(view.data) + request.classes[i] * plane, static_cast<std::size_t>(plane));
  }
  replace_values(prediction, std::move(out));
}

}  // namespace osteon::predict
