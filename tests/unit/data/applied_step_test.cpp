// SPDX-License-Identifier: Apache-2.0
#include "data/applied_step.hpp"

#include <cmath>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "data/augment.hpp"
#include "support/found_plugins.hpp"

namespace osteon::data {
namespace {

// How a picture is to move, as a matrix from input to output; the reference inverts it by OpenCV.
cv::Matx23d forward(const Motion& m, cv::Size input, cv::Size output) {
  const double turn = -m.angle * CV_PI / 180, lean = std::tan(m.shear * CV_PI / 180);
  const cv::Matx22d mirror(m.mirrored ? -1 : 1, 0, 0, 1);
  const cv::Matx22d scale(m.scale_x, m.scale_y * lean, 0, m.scale_y);
  const cv::Matx22d rotation(std::cos(turn), -std::sin(turn), std::sin(turn), std::cos(turn));
  const cv::Matx22d all = rotation * scale * mirror;
  const cv::Vec2d from((input.width - 1) / 2.0, (input.height - 1) / 2.0);
  const cv::Vec2d to((output.width - 1) / 2.0 + m.shift_x, (output.height - 1) / 2.0 + m.shift_y);
  const cv::Vec2d rest = to - all * from;
  return {all(0, 0), all(0, 1), rest[0], all(1, 0), all(1, 1), rest[1]};
}

DrawnWarp described(const Motion& m, cv::Size input, cv::Size output) {
  cv::Matx23d inverse;
  cv::invertAffineTransform(forward(m, input, output), inverse);
  auto raw = sdk::sized<osteon_warp>();
  raw.kind = OSTEON_WARP_AFFINE;
  raw.height = output.height;
  raw.width = output.width;
  std::copy(inverse.val, inverse.val + 6, raw.matrix);
  return describe(plugin::Augmentation::Warp(nullptr, raw), input);
}

TEST(AppliedStep, TellsWhatAMatrixDoesToThePicture) {
  for (const Motion& m :
       {Motion{false, 1, 1, 0, 30, 0, 0}, Motion{true, 1, 1, 0, -20, 0, 0}, Motion{false, 1.25, 0.5, 0, 0, 3, -4},
        Motion{false, 1, 1, 12, 0, 0, 0}, Motion{true, 0.8, 1.1, -15, 170, 7.5, 2}}) {
    const DrawnWarp drawn = described(m, {60, 40}, {50, 44});
    ASSERT_TRUE(drawn.motion);
    EXPECT_EQ(drawn.motion->mirrored, m.mirrored);
    EXPECT_NEAR(drawn.motion->scale_x, m.scale_x, 1e-9);
    EXPECT_NEAR(drawn.motion->scale_y, m.scale_y, 1e-9);
    EXPECT_NEAR(drawn.motion->shear, m.shear, 1e-9);
    EXPECT_NEAR(drawn.motion->angle, m.angle, 1e-9);
    EXPECT_NEAR(drawn.motion->shift_x, m.shift_x, 1e-9);
    EXPECT_NEAR(drawn.motion->shift_y, m.shift_y, 1e-9);
  }
}

TEST(AppliedStep, SaysNothingOfAMatrixThatLosesThePicture) {
  auto raw = sdk::sized<osteon_warp>();
  raw.kind = OSTEON_WARP_AFFINE;
  raw.height = raw.width = 8;
  EXPECT_FALSE(describe(plugin::Augmentation::Warp(nullptr, raw), {8, 8}).motion);
}

recipe::AugmentStep of(const std::string& name) {
  recipe::AugmentStep made;
  made.component.kind = plugin::Kind::kAugmentation;
  made.component.plugin = name;
  made.component.parameters = test::default_parameters(*test::registry().find(plugin::Kind::kAugmentation, name));
  return made;
}

// What one of two steps of a name says is not taken for the other's.
TEST(AppliedStep, IsToldForEveryStepThatRanInItsOrder) {
  recipe::AugmentStep group;
  group.group = "sequence";
  group.steps = {of("random_brightness_contrast"), of("rotate")};
  recipe::AugmentStep never = of("horizontal_flip");
  never.p = 0;
  const AugmentPipeline pipeline({of("rotate"), never, group}, test::registry(), {false, {"a"}, {}});
  Image image{cv::Mat(20, 20, CV_8U, cv::Scalar(9)), 255};
  Labels labels(1, image.size());
  std::vector<AppliedStep> applied;
  pipeline.apply(plugin::Call(), sample_key(1, 0, "x"), image, labels, 0, &applied);

  ASSERT_EQ(applied.size(), 3u);
  EXPECT_EQ(applied[0].path, "augment[0]");
  EXPECT_EQ(applied[0].plugin, "rotate");
  EXPECT_EQ(applied[1].path, "augment[2].steps[0]");
  EXPECT_EQ(applied[1].plugin, "random_brightness_contrast");
  EXPECT_FALSE(applied[1].warp);
  EXPECT_EQ(applied[1].notes.size(), 2u);
  EXPECT_EQ(applied[2].path, "augment[2].steps[1]");
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
    ASSERT_EQ(applied[i].notes.size(), 1u);
    EXPECT_EQ(applied[i].notes[0].key, "angle");
    EXPECT_NEAR(std::stod(applied[i].notes[0].value), applied[i].warp->motion->angle, 1e-9);
  }
  EXPECT_NE(applied[0].notes[0].value, applied[2].notes[0].value);
}

TEST(AppliedStep, ChangesNothingOfTheResult) {
  const AugmentPipeline pipeline({of("random_brightness_contrast"), of("rotate")}, test::registry(),
                                 {false, {"a"}, {}});
  cv::Mat noise(31, 17, CV_8UC3);
  cv::RNG(3).fill(noise, cv::RNG::UNIFORM, 0, 256);
  Image plain{noise, 255}, told{noise, 255};
  Labels labels(1, noise.size()), same(1, noise.size());
  std::vector<AppliedStep> applied;
  pipeline.apply(plugin::Call(), sample_key(1, 0, "x"), plain, labels);
  pipeline.apply(plugin::Call(), sample_key(1, 0, "x"), told, same, 0, &applied);
  EXPECT_EQ(cv::norm(plain.pixels, told.pixels, cv::NORM_INF), 0);
}

}  // namespace
}  // namespace osteon::data
