// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "validate/harness/probe.hpp"

namespace osteon::validate {

/// Creates components of any kind through the C functions, with whatever values.
class Creator {
 public:
  explicit Creator(const Subject& subject);
  ~Creator();

  /// Values that a recipe would give: defaults, and what its bounds allow where there is none. Predictor parameters get
  /// a predictor that is never asked. Valid as long as this. Skips where a path is needed and was not given.
  const std::vector<const osteon_value*>& usual() const noexcept { return usual_; }

  struct Made {
    Outcome outcome;
    void* instance = nullptr;  ///< what was made
    bool out_touched = false;  ///< the out-argument does not hold what it held
  };
  /// What is unusual about a creation.
  struct Ask {
    std::uint32_t flags = 0;              ///< of the request
    std::optional<std::uint32_t> labels;  ///< of the request, for kinds that have them; those that it takes otherwise
    osteon_error* error = nullptr;        ///< in place of a buffer of one's own
    const osteon_call* call = nullptr;    ///< in place of a call of one's own
  };
  /// Creates an instance in the manner of now; whoever gets it destroys it.
  Made create(const std::vector<const osteon_value*>& values, const Ask& ask) const;
  Made create(const std::vector<const osteon_value*>& values) const { return create(values, Ask()); }
  void destroy(void* instance) const;

  /// Creates from usual values and destroys; fails when that does not work.
  void live_and_die() const;

 private:
  const plugin::LoadedComponent component_;
  std::int64_t channels_;
  plugin::ClassContext classes_;
  std::vector<const char*> class_names_, member_names_;
  osteon_predictor predictor_{};
  std::unique_ptr<plugin::ValueArray> values_;
  std::vector<const osteon_value*> usual_;
};

}  // namespace osteon::validate
