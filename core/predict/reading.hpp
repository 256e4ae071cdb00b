// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "predict/predictor.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {

/// A prediction of one image on the image's grid, read in bands of rows from the top to the bottom, so that nobody has
/// to hold all of it. Not for two threads at once.
class Reading {
 public:
  explicit Reading(std::int64_t height) : height_(height) {}
  virtual ~Reading() = default;
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  std::int64_t rows_left() const noexcept { return height_ - at_; }
  /// The next rows: float32 [K, rows, W] or bit planes, all finite; to_image says where they lie. Throws
  /// sdk::InvalidArgument for less than one or for more than are left.
  OwnedPrediction read(const osteon_call* call, std::int64_t rows);
  /// Goes on without them.
  void skip(const osteon_call* call, std::int64_t rows);

 protected:
  virtual OwnedPrediction next(const osteon_call* call, RowRange rows) = 0;
  /// As next(), for rows that nobody wants.
  virtual void pass(const osteon_call* call, RowRange rows) { next(call, rows); }

 private:
  RowRange advance(std::int64_t rows);
  std::int64_t height_, at_ = 0;
};

/// A request that outlives whoever made it, for what is read later.
class KeptRequest {
 public:
  explicit KeptRequest(const osteon_predict_request& request)
      : classes_(request.classes, request.classes + request.n_classes), request_(request) {
    request_.classes = classes_.data();
  }
  KeptRequest(const KeptRequest&) = delete;
  KeptRequest& operator=(const KeptRequest&) = delete;
  const osteon_predict_request& get() const noexcept { return request_; }

 private:
  std::vector<std::int32_t> classes_;
  osteon_predict_request request_;
};

/// Rows that one reads at once where nothing else says how many: 16 MB of float32.
std::int64_t rows_of_band(std::int64_t classes, std::int64_t height, std::int64_t width);

/// What a predictor is asked for once, so that bands of `form` on the image's grid can be cut of it: what takes the
/// least room. For all classes where they have to be known together.
osteon_predict_request request_to_hold(const Predictor& predictor, const osteon_predict_request& request);

/// Bands of a prediction that is there: brought to the image's grid and to the form of the request row by row.
class HeldReading final : public Reading {
 public:
  /// Asks `predictor`.
  HeldReading(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
              const osteon_predict_request& request);
  /// Of what it said when it was asked for request_to_hold(), which outlives this. Throws Error(kPlugin) when it is not
  /// finite.
  HeldReading(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
              const osteon_predict_request& request, const OwnedPrediction& held);

 protected:
  OwnedPrediction next(const osteon_call* call, RowRange rows) override;
  void pass(const osteon_call*, RowRange) override {}

 private:
  void expect_finite(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                     const osteon_predict_request& asked) const;

  std::int64_t height_, width_;
  std::uint32_t form_;
  bool softmax_;
  std::vector<std::int64_t> planes_;  // of what is held, in the order of the request
  OwnedPrediction own_;
  const OwnedPrediction& held_;
};

/// Some rows and columns of one image, of what is read to the last of these rows and no further. `request` has
/// OSTEON_PREDICT_REGION.
OwnedPrediction predict_region(const osteon_call* call, const Predictor& predictor, const osteon_image& image,
                               const osteon_predict_request& request);

}  // namespace osteon::predict
