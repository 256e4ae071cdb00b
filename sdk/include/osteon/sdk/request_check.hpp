// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <osteon/abi/labels.h>
#include <osteon/sdk/error.hpp>

namespace osteon::sdk::detail {

/// Throws Unsupported for flag bits that must be understood and are not among `known`: a later host may set them, and
/// they are not guessed at. Bits of the other half may be anything.
inline void check_flags(std::uint32_t flags, std::uint32_t known, const char* whose) {
  const std::uint32_t unknown = OSTEON_FLAGS_UNKNOWN(flags, known);
  if (unknown == 0) return;
  static const char* const kDigits = "0123456789abcdef";
  std::string bits;
  for (int shift = 12; shift >= 0; shift -= 4) bits += kDigits[unknown >> shift & 15];
  throw Unsupported(std::string(whose) + " has flags 0x" + bits +
                    " that must be understood and are unknown here; it is of a newer version of the ABI than " +
                    std::to_string(OSTEON_ABI_MAJOR) + "." + std::to_string(OSTEON_ABI_MINOR));
}

/// Whether labels have exactly one class per pixel; throws Unsupported for a kind of labels that this SDK does not
/// know.
inline bool is_multiclass(std::uint32_t labels) {
  if (labels != OSTEON_LABELS_MULTILABEL && labels != OSTEON_LABELS_MULTICLASS)
    throw Unsupported("labels of kind " + std::to_string(labels) + " are unknown to this SDK");
  return labels == OSTEON_LABELS_MULTICLASS;
}

}  // namespace osteon::sdk::detail
