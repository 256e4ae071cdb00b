// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

plugin::Augmentation make(const std::vector<std::int32_t>& mirrored, const plugin::Call& call) {
  const auto component = linked_component(plugin::Kind::kAugmentation, "horizontal_flip");
  return plugin::Augmentation(component, parameters_of(component), {false, {"left", "right", "middle"}, mirrored},
                              call);
}

TEST(HorizontalFlip, TakesTheLastColumnForTheFirst) {
  const plugin::Call call;
  const plugin::Augmentation flip = make({}, call);
  const auto warp = flip.sample_warp(call, {{1, 2}}, 7, 10);
  EXPECT_EQ(warp.get().kind, std::uint32_t{OSTEON_WARP_PERMUTATION});
  const double* m = warp.get().matrix;
  for (double x = 0; x < 10; ++x) {
    EXPECT_EQ(m[0] * x + m[1] * 3 + m[2], 9 - x);
    EXPECT_EQ(m[3] * x + m[4] * 3 + m[5], 3);
  }
  EXPECT_EQ(warp.get().class_source, nullptr);
}

TEST(HorizontalFlip, ExchangesClassesThatComeInPairs) {
  const plugin::Call call;
  const plugin::Augmentation flip = make({1, 0, 2}, call);
  const auto warp = flip.sample_warp(call, {{1, 2}}, 7, 10);
  ASSERT_NE(warp.get().class_source, nullptr);
  EXPECT_EQ(std::vector<std::int32_t>(warp.get().class_source, warp.get().class_source + 3),
            (std::vector<std::int32_t>{1, 0, 2}));
}

}  // namespace
}  // namespace osteon::test
