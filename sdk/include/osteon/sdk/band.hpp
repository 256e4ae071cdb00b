// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <osteon/abi/band.h>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/tensor.hpp>

namespace osteon::sdk::detail {

/// A band that the other side gave. Throws unless it is one of some of `n_classes` classes.
inline osteon_band known_band(const osteon_band* given, std::int64_t n_classes) {
  const osteon_band band = known(given, "a band");
  if (band.first_row < 0 || band.height < 0 || band.width < 0 || band.n_classes < 1 || band.classes == nullptr)
    throw InvalidArgument("a band of " + std::to_string(band.height) + " rows from row " +
                          std::to_string(band.first_row) + " on, of " + std::to_string(band.width) +
                          " columns and of " + std::to_string(band.n_classes) + " classes is none");
  for (std::uint64_t k = 0; k < band.n_classes; ++k)
    if (band.classes[k] < 0 || band.classes[k] >= n_classes || (k > 0 && band.classes[k] <= band.classes[k - 1]))
      throw InvalidArgument("a band's classes do not rise, or are not among the " + std::to_string(n_classes) +
                            " that there are");
  return band;
}

/// Throws unless `view` is what a member says of a band: float32 [classes, height, width], or bit planes.
inline void check_member(const osteon_tensor_view& view, const osteon_band& band, bool bits) {
  const char* const what = "a member's prediction";
  const auto classes = static_cast<std::int64_t>(band.n_classes);
  expect_canonical(view, what);
  expect_shape(view, {bits ? (classes + 31) / 32 : classes, band.height, band.width}, what);
  const osteon_dtype expected = bits ? dtype_of<std::int32_t>() : dtype_of<float>();
  if (view.dtype != expected)
    throw Unsupported(std::string(what) + " is " + to_string(view.dtype) + ", not " + to_string(expected));
  if (view.device.type != OSTEON_DEVICE_CPU) throw Unsupported(std::string(what) + " is not on the CPU");
}

}  // namespace osteon::sdk::detail
