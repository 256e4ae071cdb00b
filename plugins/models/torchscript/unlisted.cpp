// SPDX-License-Identifier: Apache-2.0
#include "unlisted.hpp"

#include <unordered_set>

#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/ir/ir.h>

namespace osteon::models {
namespace {

template <class Visit>
void visit_constants(const torch::jit::Block& block, const Visit& visit) {
  for (const torch::jit::Node* node : block.nodes()) {
    if (node->kind() == c10::prim::Constant && node->hasAttribute(c10::attr::value)) {
      if (node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t)
        visit(node->t(c10::attr::value), node->output()->debugName());
      if (node->kindOf(c10::attr::value) == torch::jit::AttributeKind::ts)
        for (const at::Tensor& tensor : node->ts(c10::attr::value)) visit(tensor, node->output()->debugName());
    }
    for (const torch::jit::Block* inner : node->blocks()) visit_constants(*inner, visit);
  }
}

}  // namespace

Unlisted::Unlisted(const torch::jit::Module& script, const torch::nn::Module& listed) {
  std::unordered_set<const c10::TensorImpl*> seen;
  for (const at::Tensor& tensor : listed.parameters()) seen.insert(tensor.unsafeGetTensorImpl());
  for (const at::Tensor& tensor : listed.buffers()) seen.insert(tensor.unsafeGetTensorImpl());
  const auto add = [&](const at::Tensor& tensor, const std::string& name) {
    if (!tensor.defined() || tensor.dim() == 0 || !seen.insert(tensor.unsafeGetTensorImpl()).second) return;
    tensors_.push_back(tensor);
    names_.push_back(name);
  };
  for (const torch::jit::Module& module : script.modules()) {
    for (const auto& attribute : module.named_attributes(/*recurse=*/false))
      if (attribute.value.isTensor()) add(attribute.value.toTensor(), attribute.name);
    for (const torch::jit::Method& method : module.get_methods()) visit_constants(*method.graph()->block(), add);
  }
}

void Unlisted::follow(at::Device device) {
  const std::lock_guard<std::mutex> lock(*mutex_);
  if (device == device_) return;
  const c10::InferenceMode lasting(false);
  const torch::NoGradGuard no_grad;
  for (at::Tensor& tensor : tensors_) tensor.set_data(tensor.detach().to(device));
  device_ = device;
}

}  // namespace osteon::models
