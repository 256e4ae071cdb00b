// SPDX-License-Identifier: Apache-2.0
#include "guide.hpp"

#include <algorithm>

#include <opencv2/imgproc.hpp>

namespace osteon::guided_filter {
namespace {

// Sums over windows that end at the edge. A window that is larger than the image is the image.
cv::Mat sums(const cv::Mat& plane, int radius) {
  cv::Mat out;
  cv::boxFilter(plane, out, CV_32F, {2 * std::min(radius, plane.cols) + 1, 2 * std::min(radius, plane.rows) + 1},
                {-1, -1}, false, cv::BORDER_CONSTANT | cv::BORDER_ISOLATED);
  return out;
}

// Where row r and column c of a symmetric matrix lie in its upper half, by rows.
std::size_t upper(std::size_t n, std::size_t r, std::size_t c) {
  if (r > c) std::swap(r, c);
  return r * n - r * (r + 1) / 2 + c;
}

// The inverse of a symmetric 3 x 3 matrix at each pixel, in double, by its cofactors.
void invert_3(std::vector<cv::Mat>& m, const std::function<void()>& step) {
  for (int y = 0; y < m[0].rows; ++y) {
    if (y % 64 == 0) step();
    for (int x = 0; x < m[0].cols; ++x) {
      const auto at = [&](std::size_t i) -> float& { return m[i].at<float>(y, x); };
      const double a = static_cast<double>(at(0)), b = static_cast<double>(at(1)), c = static_cast<double>(at(2)),
                   d = static_cast<double>(at(3)), e = static_cast<double>(at(4)), f = static_cast<double>(at(5));
      const double aa = d * f - e * e, ab = c * e - b * f, ac = b * e - c * d;
      const double factor = 1 / (a * aa + b * ab + c * ac);
      const double inverse[6] = {aa, ab, ac, a * f - c * c, b * c - a * e, a * d - b * b};
      for (std::size_t i = 0; i < 6; ++i) at(i) = static_cast<float>(inverse[i] * factor);
    }
  }
}

}  // namespace

Guide::Guide(const cv::Mat& image, int radius, double eps, const std::function<void()>& step) : radius_(radius) {
  cv::divide(1.0, sums(cv::Mat::ones(image.size(), CV_32FC1), radius), inverse_count_);
  cv::split(image, channels_);
  const cv::Scalar centre = cv::mean(image);
  for (std::size_t c = 0; c < channels_.size(); ++c) {
    cv::subtract(channels_[c], centre[static_cast<int>(c)], channels_[c]);
    step();
    means_.push_back(mean(channels_[c]));
  }
  for (std::size_t r = 0; r < channels_.size(); ++r)
    for (std::size_t c = r; c < channels_.size(); ++c) {
      step();
      cv::Mat covariance = mean(channels_[r].mul(channels_[c])) - means_[r].mul(means_[c]);
      // Rounding must not take a variance below 0, nor with it the matrix off its positive side.
      if (r == c) covariance = cv::max(covariance, 0) + eps;
      inverse_.push_back(covariance);
    }
  if (channels_.size() == 1)
    cv::divide(1.0, inverse_[0], inverse_[0]);
  else
    invert_3(inverse_, step);
}

cv::Mat Guide::mean(const cv::Mat& plane) const { return sums(plane, radius_).mul(inverse_count_); }

void Guide::filter(cv::Mat& plane, const std::function<void()>& step) const {
  const std::size_t n = channels_.size();
  const cv::Mat mean_p = mean(plane);
  std::vector<cv::Mat> covariances;
  for (std::size_t c = 0; c < n; ++c) {
    step();
    covariances.push_back(mean(channels_[c].mul(plane)) - means_[c].mul(mean_p));
  }
  cv::Mat b = mean_p.clone(), result = cv::Mat::zeros(plane.size(), CV_32FC1);
  for (std::size_t r = 0; r < n; ++r) {
    step();
    cv::Mat a = cv::Mat::zeros(plane.size(), CV_32FC1);
    for (std::size_t c = 0; c < n; ++c) a += inverse_[upper(n, r, c)].mul(covariances[c]);
    b -= a.mul(means_[r]);
    step();
    result += mean(a).mul(channels_[r]);
  }
  step();
  result += mean(b);
  result.copyTo(plane);
}

}  // namespace osteon::guided_filter
