// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/detector.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/phantom/texture.hpp"

namespace osteon::data::phantom {
namespace {

/// A wide blur, computed small. `deviation` in pixels.
cv::Mat wide_blur(const cv::Mat& image, double deviation) {
  const double shrink = std::min(1.0, 2.5 / deviation);
  cv::Mat low;
  cv::resize(image, low, {}, shrink, shrink, cv::INTER_AREA);
  cv::GaussianBlur(low, low, {}, deviation * shrink, 0, cv::BORDER_REPLICATE);
  cv::resize(low, low, image.size(), 0, 0, cv::INTER_LINEAR);
  return low;
}

/// Grey level over attenuation, as a table: the curve is the same for every pixel, and exp is not cheap.
class ToneCurve {
 public:
  explicit ToneCurve(const Look& look) {
    for (int i = 0; i < kSteps; ++i) {
      const double a = std::max(0.0, kLow + (kHigh - kLow) * i / (kSteps - 1.0));
      const double bent = look.curve < 0.05
                              ? a / look.white
                              : (1 - std::exp(-look.curve * a)) / (1 - std::exp(-look.curve * look.white));
      const double soft = bent < 0.85 ? bent : 0.85 + 0.15 * std::tanh((bent - 0.85) / 0.15);  // no hard clipping
      table_[static_cast<std::size_t>(i)] =
          static_cast<float>(look.black + (look.top - look.black) * std::pow(soft, look.gamma));
    }
  }

  float operator()(float attenuation) const {
    const float at = std::clamp((attenuation - kLow) * ((kSteps - 1) / (kHigh - kLow)), 0.0f, kSteps - 1.001f);
    const int i = static_cast<int>(at);
    const float t = at - static_cast<float>(i);
    const auto k = static_cast<std::size_t>(i);
    return table_[k] + t * (table_[k + 1] - table_[k]);
  }

 private:
  static constexpr int kSteps = 2048;
  static constexpr float kLow = -0.5f, kHigh = 4.5f;
  std::array<float, kSteps> table_{};
};

}  // namespace

Look sample_look(Random& random) {
  Look look{};
  look.scatter = random.uniform(0.02, 0.28);
  look.blur = random.uniform(0.6, 2.6);
  look.noise = std::exp(random.uniform(std::log(0.004), std::log(0.05)));
  look.grain = random.uniform(0.5, 1.8);
  look.curve = random.uniform(0.2, 2.6);
  look.white = random.uniform(1.0, 1.9);
  look.black = random.chance(0.75) ? random.uniform(0.0, 0.06) : random.uniform(0.07, 0.42);
  look.top = random.uniform(0.82, 1.02);
  look.gamma = random.uniform(0.85, 1.35);
  look.detail = random.chance(0.75) ? random.uniform(0.1, 1.6) : 0.0;
  look.detail_reach = random.uniform(8, 60);
  look.slope_x = random.normal(0, 0.02);
  look.slope_y = random.normal(0, 0.03);
  look.jpeg = random.chance(0.3) ? 60 + random.below(36) : 0;
  return look;
}

cv::Mat expose(const cv::Mat& attenuation, const Look& look, double unit, std::uint64_t seed) {
  // Scatter is light from everywhere near: it fills the shadow of thick parts.
  cv::Mat direct, seen;
  cv::exp(-attenuation, direct);
  seen = direct + look.scatter * wide_blur(direct, 90 * unit);
  if (look.blur * unit > 0.25) cv::GaussianBlur(seen, seen, {}, look.blur * unit);
  cv::log(seen * (1 / (1 + look.scatter)), seen);

  // Few quanta behind bone: the deviation of the logarithm grows with the root of the attenuation. A pixel collects
  // the quanta of its area; detectors and resampling spread them over neighbours.
  cv::Mat noise = white_noise(attenuation.size(), seed);
  if (look.grain * unit > 0.3) {
    cv::GaussianBlur(noise, noise, {}, look.grain * unit);
    noise *= 1.5 * look.grain * unit + 1;  // keeps most of the deviation, as coarse grain is more visible
  }
  const auto amount = static_cast<float>(look.noise * std::pow(unit, 0.6));
  const ToneCurve curve(look);
  const auto half = static_cast<float>(attenuation.rows) / 2;
  cv::Mat image(attenuation.size(), CV_32FC1);
  for (int y = 0; y < image.rows; ++y) {
    const float* log_seen = seen.ptr<float>(y);
    const float* n = noise.ptr<float>(y);
    float* out = image.ptr<float>(y);
    const float row = static_cast<float>(look.slope_y) * (static_cast<float>(y) / half - 1);
    const float step = static_cast<float>(look.slope_x) / half;
    for (int x = 0; x < image.cols; ++x) {
      const float a = -log_seen[x];
      // 1 + a/2 + a*a/8 is exp(a/2) to a few per cent in the range that matters.
      const float deviation = amount * (1 + a * (0.5f + 0.125f * a));
      out[x] = curve(a + row + step * (static_cast<float>(x) - half) + 0.02f + deviation * n[x]);
    }
  }
  if (look.detail > 0) image += look.detail * (image - wide_blur(image, look.detail_reach * unit)) * 0.6;
  return image;
}

cv::Mat digitise(const cv::Mat& image, const Look& look) {
  cv::Mat bytes;
  image.convertTo(bytes, CV_8U, 255);
  if (look.jpeg > 0) {
    std::vector<std::uint8_t> file;
    cv::imencode(".jpg", bytes, file, {cv::IMWRITE_JPEG_QUALITY, look.jpeg});
    bytes = cv::imdecode(file, cv::IMREAD_GRAYSCALE);
  }
  cv::Mat three;
  cv::merge(std::vector<cv::Mat>{bytes, bytes, bytes}, three);
  return three;
}

}  // namespace osteon::data::phantom
