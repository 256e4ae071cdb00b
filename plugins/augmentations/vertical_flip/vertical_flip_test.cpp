// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

TEST(VerticalFlip, TakesTheLastRowForTheFirstAndExchangesPairs) {
  const plugin::Call call;
  const auto component = linked_component(plugin::Kind::kAugmentation, "vertical_flip");
  const plugin::Augmentation flip(component, parameters_of(component), {false, {"left", "right", "middle"}, {1, 0, 2}},
                                  call);
  const auto warp = flip.sample_warp(call, {{1, 2}}, 7, 10);
  EXPECT_EQ(warp.get().kind, std::uint32_t{OSTEON_WARP_PERMUTATION});
  const double* m = warp.get().matrix;
  for (double y = 0; y < 7; ++y) {
    EXPECT_EQ(m[0] * 4 + m[1] * y + m[2], 4);
    EXPECT_EQ(m[3] * 4 + m[4] * y + m[5], 6 - y);
  }
  ASSERT_NE(warp.get().class_source, nullptr);
  EXPECT_EQ(std::vector<std::int32_t>(warp.get().class_source, warp.get().class_source + 3),
            (std::vector<std::int32_t>{1, 0, 2}));
}

}  // namespace
}  // namespace osteon::test
