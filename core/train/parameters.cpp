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

KeptBuffers::KeptBuffers(const std::vector<HostTensor>& tensors) : tensors_(tensors) {
  for (const HostTensor& tensor : tensors_)
    copies_.push_back(tensor.parameter ? torch::Tensor() : tensor.value.detach().clone());
}

void KeptBuffers::keep() {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < copies_.size(); ++i)
    if (copies_[i].defined()) copies_[i].copy_(tensors_[i].value);
}

void KeptBuffers::restore() const {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < copies_.size(); ++i)
    if (copies_[i].defined()) torch::Tensor(tensors_[i].value).copy_(copies_[i]);
}

std::vector<HostTensor> KeptBuffers::tensors() const {
  std::vector<HostTensor> tensors = tensors_;
  for (std::size_t i = 0; i < copies_.size(); ++i)
    if (copies_[i].defined()) tensors[i].value = copies_[i];
  return tensors;
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
