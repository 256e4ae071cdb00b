// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/vector_math.hpp>

/// Conversions between float32 and the two 16-bit formats, given as bit patterns. Branchless, so that loops over them
/// become vector code; rounding is to nearest, ties to even; infinities and NaN are kept.
namespace osteon::sdk {

OSTEON_INLINE float float_from_half(std::uint16_t half) noexcept {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fffu) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = magnitude & (0x7c00u << 13);
  const std::uint32_t rebiased = magnitude + (112u << 23);
  const std::uint32_t special = rebiased + (112u << 23);  // infinity and NaN: exponent 255
  // Subnormal: 2^-14 * (1 + m) - 2^-14 normalises without a loop.
  const std::uint32_t subnormal =
      detail::as_bits(detail::as_float(rebiased + (1u << 23)) - detail::as_float(113u << 23));
  const std::uint32_t bits = exponent == (0x7c00u << 13) ? special : exponent == 0 ? subnormal : rebiased;
  return detail::as_float(bits | sign);
}

OSTEON_INLINE std::uint16_t half_from_float(float value) noexcept {
  const std::uint32_t bits = detail::as_bits(value);
  const std::uint32_t sign = bits & 0x80000000u;
  const std::uint32_t magnitude = bits ^ sign;
  const std::uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  // Adding 2^-1 aligns a subnormal's mantissa so that the addition itself rounds it.
  constexpr std::uint32_t kAligner = 126u << 23;
  const std::uint32_t subnormal = detail::as_bits(detail::as_float(magnitude) + detail::as_float(kAligner)) - kAligner;
  const std::uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const std::uint32_t half = magnitude >= (143u << 23) ? special : magnitude < (113u << 23) ? subnormal : normal;
  return static_cast<std::uint16_t>(half | (sign >> 16));
}

OSTEON_INLINE float float_from_bfloat(std::uint16_t bfloat) noexcept {
  return detail::as_float(static_cast<std::uint32_t>(bfloat) << 16);
}

OSTEON_INLINE std::uint16_t bfloat_from_float(float value) noexcept {
  const std::uint32_t bits = detail::as_bits(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40u;
  return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

}  // namespace osteon::sdk
