// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "validate/harness/probe.hpp"

// What ensemblers combine, and what they and post-processors are fitted on.
namespace osteon::validate {

/// What members say of one image, in whichever form is wanted, and its truth.
class MemberSayings {
 public:
  static constexpr std::int64_t kHeight = 12, kWidth = 9;
  MemberSayings(std::uint32_t form, std::int64_t members, std::int64_t classes, bool multiclass,
                std::uint64_t seed = 1);

  /// Of a member, rows and classes: float32 [K, rows, width], or bit planes over the listed classes.
  ProbeTensor of(std::int64_t member, const osteon_band& band) const;
  /// int32 [P, rows, width] over all classes.
  ProbeTensor truth(const osteon_band& band) const;
  float& at(std::int64_t member, std::int64_t k, std::int64_t pixel) {
    return values_[static_cast<std::size_t>((member * classes_ + k) * kHeight * kWidth + pixel)];
  }
  float at(std::int64_t member, std::int64_t k, std::int64_t pixel) const {
    return values_[static_cast<std::size_t>((member * classes_ + k) * kHeight * kWidth + pixel)];
  }

 private:
  std::uint32_t form_;
  std::int64_t classes_;
  std::vector<float> values_;  ///< [members, classes, kHeight, kWidth]; of bits: 0 or 1
  std::vector<std::uint32_t> truth_;
};

/// A band that owns its classes.
struct ProbeBand {
  ProbeBand(std::int64_t first_row, std::int64_t height, std::vector<std::int32_t> listed,
            std::int64_t width = MemberSayings::kWidth);
  ProbeBand(const ProbeBand&) = delete;
  ProbeBand& operator=(const ProbeBand&) = delete;
  std::vector<std::int32_t> classes;
  osteon_band raw{};
};

/// The elements of what an ensembler or a post-processor gave, bits as floats.
std::vector<float> floats_of(const osteon_tensor_view& view);

}  // namespace osteon::validate
