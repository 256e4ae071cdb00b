// SPDX-License-Identifier: Apache-2.0
#include "predict/reading.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include <osteon/sdk/call.hpp>

#include "predict/bit_planes.hpp"
#include "predict/finite.hpp"

namespace osteon::predict {
namespace {

bool gives_form(const Predictor& predictor, std::uint32_t form) {
  return (predictor.gives_forms() & OSTEON_SET(form)) != 0;
}

// Elements of float32, or of int32 planes, which are as large.
sdk::OwnedTensor columns_of(const osteon_call* call, const osteon_tensor_view& band, std::int64_t first,
                            std::int64_t count) {
  sdk::OwnedTensor part = sdk::Call(call).allocate(band.dtype, {band.shape[0], band.shape[1], count});
  const std::int64_t size = band.dtype.bits / 8;
  for (std::int64_t row = 0; row < band.shape[0] * band.shape[1]; ++row)
    std::memcpy(static_cast<char*>(part.view().data) + row * count * size,
                static_cast<const char*>(band.data) + (row * band.shape[2] + first) * size,
                static_cast<std::size_t>(count * size));
  return part;
}

void put_rows(const osteon_tensor_view& band, std::int64_t at, osteon_tensor_view& whole) {
  const std::int64_t row = band.shape[2] * (band.dtype.bits / 8);
  for (std::int64_t k = 0; k < band.shape[0]; ++k)
    std::memcpy(static_cast<char*>(whole.data) + (k * whole.shape[1] + at) * row,
                static_cast<const char*>(band.data) + k * band.shape[1] * row,
                static_cast<std::size_t>(band.shape[1] * row));
}

void place(OwnedPrediction& prediction, std::int64_t row, std::int64_t column) {
  double* m = prediction.raw().to_image;
  std::copy_n(sdk::Affine().m, 6, m);
  m[2] = static_cast<double>(column);
  m[5] = static_cast<double>(row);
}

}  // namespace

RowRange Reading::advance(std::int64_t rows) {
  if (rows < 1 || rows > rows_left())
    throw sdk::InvalidArgument(std::to_string(rows) + " rows were asked for, and " + std::to_string(rows_left()) +
                               " are left");
  const RowRange range{at_, rows};
  at_ += rows;
  return range;
}

OwnedPrediction Reading::read(const osteon_call* call, std::int64_t rows) {
  const RowRange range = advance(rows);
  OwnedPrediction band = next(call, range);
  place(band, range.first, 0);
  return band;
}

void Reading::skip(const osteon_call* call, std::int64_t rows) { pass(call, advance(rows)); }

std::int64_t rows_of_band(std::int64_t classes, std::int64_t height, std::int64_t width) {
  constexpr std::int64_t kElements = std::int64_t{4} << 20;
  return std::clamp<std::int64_t>(kElements / std::max<std::int64_t>(1, classes * width), 1, height);
}

osteon_predict_request request_to_hold(const Predictor& predictor, const osteon_predict_request& request) {
  osteon_predict_request held = request;
  held.flags = 0;
  const bool on_model = (predictor.gives_grids() & OSTEON_SET(OSTEON_GRID_MODEL)) != 0;
  if (request.form == OSTEON_FORM_BITS) {
    held.grid = OSTEON_GRID_IMAGE;
    held.elements = 0;
    return held;
  }
  // Logits on the model's grid are small, and what is made of them row by row is what would be made of them at once.
  // Where there are none on a grid of the model's, who predicts makes the form itself.
  if (gives_form(predictor, OSTEON_FORM_LOGITS) && (on_model || !gives_form(predictor, request.form)))
    held.form = OSTEON_FORM_LOGITS;
  held.grid = on_model ? OSTEON_GRID_MODEL : OSTEON_GRID_IMAGE;
  held.elements = 0;  // half precision would not be what is predicted at once
  if (held.form != request.form && predictor.classes().multiclass) {
    held.n_classes = 0;
    held.classes = nullptr;
  }
  return held;
}

HeldReading::HeldReading(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                         const osteon_predict_request& request)
    : HeldReading(call, predictor, image, request, own_) {
  const osteon_predict_request asked = request_to_hold(predictor, request);
  std::vector<OwnedPrediction> predictions(1);
  predictor.predict(call, {&image}, asked, predictions);
  own_ = std::move(predictions[0]);
  expect_finite(call, predictor, image, asked);
}

HeldReading::HeldReading(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                         const osteon_predict_request& request, const OwnedPrediction& held)
    : Reading(image.pixels.shape[0]),
      height_(image.pixels.shape[0]),
      width_(image.pixels.shape[1]),
      form_(request.form),
      held_(held) {
  const osteon_predict_request asked = request_to_hold(predictor, request);
  softmax_ = asked.form != request.form && predictor.classes().multiclass;
  if (asked.n_classes == request.n_classes) {
    planes_.resize(request.n_classes > 0 ? request.n_classes : predictor.classes().names.size());
    std::iota(planes_.begin(), planes_.end(), 0);
  } else {
    planes_.assign(request.classes, request.classes + request.n_classes);
  }
  if (&held_ != &own_) expect_finite(call, predictor, image, asked);
}

void HeldReading::expect_finite(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                                const osteon_predict_request& asked) const {
  naming_not_finite(predictor, image, asked, held_.raw().form,
                    [&] { predict::expect_finite(sdk::Call(call), held_.raw()); });
}

OwnedPrediction HeldReading::next(const osteon_call* call, RowRange rows) {
  OwnedPrediction band;
  band.raw().form = form_;
  if (form_ == OSTEON_FORM_BITS) {
    band.set(pick_bits(call, held_.view(), planes_, rows));
    return band;
  }
  // A softmax is one over all classes, whichever are wanted.
  std::vector<std::int64_t> planes = planes_;
  if (softmax_) {
    planes.resize(static_cast<std::size_t>(held_.classes()));
    std::iota(planes.begin(), planes.end(), 0);
  }
  const auto k = static_cast<std::int64_t>(planes.size());
  sdk::OwnedTensor values = sdk::Call(call).allocate<float>({k, rows.count, width_});
  resample_rows(call, held_.raw(), planes, rows, height_, width_, values.data<float>());
  if (held_.raw().form != form_) Activation(call, softmax_).apply(values.data<float>(), k, rows.count * width_);
  band.set(std::move(values));
  if (planes.size() == planes_.size()) return band;
  std::vector<std::int32_t> classes(planes_.begin(), planes_.end());
  osteon_predict_request wanted = make_request(form_, OSTEON_GRID_IMAGE);
  wanted.n_classes = classes.size();
  wanted.classes = classes.data();
  select_classes(call, wanted, band.raw());
  return band;
}

OwnedPrediction predict_region(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                               const osteon_predict_request& request) {
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1];
  const std::int64_t first = request.region[0], left = request.region[1];
  const std::int64_t rows = request.region[2], columns = request.region[3];
  if (first < 0 || left < 0 || rows < 1 || columns < 1 || first > height - rows || left > width - columns)
    throw sdk::InvalidArgument("the region of " + std::to_string(rows) + " x " + std::to_string(columns) +
                               " pixels from row " + std::to_string(first) + ", column " + std::to_string(left) +
                               " on is not inside of " + name_of(image) + " of " + std::to_string(height) + " x " +
                               std::to_string(width));
  osteon_predict_request whole = request;
  whole.flags = 0;
  const std::unique_ptr<Reading> reading = predictor.open(call, image, whole);
  if (first > 0) reading->skip(call, first);
  OwnedPrediction region;
  region.raw().form = request.form;
  sdk::OwnedTensor values;
  const auto classes =
      static_cast<std::int64_t>(request.n_classes > 0 ? request.n_classes : predictor.classes().names.size());
  for (std::int64_t at = 0; at < rows;) {
    const OwnedPrediction band = reading->read(call, std::min(rows - at, rows_of_band(classes, height, width)));
    const sdk::OwnedTensor part = columns_of(call, band.view(), left, columns);
    if (values.empty()) values = sdk::Call(call).allocate(band.view().dtype, {band.view().shape[0], rows, columns});
    osteon_tensor_view target = values.view();
    put_rows(part.view(), at, target);
    at += band.height();
  }
  region.set(std::move(values));
  place(region, first, left);
  return region;
}

}  // namespace osteon::predict
