// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/half.hpp>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace {

using namespace osteon::sdk;

/// IEEE 754 binary16 by its definition.
double half_by_definition(std::uint16_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  if (exponent == 31) return mantissa ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

TEST(Half, EveryHalfBecomesItsFloatAndComesBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double expected = half_by_definition(half);
    const float got = float_from_half(half);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
      ASSERT_TRUE(std::isnan(half_by_definition(half_from_float(got)))) << bits;
    } else {
      ASSERT_EQ(got, expected) << bits;
      ASSERT_EQ(std::signbit(got), std::signbit(expected)) << bits;
      ASSERT_EQ(half_from_float(got), half) << bits;
    }
  }
}

TEST(Half, RoundsToNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const auto middle = static_cast<float>((half_by_definition(low) + half_by_definition(high)) / 2);
    const float inf = std::numeric_limits<float>::infinity();
    ASSERT_EQ(half_from_float(middle), bits % 2 == 0 ? low : high) << bits;
    ASSERT_EQ(half_from_float(std::nextafter(middle, 0.0f)), low) << bits;
    ASSERT_EQ(half_from_float(std::nextafter(middle, inf)), high) << bits;
    ASSERT_EQ(half_from_float(-middle), (bits % 2 == 0 ? low : high) | 0x8000) << bits;
  }
  EXPECT_EQ(half_from_float(65519.0f), 0x7bff);
  EXPECT_EQ(half_from_float(65520.0f), 0x7c00);
  EXPECT_EQ(half_from_float(1e30f), 0x7c00);
  EXPECT_EQ(half_from_float(1e-30f), 0);
}

TEST(Bfloat, EveryBfloatComesBackAndRoundingIsToNearestEven) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto bfloat = static_cast<std::uint16_t>(bits);
    const float value = float_from_bfloat(bfloat);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(float_from_bfloat(bfloat_from_float(value))));
      continue;
    }
    ASSERT_EQ(bfloat_from_float(value), bfloat);
    if (std::isinf(value)) continue;
    const std::uint32_t wide = bits << 16;
    ASSERT_EQ(bfloat_from_float(detail::as_float(wide | 0x7fff)), bfloat);
    ASSERT_EQ(bfloat_from_float(detail::as_float(wide | 0x8001)), static_cast<std::uint16_t>(bits + 1));
    ASSERT_EQ(bfloat_from_float(detail::as_float(wide | 0x8000)), static_cast<std::uint16_t>(bits + (bits & 1)));
  }
}

}  // namespace
