// SPDX-License-Identifier: Apache-2.0
#include "train/parameters.hpp"

#include <cmath>

#include <osteon/sdk/torch/tensor.hpp>

namespace osteon::train {

std::vector<HostTensor> host_tensors(plugin::Model& model) {
  std::vector<HostTensor> tensors;
  for (const plugin::NamedTensor& tensor : model.tensors())
    tensors.push_back({tensor.name, tensor.parameter, sdk::borrow(*tensor.value),
                       tensor.grad != nullptr ? sdk::borrow(*tensor.grad) : torch::Tensor()});
  return tensors;
}

std::vector<torch::Tensor> trainable_leaves(const std::vector<HostTensor>& tensors) {
  std::vector<torch::Tensor> leaves;
  for (const HostTensor& tensor : tensors) {
    if (!tensor.parameter) continue;
    torch::Tensor leaf = tensor.value.detach().requires_grad_(true);
    leaf.mutable_grad() = tensor.grad;
    leaves.push_back(leaf);
  }
  return leaves;
}

void zero_gradients(const std::vector<HostTensor>& tensors) {
  for (const HostTensor& tensor : tensors)
    if (tensor.grad.defined()) tensor.grad.zero_();
}

bool gradients_are_finite(const std::vector<HostTensor>& tensors) { return std::isfinite(gradient_norm(tensors)); }

void scale_gradients(const std::vector<HostTensor>& tensors, double factor) {
  for (const HostTensor& tensor : tensors)
    if (tensor.grad.defined()) tensor.grad.mul_(factor);
}

double gradient_norm(const std::vector<HostTensor>& tensors) {
  double sum = 0;
  for (const HostTensor& tensor : tensors) {
    if (!tensor.grad.defined() || tensor.grad.numel() == 0) continue;
    const double norm = tensor.grad.norm().item<double>();
    sum += norm * norm;
  }
  return std::sqrt(sum);
}

}  // namespace osteon::train
