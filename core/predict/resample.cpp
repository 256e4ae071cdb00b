// SPDX-License-Identifier: Apache-2.0
#include "predict/resample.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

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

void replace_values(osteon_prediction& prediction, sdk::OwnedTensor values) {
  sdk::OwnedTensor old(prediction.values);
  prediction.values = {};
  prediction.values.struct_size = sizeof prediction.values;
  values.move_to(&prediction.values);
}

// Rows of a few classes at a time: enough to share among threads, little enough to stay in the cache.
void resize(const sdk::Call& call, std::int64_t height, std::int64_t width, osteon_prediction& prediction) {
  const osteon_tensor_view& view = prediction.values.view;
  const std::int64_t k = view.shape[0], h = view.shape[1], w = view.shape[2];
  const GridMap map = grid_map(prediction);
  const Axis rows = make_axis(h, height, map.scale_y, map.offset_y);
  const Axis columns = make_axis(w, width, map.scale_x, map.offset_x);
  const float* in = sdk::data_of<const float>(view, "a prediction");
  sdk::OwnedTensor out = call.allocate<float>({k, height, width});
  float* target = out.data<float>();
  constexpr std::int64_t kBand = 64;
  const std::int64_t bands = (height + kBand - 1) / kBand;
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(call.threads()),
                                          std::vector<float>(static_cast<std::size_t>(w)));
  sdk::parallel_for(call, k * bands, [&](std::int64_t job, int thread) {
    const std::int64_t c = job / bands, first = job % bands * kBand;
    const float* plane = in + c * h * w;
    for (std::int64_t y = first; y < std::min(height, first + kBand); ++y) {
      const auto i = static_cast<std::size_t>(y);
      blend_row(plane + rows.low[i] * w, plane + rows.high[i] * w, rows.weight[i], w, columns,
                scratch[static_cast<std::size_t>(thread)].data(), target + (c * height + y) * width);
    }
  });
  replace_values(prediction, std::move(out));
  const double identity[6] = {1, 0, 0, 0, 1, 0};
  std::memcpy(prediction.to_image, identity, sizeof identity);
}

void to_probabilities(const sdk::Call& call, const osteon_predictor& of, osteon_prediction& prediction) {
  const osteon_tensor_view& view = prediction.values.view;
  const std::int64_t k = view.shape[0], pixels = view.shape[1] * view.shape[2];
  float* x = sdk::data_of<float>(view, "a prediction");
  constexpr std::int64_t kRun = 4096;
  const std::int64_t runs = (pixels + kRun - 1) / kRun;
  if (of.labels == OSTEON_LABELS_MULTILABEL) {
    sdk::parallel_for(call, k * runs, [&](std::int64_t job, int) {
      const std::int64_t first = job % runs * kRun;
      sigmoid_in_place(x + job / runs * pixels + first, std::min(kRun, pixels - first));
    });
  } else {
    std::vector<std::vector<float>> scratch(static_cast<std::size_t>(call.threads()), std::vector<float>(2 * kRun));
    sdk::parallel_for(call, runs, [&](std::int64_t run, int thread) {
      const std::int64_t first = run * kRun, count = std::min(kRun, pixels - first);
      float* top = scratch[static_cast<std::size_t>(thread)].data();
      sdk::vector_log_softmax(x + first, k, pixels, count, top, top + kRun);
      for (std::int64_t c = 0; c < k; ++c) exp_in_place(x + c * pixels + first, count);
    });
  }
  prediction.form = OSTEON_FORM_PROBABILITIES;
}

// A grid of the image's size need not lie on its pixels: align_corners and padding may stretch it.
bool is_identity(const GridMap& map) {
  constexpr double kTiny = 1e-9;
  return std::abs(map.scale_x - 1) < kTiny && std::abs(map.scale_y - 1) < kTiny && std::abs(map.offset_x) < kTiny &&
         std::abs(map.offset_y) < kTiny;
}

