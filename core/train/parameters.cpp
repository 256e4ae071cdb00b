// SPDX-License-Identifier: Apache-2.0
#include "train/parameters.hpp"

#include <ATen/ATen.h>
#include <osteon/sdk/torch/tensor.hpp>

namespace osteon::train {
namespace {

// Together, because on CUDA a call for each costs more than the arithmetic.
std::vector<torch::Tensor> gradients(const std::vector<HostTensor>& tensors) {
  std::vector<torch::Tensor> grads;
  for (const HostTensor& tensor : tensors)
    if (tensor.grad.defined() && tensor.grad.numel() > 0) grads.push_back(tensor.grad);
  return grads;
}

}  // namespace

std::vector<HostTensor> host_tensors(plugin::Model& model, const plugin::Call& call) {
  std::vector<HostTensor> tensors;
  for (const plugin::NamedTensor& tensor : model.tensors(call))
    tensors.push_back({tensor.name, tensor.parameter, sdk::borrow(*tensor.value),
                       tensor.grad != nullptr ? sdk::borrow(*tensor.grad) : torch::Tensor(), tensor.decays});
  return tensors;
}

std::vector<torch::Tensor> trainable_leaves(const std::vector<HostTensor>& tensors) {
  std::vector<torch::Tensor> leaves;
  for (const HostTensor& tensor : tensors) {
    if (!tensor.grad.defined()) continue;
    torch::Tensor leaf = tensor.value.detach().requires_grad_(true);
    leaf.mutable_grad() = tensor.grad;
    leaves.push_back(leaf);
  }
  return leaves;
}

void zero_gradients(const std::vector<HostTensor>& tensors) {
  if (const auto grads = gradients(tensors); !grads.empty()) at::_foreach_zero_(grads);
}

void scale_gradients(const std::vector<HostTensor>& tensors, double factor) {
  if (const auto grads = gradients(tensors); !grads.empty()) at::_foreach_mul_(grads, factor);
}

double gradient_norm(const std::vector<HostTensor>& tensors) {
  const auto grads = gradients(tensors);
  if (grads.empty()) return 0;
  return at::stack(at::_foreach_norm(grads)).to(at::kDouble).norm().item<double>();
}

}  // namespace osteon::train
