// SPDX-License-Identifier: Apache-2.0
#pragma once

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

 private:
  const osteon_loss_api& api() const noexcept { return component_.api<osteon_loss_api>(); }
  LoadedComponent component_;
  osteon_loss* loss_ = nullptr;
};

}  // namespace osteon::plugin
