// SPDX-License-Identifier: Apache-2.0
// Can a crop, an elastic deformation, a grid distortion and a rotation, each by itself a plugin behind the ABI, be
// resampled once? The answer is compared with one bilinear gather at positions that the test traces point by point, and
// with resampling after every step.
#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/warp.hpp"
#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"
#include "warp_plugins.hpp"

OSTEON_PLUGIN("warps", "1.0.0", osteon::sdk::augmentation<osteon::spikes::Crop>({"crop", "1.0.0", "A window."}),
              osteon::sdk::augmentation<osteon::spikes::Turn>({"turn", "1.0.0", "A rotation."}),
              osteon::sdk::augmentation<osteon::spikes::Elastic>({"elastic", "1.0.0", "Smoothed noise."}),
              osteon::sdk::augmentation<osteon::spikes::GridDistortion>({"grid_distortion", "1.0.0",
                                                                         "An uneven grid."}))

namespace osteon::spikes {
namespace {

const plugin::Call kCall = [] {
  plugin::CallOptions options;
  options.threads = 2;
  return plugin::Call(options);
}();
const cv::Size kInput(170, 190);
constexpr int kHeight = 150, kWidth = 130;  // after the crop; more than two bands of rows
// Points of float32, whose rounding (2e-5 of a pixel here, in each of four steps) counts twice the contrast of noise.
constexpr double kRounding = 1e-3;
constexpr double kHalf = 1e-3;              // float32 points may fall on the other side of a pixel's edge

/// Steps in a row, drawn.
class Chain {
 public:
  void add(const std::string& name, const std::map<std::string, plugin::ParameterValue>& given = {}) {
    const auto component = test::linked_component(plugin::Kind::kAugmentation, name);
    plugin::ClassContext classes;
    classes.names.assign(33, "class");
    const cv::Size in = inputs_.empty() ? kInput : output_;
    steps_.push_back(
        std::make_unique<plugin::Augmentation>(component, test::parameters_of(component, given), classes, call_));
    warps_.push_back(steps_.back()->sample_warp(call_, {{steps_.size(), 99}}, in.height, in.width));
    inputs_.push_back(in);
    output_ = {static_cast<int>(warps_.back().get().width), static_cast<int>(warps_.back().get().height)};
  }
  std::size_t size() const { return warps_.size(); }
  const plugin::Augmentation::Warp& warp(std::size_t s) const { return warps_[s]; }
  cv::Size input(std::size_t s) const { return inputs_[s]; }
  cv::Size output() const { return output_; }

  data::WarpChain fused() const {
    data::WarpChain chain(kInput);
    for (const auto& warp : warps_) chain.add(&warp);
    return chain;
  }
  /// Resamples after every step.
  template <class Resample>
  void step_by_step(Resample&& resample) const {
    for (std::size_t s = 0; s < size(); ++s) {
      data::WarpChain one(inputs_[s]);
      one.add(&warps_[s]);
      resample(one);
    }
  }

