// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "train/optimizer.hpp"
#include "train/parameters.hpp"

namespace osteon::train {

/// An exponential moving average of the parameters (Polyak and Juditsky, 1992), kept beside them:
///     average = decay average + (1 - decay) value
/// with decay warmed up as min(decay, (1 + n) / (10 + n)) after n updates. Buffers (running statistics) are copied.
class MovingAverage {
 public:
  /// decay 0: keeps nothing and does nothing.
  MovingAverage(double decay, const std::vector<HostTensor>& tensors);

  bool active() const noexcept { return decay_ > 0; }
  /// After each optimizer step.
  void update();
  /// Exchanges averages and parameters; call it again to change back.
  void swap();

  NamedState state() const;
  void load(const NamedState& state);

 private:
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<HostTensor> tensors_;
  std::vector<torch::Tensor> averages_;
};

}  // namespace osteon::train
