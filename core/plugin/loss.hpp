// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <osteon/abi/loss.h>

#include "plugin/component.hpp"

namespace osteon::plugin {

/// A loss instance. Thread-safe.
class Loss {
 public:
  Loss(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, const Call& call);
  ~Loss();
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }

  /// The unscaled value; the gradient goes where `input` says. See osteon_loss_input.
  double evaluate(const Call& call, const osteon_loss_input& input) const;
  /// Evaluates to see whether the loss can take such inputs: nothing when it can, else why not (OSTEON_UNSUPPORTED).
  /// Throws for all other failures.
  std::optional<std::string> refusal(const Call& call, const osteon_loss_input& input) const;

 private:
  osteon_loss_api api() const { return component_.api<osteon_loss_api>(); }
  LoadedComponent component_;
  osteon_loss* loss_ = nullptr;
};

}  // namespace osteon::plugin
