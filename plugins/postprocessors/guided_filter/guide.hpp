// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include <opencv2/core.hpp>

namespace osteon::guided_filter {

/// An image that planes are filtered by (He, Sun and Tang 2010). In each window w of (2 radius + 1)^2 pixels the result
/// is linear in the guide,
///
///     q_i = a_w . I_i + b_w,   a_w = (cov_w(I) + eps 1)^-1 cov_w(I, p),   b_w = mean_w(p) - a_w . mean_w(I)
///
/// and each pixel takes the mean of a and b over the windows that it is in. Windows end at the image's edge, as the
/// authors' do. Of colour, I and a have three components.
class Guide {
 public:
  /// @param image  CV_32FC1 or CV_32FC3, 0..1, read while this lives
  /// @param eps    added to the variance, intensity squared: a step of less than its root is smoothed over
  /// @param step   called between parts of the work, a few milliseconds each at 1024 px; may throw
  Guide(const cv::Mat& image, int radius, double eps, const std::function<void()>& step);

  /// Filters a plane (CV_32FC1) of the image's size, in place. What `step` throws leaves the plane as it was.
  /// [any-thread]
  void filter(cv::Mat& plane, const std::function<void()>& step) const;

 private:
  cv::Mat mean(const cv::Mat& plane) const;

  int radius_;
  cv::Mat inverse_count_;          // of each pixel's window
  std::vector<cv::Mat> channels_;  // of the image, less its mean over all pixels, which leaves float32 its digits
  std::vector<cv::Mat> means_;     // of each channel
  std::vector<cv::Mat> inverse_;   // of (cov + eps 1), symmetric: of 3 channels rr rg rb gg gb bb
};

}  // namespace osteon::guided_filter