osteon_status convert_service(const osteon_call* call, const osteon_predictor* of,
                              const osteon_predict_request* request, std::int64_t height, std::int64_t width,
                              osteon_prediction* prediction, osteon_error* error) {
  return sdk::detail::guard(error, [&] { convert(call, *of, *request, height, width, *prediction); });
}

constexpr osteon_resample_service kService = {sizeof(osteon_resample_service), 0, convert_service};

}  // namespace

void install_resample_service() { plugin::install_service(OSTEON_SERVICE_RESAMPLE, &kService); }

GridMap grid_map(const osteon_prediction& prediction) {
  const double* m = prediction.to_image;
  if (m[1] != 0 || m[3] != 0 || m[0] <= 0 || m[4] <= 0)
    throw sdk::Unsupported(
        "a prediction's grid is turned or mirrored against its image; post-processors turn it back before they give "
        "it");
  return {m[0], m[2], m[4], m[5]};
}

void convert(const osteon_call* raw, const osteon_predictor& of, const osteon_predict_request& request,
             std::int64_t height, std::int64_t width, osteon_prediction& prediction) {
  const sdk::Call call(raw);
  const osteon_tensor_view& view = prediction.values.view;
  const bool bits = prediction.form == OSTEON_FORM_BITS;
  const bool to_softmax = prediction.form == OSTEON_FORM_LOGITS && request.form == OSTEON_FORM_PROBABILITIES &&
                          of.labels != OSTEON_LABELS_MULTILABEL;
  const bool same_grid = view.shape[1] == height && view.shape[2] == width &&
                         (bits || request.grid != OSTEON_GRID_IMAGE || is_identity(grid_map(prediction)));
  if ((bits && (request.form != OSTEON_FORM_BITS || (request.grid == OSTEON_GRID_IMAGE && !same_grid))) ||
      (prediction.form == OSTEON_FORM_PROBABILITIES && request.form == OSTEON_FORM_LOGITS) ||
      (!bits && request.form == OSTEON_FORM_BITS))
    throw sdk::Unsupported("a prediction of form " + std::to_string(prediction.form) + " cannot become one of form " +
                           std::to_string(request.form));
  // Before anything is changed: what fails leaves the prediction as it was.
  if (to_softmax && view.shape[0] != of.n_classes)
    throw sdk::Unsupported("a softmax needs the logits of all classes, not of " + std::to_string(view.shape[0]) +
                           " of them");
  // Logits are interpolated before the sigmoid, as the field does it.
  if (request.grid == OSTEON_GRID_IMAGE && !same_grid) resize(call, height, width, prediction);
  if (request.form == OSTEON_FORM_PROBABILITIES && prediction.form == OSTEON_FORM_LOGITS)
    to_probabilities(call, of, prediction);
}

void select_classes(const osteon_call* raw, const osteon_predict_request& request, osteon_prediction& prediction) {
  const osteon_tensor_view& view = prediction.values.view;
  if (request.n_classes == 0 || static_cast<std::int64_t>(request.n_classes) == view.shape[0]) return;
  const std::int64_t pixels = view.shape[1] * view.shape[2];
  const float* in = sdk::data_of<const float>(view, "a prediction");
  sdk::OwnedTensor out =
      sdk::Call(raw).allocate<float>({static_cast<std::int64_t>(request.n_classes), view.shape[1], view.shape[2]});
  for (std::uint64_t i = 0; i < request.n_classes; ++i) {
    if (request.classes[i] < 0 || request.classes[i] >= view.shape[0])
      throw sdk::InvalidArgument("a class that is asked for does not exist");
    std::memcpy(out.data<float>() + static_cast<std::int64_t>(i) * pixels, in + request.classes[i] * pixels,
                static_cast<std::size_t>(pixels) * sizeof(float));
  }
  replace_values(prediction, std::move(out));
}

}  // namespace osteon::predict