 private:
  plugin::Call call_;
  std::vector<std::unique_ptr<plugin::Augmentation>> steps_;
  std::deque<plugin::Augmentation::Warp> warps_;
  std::vector<cv::Size> inputs_;
  cv::Size output_;
};

double reflected(double at, int size) {
  while (at < 0 || at > size - 1) at = at < 0 ? -at : 2 * (size - 1) - at;
  return at;
}

struct Origin {
  double x, y;
  bool outside;
  double fill;  ///< of the step that the point left
};

/// Where an output pixel comes from, one point at a time and in double wherever the ABI is not float.
Origin origin_of(const Chain& chain, double x, double y) {
  for (std::size_t s = chain.size(); s-- > 0;) {
    const osteon_warp& warp = chain.warp(s).get();
    if (warp.kind == OSTEON_WARP_FREE) {
      float xy[2] = {static_cast<float>(x), static_cast<float>(y)};
      chain.warp(s).map_points(1, xy);
      x = xy[0], y = xy[1];
    } else {
      const double old_x = x;
      x = warp.matrix[0] * x + warp.matrix[1] * y + warp.matrix[2];
      y = warp.matrix[3] * old_x + warp.matrix[4] * y + warp.matrix[5];
    }
    const cv::Size size = chain.input(s);
    if (warp.border == OSTEON_BORDER_REFLECT_101) {
      x = reflected(x, size.width);
      y = reflected(y, size.height);
    } else if (x < -0.5 || y < -0.5 || x > size.width - 0.5 || y > size.height - 0.5) {
      return {x, y, true, warp.image_fill};
    }
  }
  return {x, y, false, 0};
}

double bilinear(const cv::Mat& image, double x, double y) {
  const auto at = [&](int row, int column) {
    return double{image.at<float>(std::clamp(row, 0, image.rows - 1), std::clamp(column, 0, image.cols - 1))};
  };
  const int x0 = static_cast<int>(std::floor(x)), y0 = static_cast<int>(std::floor(y));
  const double fx = x - x0, fy = y - y0;
  return (at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx) * (1 - fy) +
         (at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx) * fy;
}

void add_all(Chain& chain) {
  chain.add("crop", {{"height", std::vector<std::int64_t>{kHeight}}, {"width", std::vector<std::int64_t>{kWidth}}});
  chain.add("elastic");
  chain.add("grid_distortion");
  chain.add("turn");
}

cv::Mat noise() {
  cv::Mat image(kInput, CV_32F);
  cv::RNG(3).fill(image, cv::RNG::UNIFORM, 0, 1);
  return image;
}

cv::Mat waves() {
  cv::Mat image(kInput, CV_32F);
  for (int y = 0; y < image.rows; ++y)
    for (int x = 0; x < image.cols; ++x)
      image.at<float>(y, x) = static_cast<float>(0.5 + 0.25 * std::sin(x / 9.0) + 0.25 * std::cos(y / 11.0));
  return image;
}

cv::Mat expected_image(const Chain& chain, const cv::Mat& image) {
  cv::Mat expected(chain.output(), CV_32F);
  for (int y = 0; y < expected.rows; ++y)
    for (int x = 0; x < expected.cols; ++x) {
      const Origin from = origin_of(chain, x, y);
      expected.at<float>(y, x) = static_cast<float>(from.outside ? from.fill : bilinear(image, from.x, from.y));
    }
  return expected;
}

double mean_difference(const cv::Mat& a, const cv::Mat& b) {
  return cv::norm(a, b, cv::NORM_L1) / static_cast<double>(a.total());
}

TEST(FusedWarps, AreOneBilinearGather) {
  Chain chain;
  add_all(chain);
  ASSERT_EQ(chain.output(), cv::Size(kWidth, kHeight));
  const cv::Mat image = noise(), expected = expected_image(chain, image), fused = chain.fused().resample(kCall, image, 1);
  ASSERT_EQ(fused.size(), expected.size());
  EXPECT_LT(cv::norm(fused, expected, cv::NORM_INF), kRounding);

  // Noise does not survive being resampled three times, so this tells that it was resampled once.
  cv::Mat stepped = image;
  chain.step_by_step([&](const data::WarpChain& one) { stepped = one.resample(kCall, stepped, 1); });
  EXPECT_GT(mean_difference(stepped, expected), 0.05);
}

TEST(FusedWarps, ShowWhatStepByStepShowsWhereBothCan) {
  Chain chain;
  add_all(chain);
  const cv::Mat image = waves(), fused = chain.fused().resample(kCall, image, 1);
  cv::Mat stepped = image;
  chain.step_by_step([&](const data::WarpChain& one) { stepped = one.resample(kCall, stepped, 1); });
  EXPECT_LT(mean_difference(fused, stepped), 0.005);
  EXPECT_LT(cv::norm(fused, stepped, cv::NORM_INF), 0.05);
}

TEST(FusedWarps, CarryEveryBitOfTheNearestLabels) {
  Chain chain;
  add_all(chain);
  cv::RNG rng(4);
  data::Labels labels(33, kInput);
  for (cv::Mat& plane : labels.planes())
    for (int y = 0; y < plane.rows; ++y)
      for (int x = 0; x < plane.cols; ++x) plane.at<std::int32_t>(y, x) = static_cast<std::int32_t>(rng.next());
  const data::Labels fused = chain.fused().resample(kCall, labels);
  int compared = 0;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const Origin from = origin_of(chain, x, y);
      if (std::abs(from.x - std::floor(from.x) - 0.5) < kHalf || std::abs(from.y - std::floor(from.y) - 0.5) < kHalf)
        continue;
      ++compared;
      for (std::size_t p = 0; p < 2; ++p)
        ASSERT_EQ(fused.planes()[p].at<std::int32_t>(y, x),
                  labels.planes()[p].at<std::int32_t>(static_cast<int>(std::floor(from.y + 0.5)),
                                                      static_cast<int>(std::floor(from.x + 0.5))))
            << x << ", " << y;
    }
  EXPECT_GT(compared, 0.99 * kHeight * kWidth);
}

TEST(FusedWarps, MoveLabelsAsStepByStepDoes) {
  Chain chain;
  add_all(chain);
  data::Labels stepped(33, kInput);
  cv::Mat disc(kInput, CV_8U, cv::Scalar(0));
  cv::circle(disc, {85, 95}, 35, 255, cv::FILLED);
  stepped.add(31, disc);
  const cv::Mat fused = chain.fused().resample(kCall, stepped).mask(31);
  chain.step_by_step([&](const data::WarpChain& one) { stepped = one.resample(kCall, stepped); });
  const cv::Mat other = stepped.mask(31);
  const double dice = 2.0 * cv::countNonZero(fused & other) / (cv::countNonZero(fused) + cv::countNonZero(other));
  EXPECT_GT(dice, 0.97);
}

TEST(FusedWarps, KeepWhatAStepLeftOutside) {
  Chain chain;
  chain.add("elastic");
  chain.add("turn", {{"constant", std::vector<bool>{true}}, {"fill", std::vector<double>{0.25}}});
  chain.add("grid_distortion");
  chain.add("turn", {{"constant", std::vector<bool>{true}}, {"fill", std::vector<double>{0.75}}});
  const cv::Mat image = noise(), expected = expected_image(chain, image), fused = chain.fused().resample(kCall, image, 1);
  data::Labels labels(33, kInput);
  labels.add(32, cv::Mat(kInput, CV_8U, cv::Scalar(1)));
  const data::Labels warped = chain.fused().resample(kCall, labels);
  int outside = 0;
  for (int y = 0; y < kInput.height; ++y)
    for (int x = 0; x < kInput.width; ++x) {
      const bool out = origin_of(chain, x, y).outside;
      outside += out ? 1 : 0;
      ASSERT_EQ(warped.valid().at<std::uint8_t>(y, x), out ? 0 : 1) << x << ", " << y;
      ASSERT_EQ(warped.planes()[1].at<std::int32_t>(y, x), out ? 0 : 1) << x << ", " << y;
      ASSERT_NEAR(fused.at<float>(y, x), expected.at<float>(y, x), kRounding) << x << ", " << y;
    }
  EXPECT_GT(outside, 500);
}

TEST(FusedWarps, AWindowThatDoesNotFitIsThePluginsError) {
  Chain chain;
  chain.add("crop", {{"height", std::vector<std::int64_t>{40}}, {"width", std::vector<std::int64_t>{40}}});
  EXPECT_THROW(chain.add("crop", {{"height", std::vector<std::int64_t>{41}}, {"width", std::vector<std::int64_t>{40}}}),
               osteon::Error);
}

}  // namespace
}  // namespace osteon::spikes
