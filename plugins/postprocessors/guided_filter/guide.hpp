// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/abi/predictor.h>
#include <osteon/sdk/call.hpp>

namespace osteon::guided_filter {

/// An image that planes are filtered by (He, Sun and Tang 2010). In each window w of (2 radius + 1)^2 pixels the result
/// is linear in the guide,
///
///     q_i = a_w . I_i + b_w,   a_w = (cov_w(I) + eps 1)^-1 cov_w(I, p),   b_w = mean_w(p) - a_w . mean_w(I)
///
/// and each pixel takes the mean of a and b over the windows that it is in. Windows end at the image's edge, as the
/// authors' do. Of colour, I and a have three components.
///
/// It holds 12 bytes for each pixel of a grey image, however that is stored, and 48 for each of a colour image.
class Guide {
 public:
  /// @param image   0..1; not needed any more when this returns
  /// @param radius  at least 1
  /// @param eps     added to the variance, intensity squared: a step of less than its root is smoothed over
  /// Throws BadInput for an image that holds something that is not finite.
  Guide(const sdk::Call&, const osteon_image& image, std::int64_t radius, double eps);

  /// Filters a plane of the image's size in place, cut to 0..1. Works in 8 bytes (of colour: 16) for each pixel of
  /// 2 radius + 1 rows. Throws BadInput for what is not finite, and leaves the plane in parts. [any-thread]
  void filter(const sdk::Call&, float* plane) const;

 private:
  class Pass;
  static constexpr std::int64_t kMostChannels = 3, kProducts = 6;  // of three channels, with each other
  /// Row y of channel c, less the channel's mean over the image, which leaves float32 its digits.
  const float* channel(std::int64_t c, std::int64_t y) const { return row(c, y); }
  const float* mean(std::int64_t c, std::int64_t y) const { return row(channels_ + c, y); }
  /// Of (cov + eps 1), symmetric: of 3 channels rr rg rb gg gb bb.
  const float* inverse(std::int64_t i, std::int64_t y) const { return row(2 * channels_ + i, y); }
  float* row(std::int64_t plane, std::int64_t y) const {
    return static_cast<float*>(planes_.view().data) + (plane * height_ + y) * width_;
  }
  void centre(const sdk::Call&, const osteon_image&);
  void fit(const sdk::Call&, std::int64_t first, std::int64_t end);

  std::int64_t height_, width_, channels_;
  std::int64_t y_radius_, x_radius_;  // within the image, beyond which a window does not grow
  double eps_;
  std::vector<double> inverse_rows_, inverse_columns_;  // 1 / how many there are in a window
  sdk::OwnedTensor planes_;
};

}  // namespace osteon::guided_filter
