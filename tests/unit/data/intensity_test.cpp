// SPDX-License-Identifier: Apache-2.0
#include "data/intensity.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "data/view.hpp"

namespace osteon::data {
namespace {

Intensity percentiles(double low, double high, bool exposed = false) {
  return {Intensity::Kind::kPercentile, low, high, exposed};
}

/// A smooth picture with noise, whose greys lie in `low` to `high`.
cv::Mat picture(int height, int width, double low, double high, std::uint64_t seed = 5) {
  cv::Mat made(height, width, CV_32F);
  cv::RNG rng(seed);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      made.at<float>(y, x) =
          static_cast<float>(0.5 + 0.3 * std::sin(0.11 * x) * std::cos(0.07 * y) + rng.uniform(-0.2, 0.2));
  return made * (high - low) + low;
}

// As numpy.percentile: sorted values, and a straight line between two of them.
double by_sorting(const cv::Mat& pixels, double percent) {
  std::vector<double> values(pixels.begin<float>(), pixels.end<float>());
  std::sort(values.begin(), values.end());
  const double rank = percent / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const double high = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (high - values[below]) * (rank - std::floor(rank));
}

TEST(Intensity, FindsPercentiles) {
  const cv::Mat root = picture(61, 47, 0.2, 0.7);
  const GreyStatistics statistics(root);
  for (const auto& [low, high] : {std::pair{0.0, 100.0}, {1.0, 99.0}, {0.5, 99.5}, {25.0, 50.0}}) {
    const IntensityMap map = statistics.map(percentiles(low, high));
    // Where 0 and 1 come from; values are told apart to 16 bits.
    EXPECT_NEAR(-map.shift / map.scale, by_sorting(root, low), 1.0 / 65535) << low;
    EXPECT_NEAR((1 - map.shift) / map.scale, by_sorting(root, high), 1.0 / 65535) << high;
  }
}

TEST(Intensity, StandardisesToDeviations) {
  const cv::Mat root = picture(80, 90, 0.1, 0.9);
  const Intensity zscore{Intensity::Kind::kZscore, 0, 1, false};
  cv::Mat unit = root.clone();
  GreyStatistics(root).map(zscore).apply(unit);
  const ModelScale scale = model_scale(zscore);
  cv::Scalar mean, deviation;
  cv::meanStdDev(unit * scale.spread + scale.offset, mean, deviation);
  EXPECT_NEAR(mean[0], 0, 1e-3);
  EXPECT_NEAR(deviation[0], 1, 1e-3);
}

TEST(Intensity, CutsAWindow) {
  cv::Mat values = (cv::Mat_<float>(1, 5) << 0.0f, 0.2f, 0.35f, 0.6f, 1.0f);
  GreyStatistics(values).map({Intensity::Kind::kWindow, 0.2, 0.5, false}).apply(values);
  const float expected[] = {0, 0, 0.5f, 1, 1};
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(values.at<float>(0, i), expected[i], 1e-6);
}

TEST(Intensity, LeavesFixedAloneAndOneGreyInItsPlace) {
  cv::Mat one(4, 4, CV_32F, cv::Scalar(0.3));
  GreyStatistics(one).map({}).apply(one);
  EXPECT_EQ(one.at<float>(0, 0), 0.3f);
  for (const Intensity& intensity : {percentiles(1, 99), Intensity{Intensity::Kind::kZscore, 0, 1, false}}) {
    cv::Mat flat(4, 4, CV_32F, cv::Scalar(0.3));
    GreyStatistics(flat).map(intensity).apply(flat);
    EXPECT_TRUE(std::isfinite(flat.at<float>(1, 1)));
    EXPECT_GE(flat.at<float>(1, 1), 0);
    EXPECT_LE(flat.at<float>(1, 1), 1);
  }
}

// What it is for: exposures of one hand become one image, at 8 and at 16 bits, as nearly as their files can tell.
TEST(Intensity, MakesOneOfAllExposures) {
  const cv::Mat hand = picture(120, 100, 0, 1);
  const auto seen = [&](double low, double high, int depth) {
    Image file;
    file.maximum = depth == CV_8U ? 255 : 65535;
    cv::Mat(hand * (high - low) + low).convertTo(file.pixels, depth, file.maximum);
    return view_of(file, {50, 60}, percentiles(1, 99)).pixels;
  };
  const cv::Mat expected = seen(0, 1, CV_16U);
  for (const auto& [low, high] : {std::pair{0.4, 0.6}, {0.0, 0.2}, {0.7, 1.0}}) {
    EXPECT_LE(cv::norm(seen(low, high, CV_16U), expected, cv::NORM_INF), 4 / (65535 * (high - low)));
    EXPECT_LE(cv::norm(seen(low, high, CV_8U), expected, cv::NORM_INF), 2 / (255 * (high - low)));
  }
}

// Colour files hold a grey image three times, as a rule.
TEST(Intensity, TakesColourByItsBrightness) {
  const cv::Mat grey = picture(40, 40, 0.3, 0.6);
  cv::Mat colour;
  cv::cvtColor(grey, colour, cv::COLOR_GRAY2RGB);
  const IntensityMap of_grey = GreyStatistics(grey).map(percentiles(2, 98));
  const IntensityMap of_colour = GreyStatistics(colour).map(percentiles(2, 98));
  EXPECT_NEAR(of_grey.scale, of_colour.scale, 1e-3 * of_grey.scale);
  EXPECT_NEAR(of_grey.shift, of_colour.shift, 1e-3 * std::abs(of_grey.shift) + 1e-4);
}

/// A picture in a frame of one grey, turned by some degrees.
cv::Mat framed(double frame, double degrees) {
  cv::Mat whole(300, 260, CV_32F, cv::Scalar(frame));
  cv::Mat inside(300, 260, CV_8U, cv::Scalar(0));
  std::vector<cv::Point2f> corners(4);
  cv::RotatedRect({130, 150}, {180, 200}, static_cast<float>(degrees)).points(corners.data());
  std::vector<cv::Point> polygon(corners.begin(), corners.end());
  cv::fillConvexPoly(inside, polygon, 255);
  picture(300, 260, 0.3, 0.6).copyTo(whole, inside);
  return whole;
}

TEST(Intensity, PassesOverFramesWhereItIsAsked) {
  const IntensityMap plain = GreyStatistics(picture(300, 260, 0.3, 0.6)).map(percentiles(1, 99));
  for (const double frame : {0.0, 0.5, 1.0})
    for (const double degrees : {0.0, 7.0, 30.0}) {
      const GreyStatistics statistics(framed(frame, degrees));
      const IntensityMap exposed = statistics.map(percentiles(1, 99, true));
      EXPECT_NEAR(exposed.scale, plain.scale, 0.03 * plain.scale) << frame << " " << degrees;
      EXPECT_NEAR(exposed.shift, plain.shift, 0.03 * std::abs(plain.shift)) << frame << " " << degrees;
      if (frame == 0.5) continue;
      const IntensityMap all = statistics.map(percentiles(1, 99));
      EXPECT_LT(all.scale, 0.8 * plain.scale) << "a frame of " << frame << " takes part of the range";
    }
}

TEST(Intensity, KeepsAnImageThatIsAllFrame) {
  const cv::Mat grey(50, 60, CV_8U, cv::Scalar(17));
  EXPECT_EQ(cv::countNonZero(exposed_area(grey)), 50 * 60);
  // And one with noise to its borders, whatever is as grey as its neighbours there.
  cv::Mat noise(50, 60, CV_8U);
  cv::RNG(3).fill(noise, cv::RNG::UNIFORM, 0, 256);
  EXPECT_EQ(cv::countNonZero(exposed_area(noise)), 50 * 60);
}

}  // namespace
}  // namespace osteon::data
