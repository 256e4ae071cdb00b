// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;

struct Point {
  double x, y;
};

class AffineWarp : public ::testing::Test {
 protected:
  plugin::Augmentation::Warp sample(std::map<std::string, plugin::ParameterValue> given, std::uint64_t key = 1) {
    for (const char* name : {"shift", "rotate", "shear"}) given.try_emplace(name, std::vector<double>{0, 0});
    given.try_emplace("scale", std::vector<double>{1, 1});
    const auto component = linked_component(plugin::Kind::kAugmentation, "affine");
    made_.push_back(std::make_unique<plugin::Augmentation>(component, parameters_of(component, given),
                                                           plugin::ClassContext{false, {"a"}, {}}, call_));
    return made_.back()->sample_warp(call_, {{key, 7}}, 41, 61);
  }
  static Point from(const plugin::Augmentation::Warp& warp, Point p) {
    const double* m = warp.get().matrix;
    return {m[0] * p.x + m[1] * p.y + m[2], m[3] * p.x + m[4] * p.y + m[5]};
  }
  plugin::Call call_;
  std::vector<std::unique_ptr<plugin::Augmentation>> made_;
};

std::vector<double> only(double value) { return {value, value}; }

// Each step by itself, one point at a time.
Point moved(Point p, double scale, double shear, double angle, double shift) {
  p = {p.x - 30, p.y - 20};
  p = {p.x * scale, p.y * scale};
  p = {p.x + std::tan(shear * kDegree) * p.y, p.y + std::tan(shear * kDegree) * p.x};
  const double c = std::cos(angle * kDegree), s = std::sin(angle * kDegree);
  p = {c * p.x + s * p.y, -s * p.x + c * p.y};
  return {p.x + 30 + shift * 61, p.y + 20 + shift * 41};
}

TEST_F(AffineWarp, GoesBackWhereEachStepByItselfCameFrom) {
  const auto warp = sample({{"scale", only(1.3)}, {"shear", only(8)}, {"rotate", only(25)}, {"shift", only(0.1)}});
  for (const Point p : {Point{0, 0}, Point{60, 0}, Point{13, 37}, Point{30, 20}}) {
    const Point back = from(warp, moved(p, 1.3, 8, 25, 0.1));
    EXPECT_NEAR(back.x, p.x, 1e-9);
    EXPECT_NEAR(back.y, p.y, 1e-9);
  }
}

TEST_F(AffineWarp, LeavesTheImageAloneWhereNothingIsAsked) {
  const Point p = from(sample({}), {17, 5});
  EXPECT_NEAR(p.x, 17, 1e-12);
  EXPECT_NEAR(p.y, 5, 1e-12);
}

TEST_F(AffineWarp, DrawsOneScaleOrOneForEachAxis) {
  for (const bool keep : {true, false}) {
    double most = 0;
    for (std::uint64_t key = 0; key < 50; ++key) {
      const auto warp = sample({{"scale", std::vector<double>{0.5, 2}}, {"keep_ratio", std::vector<bool>{keep}}}, key);
      most = std::max(most, std::abs(std::log(warp.get().matrix[0] / warp.get().matrix[4])));
    }
    if (keep)
      EXPECT_LT(most, 1e-12);
    else
      EXPECT_GT(most, 0.5);
  }
}

}  // namespace
}  // namespace osteon::test
