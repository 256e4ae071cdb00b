// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <osteon/abi/labels.h>
#include <osteon/sdk/error.hpp>

namespace osteon::sdk::detail {

/// Throws Unsupported for flag bits that this SDK does not know: a later host may set them, and they are not guessed
/// at.
inline void check_flags(std::uint32_t flags, std::uint32_t known, const char* whose) {
  if ((flags & ~known) != 0)
    throw Unsupported(std::string(whose) + " flags " + std::to_string(flags) +
                      " have bits that this SDK does not know");
}

/// Whether labels have exactly one class per pixel; throws Unsupported for a kind of labels that this SDK does not
/// know.
inline bool is_multiclass(std::uint32_t labels) {
  if (labels != OSTEON_LABELS_MULTILABEL && labels != OSTEON_LABELS_MULTICLASS)
    throw Unsupported("labels of kind " + std::to_string(labels) + " are unknown to this SDK");
  return labels == OSTEON_LABELS_MULTICLASS;
}

}  // namespace osteon::sdk::detail
