// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/photometric.hpp"

namespace osteon::test {
namespace {

template <class T>
void expect_inverted(T maximum) {
  const Picture<T> in = speckled<T>(37, 23, 3);
  const Photometric invert("invert");
  const Picture<T> out = invert.apply(in);
  for (std::size_t i = 0; i < in.pixels.size(); ++i) ASSERT_EQ(out.pixels[i], static_cast<T>(maximum - in.pixels[i]));
  EXPECT_TRUE(invert.stops(in));
}

TEST(Invert, TakesEachIntensityFromTheGreatest) {
  expect_inverted<std::uint8_t>(255);
  expect_inverted<std::uint16_t>(65535);
  expect_inverted<float>(1);
}

}  // namespace
}  // namespace osteon::test
