// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/optim/optimizer.h>

#include "recipe/recipe.hpp"
#include "train/parameters.hpp"

namespace osteon::train {

/// A tensor of training state under a name, as a checkpoint keeps it.
using NamedState = std::vector<std::pair<std::string, torch::Tensor>>;

/// The recipe's optimizer over a model's parameters. The arithmetic is LibTorch's.
///
/// "adamw": Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101.
/// "rmsprop": Tieleman and Hinton, "RMSProp", Neural Networks for Machine Learning, lecture 6.5, 2012, with PyTorch's
/// epsilon (outside the root), weight decay (in the gradient) and momentum.
/// With `decay = "weights"` tensors that the model says do not decay are left alone by both.
class Optimizer {
 public:
  Optimizer(const recipe::OptimizerSection& options, const std::vector<HostTensor>& tensors);
  ~Optimizer();

  /// One step with this learning rate on the gradients as they are.
  void step(double learning_rate);

  /// Everything the next step depends on but the parameters. Tensors share memory with the optimizer.
  NamedState state() const;
  /// Takes a state that state() gave, of the same optimizer and parameters. Throws Error(kData) when a tensor is
  /// missing or misshapen.
  void load(const NamedState& state);

  /// What one kind of optimizer keeps for a parameter.
  class Method;

 private:
  std::vector<std::string> names_;
  std::vector<torch::Tensor> leaves_;
  std::unique_ptr<Method> method_;
};

}  // namespace osteon::train
