// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "predict/predictor.hpp"
#include "predict/reading.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {

/// A predictor whose predictions are combined or fitted on, and how its classes are those of the whole.
struct Member {
  std::shared_ptr<const Predictor> predictor;
  std::vector<std::int32_t> channels;  ///< of each class of the whole: the member's own; -1: it does not have the class
  std::vector<double> thresholds;      ///< of its own channels, where bits are made of what it says
};

/// A member's channels by name; see predict/chain_type.hpp.
inline std::vector<std::int32_t> channels_of(const Predictor& member, const plugin::ClassContext& classes,
                                             const std::string& who) {
  return channels_of(member.classes(), classes, who);
}

/// [members, classes] for osteon_ensembler_request.has_class; empty when all have all. Throws Error(kUsage) for a class
/// that no member has.
std::vector<std::uint8_t> class_table(const std::vector<Member>& members, const plugin::ClassContext& classes);

/// What a member says of one image: predicted once, and read in bands from the top to the bottom.
class Opinion {
 public:
  /// @param form     OSTEON_FORM_* that bands are wanted in
  /// @param classes  of the whole, rising; those that the member does not have are left out
  Opinion(const osteon_call* call, const Member& member, const osteon_image& image, std::uint32_t form,
          std::uint32_t scale, const std::vector<std::int32_t>& classes);

  /// Goes on to the next rows.
  void advance(const osteon_call* call, std::int64_t rows) { band_ = reading_->read(call, rows); }
  /// Of these rows float32 [classes, rows, width] or bit planes over `classes`, which are among those that were asked
  /// for; 0 for a class that the member does not have.
  sdk::OwnedTensor band(const osteon_call* call, const std::vector<std::int32_t>& classes) const;

 private:
  std::int64_t plane_of(std::int32_t class_index) const;

  const Member& member_;
  std::uint32_t form_;
  std::vector<std::int32_t> asked_;  // the member's channels, rising
  std::unique_ptr<Reading> reading_;
  OwnedPrediction band_;
};

/// Throws Error(kUsage), calling the member `who`, when it cannot be asked for what is made into `form`.
void expect_form(const Predictor& member, std::uint32_t form, const std::string& who);

}  // namespace osteon::predict
