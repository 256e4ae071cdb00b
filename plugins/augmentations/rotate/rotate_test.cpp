// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

constexpr double kPi = 3.14159265358979323846;

plugin::Augmentation make(const std::map<std::string, plugin::ParameterValue>& given, const plugin::Call& call) {
  const auto component = linked_component(plugin::Kind::kAugmentation, "rotate");
  return plugin::Augmentation(component, parameters_of(component, given), {false, {"a"}, {}}, call);
}

TEST(Rotate, TurnsRigidlyAboutTheCentreWithinItsLimit) {
  const plugin::Call call;
  const plugin::Augmentation rotate = make({{"limit", std::vector<double>{-25, 25}}}, call);
  double least = 180, most = -180;
  for (std::uint64_t k = 0; k < 400; ++k) {
    const auto warp = rotate.sample_warp(call, {{k, 5}}, 41, 61);
    const double* m = warp.get().matrix;
    EXPECT_NEAR(m[0] * m[4] - m[1] * m[3], 1, 1e-12);
    EXPECT_NEAR(m[0] * m[0] + m[3] * m[3], 1, 1e-12);
    EXPECT_NEAR(m[0] * 30 + m[1] * 20 + m[2], 30, 1e-9);
    EXPECT_NEAR(m[3] * 30 + m[4] * 20 + m[5], 20, 1e-9);
    const double angle = std::atan2(m[1], m[0]) * 180 / kPi;
    EXPECT_LE(std::abs(angle), 25);
    least = std::min(least, angle);
    most = std::max(most, angle);
    EXPECT_EQ(warp.get().border, std::uint32_t{OSTEON_BORDER_REFLECT_101});
  }
  EXPECT_LT(least, -22);  // uniform: 400 draws come near both ends
  EXPECT_GT(most, 22);
}

TEST(Rotate, TurnsWhatIsSeenCounterClockwise) {
  const plugin::Call call;
  const auto warp = make({{"limit", std::vector<double>{90, 90}}}, call).sample_warp(call, {{1, 1}}, 11, 11);
  const double* m = warp.get().matrix;
  // A quarter turn to the left: what was at the right edge is at the top.
  EXPECT_NEAR(m[0] * 5 + m[1] * 0 + m[2], 10, 1e-9);
  EXPECT_NEAR(m[3] * 5 + m[4] * 0 + m[5], 5, 1e-9);
}

TEST(Rotate, FillsAConstantBorder) {
  const plugin::Call call;
  const plugin::Augmentation rotate =
      make({{"border", std::vector<std::string>{"constant"}}, {"fill", std::vector<double>{0.25}}}, call);
  const auto warp = rotate.sample_warp(call, {{1, 1}}, 8, 8);
  EXPECT_EQ(warp.get().border, std::uint32_t{OSTEON_BORDER_CONSTANT});
  EXPECT_EQ(warp.get().image_fill, 0.25);
}

}  // namespace
}  // namespace osteon::test
