// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <torch/types.h>

#include "plugin/model.hpp"

namespace osteon::train {

/// A model's tensor as LibTorch sees it: the same memory, which the model owns.
struct HostTensor {
  std::string name;
  bool parameter = false;
  torch::Tensor value;
  torch::Tensor grad;  ///< undefined for buffers and for what is not trained
  bool decays = true;  ///< false: the model says that weight decay leaves it alone
};

/// All tensors of `model`, in its order. Valid until other parameters are trained, or the model is bound, moves or
/// dies.
std::vector<HostTensor> host_tensors(plugin::Model& model, const plugin::Call& call);

/// Those that are trained, as leaves whose `.grad()` is the model's gradient buffer: what optimizers take.
std::vector<torch::Tensor> trainable_leaves(const std::vector<HostTensor>& tensors);

void zero_gradients(const std::vector<HostTensor>& tensors);

/// Multiplies all gradients by `factor`.
void scale_gradients(const std::vector<HostTensor>& tensors, double factor);

/// Copies of a model's buffers, such as running statistics, which a forward changes: as they were after the last whole
/// step.
class KeptBuffers {
 public:
  /// Of tensors that live longer.
  explicit KeptBuffers(const std::vector<HostTensor>& tensors);
  void keep();
  /// Puts them back into the model.
  void restore() const;
  /// The tensors with the copies in the buffers' places.
  std::vector<HostTensor> tensors() const;

 private:
  const std::vector<HostTensor>& tensors_;
  std::vector<torch::Tensor> copies_;  ///< by tensor; undefined for parameters
};

/// Euclidean norm of all gradients together; not finite where one of them is not. Waits for the device once.
double gradient_norm(const std::vector<HostTensor>& tensors);

}  // namespace osteon::train
