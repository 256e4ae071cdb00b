// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <osteon/sdk/predictor.hpp>

#include "transform.hpp"

namespace osteon::tta {

/// The mean of what is said of the copies of an image, as it grows: one prediction beside the sum, however many copies
/// there are. On the model's grid while all copies come back to one and the same grid there, else on the image's.
class Mean {
 public:
  /// @param inner    who predicts; outlives this, as does what `asked` points to
  /// @param asked    what it is asked for of each copy
  /// @param pixels   of the image
  /// @param copies   how many there will be
  /// @param classes  of the mean
  /// @param turns    whether height and width change places in any copy: then the grids differ
  Mean(const sdk::Predictor& inner, const osteon_predict_request& asked, const osteon_tensor_view& pixels,
       std::size_t copies, std::size_t classes, bool turns);

  const osteon_predict_request& asked() const noexcept { return asked_; }
  /// @param pixels   of the copy
  /// @param classes  for each of the mean's, what it is called in the copy; all of them were asked for
  void add(const sdk::Call& call, const Transform& transform, const osteon_tensor_view& pixels, sdk::Prediction said,
           const std::vector<std::int32_t>& classes);
  sdk::Prediction take() { return std::move(sum_); }

 private:
  void begin(const sdk::Call& call, const sdk::Prediction& first);
  bool begun() const noexcept { return sum_.raw().values.release != nullptr; }
  void to_image(const sdk::Call& call, std::int64_t height, std::int64_t width, sdk::Prediction& prediction) const;

  const sdk::Predictor& inner_;
  osteon_predict_request asked_;
  std::int64_t height_, width_, classes_;
  float weight_;
  bool on_image_;
  sdk::Prediction sum_;
};

}  // namespace osteon::tta
