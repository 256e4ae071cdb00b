// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <torch/types.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "plugin/model.hpp"
#include "train/parameters.hpp"

namespace osteon::train {

/// A model while it is trained: all of its parameters have gradients, for as long as this lives. They lie in one block
/// of the host's memory, on the device of the call, so that zeroing, scaling and measuring them is one operation each;
/// where the model keeps its memory to itself, they are its own.
class Gradients {
 public:
  /// Gradients are 0. Everything passed outlives this.
  Gradients(plugin::Model& model, const plugin::Call& call);
  ~Gradients();
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  /// The model's tensors; valid as long as this.
  const std::vector<HostTensor>& tensors() const noexcept { return tensors_; }
  bool in_one_block() const noexcept { return flat_.defined(); }

  void zero();
  void scale(double factor);
  /// Euclidean norm of all gradients together; not finite where one of them is not, and only there. Waits for the
  /// device once. Depends on nothing but the gradients, not even on the number of threads.
  double norm() const;
  /// The name of the first parameter whose gradient is not finite; empty: all are.
  std::string first_not_finite() const;

 private:
  /// Whether the model took the block.
  bool bind_block(const std::vector<std::uint64_t>& parameters);

  plugin::Model& model_;
  const plugin::Call& call_;
  sdk::OwnedTensor block_;
  torch::Tensor flat_;                 ///< over block_, undefined without one
  std::vector<sdk::TorchView> views_;  ///< of each parameter's gradient in it
  std::vector<HostTensor> tensors_;
};

}  // namespace osteon::train
