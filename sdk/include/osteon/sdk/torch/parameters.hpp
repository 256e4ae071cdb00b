// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

#include <osteon/abi/model.h>
#include <osteon/sdk/torch/tensor.hpp>

namespace osteon::sdk::detail {

/// The parameters and buffers of a module as the ABI shows them: parameters first, each group in the order of
/// registration.
///
/// Gradients live in buffers of ours that `.grad` is aliased to. LibTorch adds to a `.grad` that is there in place, so
/// the host's views stay true; should something replace it nevertheless, verify() says so.
class ParameterTable {
 public:
  explicit ParameterTable(torch::nn::Module& module) {
    std::unordered_map<const c10::TensorImpl*, std::string> seen;
    const auto add = [&](const std::string& name, const at::Tensor& value, bool parameter) {
      const auto [first, fresh] = seen.emplace(value.unsafeGetTensorImpl(), name);
      if (!fresh)
        throw Error(OSTEON_FAILED, "'" + first->second + "' and '" + name + "' are one tensor; register it once");
      if (parameter && value.scalar_type() != at::kFloat)
        throw Error(OSTEON_FAILED,
                    "parameter '" + name + "' is " + at::toString(value.scalar_type()) + ", not float32");
      entries_.push_back({name, parameter, value, {}, {}, {}});
    };
    for (const auto& item : module.named_parameters()) add(item.key(), item.value(), true);
    for (const auto& item : module.named_buffers())
      if (item.value().defined()) add(item.key(), item.value(), false);
    for (Entry& entry : entries_) {
      at::Tensor fit = canonical(entry.value);
      if (fit.data_ptr() != entry.value.data_ptr()) entry.value.set_data(fit);
    }
    refresh();
  }
  ParameterTable(const ParameterTable&) = delete;
  ParameterTable& operator=(const ParameterTable&) = delete;

  std::size_t size() const noexcept { return entries_.size(); }
  bool is_parameter(std::size_t index) const { return entries_[index].parameter; }
  const at::Tensor& value(std::size_t index) const { return entries_[index].value; }
  const std::string& name(std::size_t index) const { return entries_[index].name; }

  /// As osteon_model_api.tensors. Makes the gradients, which a model that only predicts never pays for.
  void list(std::uint64_t* count, const osteon_named_tensor* const** out) {
    make_gradients();
    *count = pointers_.size();
    *out = pointers_.data();
  }

  void make_gradients() {
    if (has_gradients_) return;
    for (Entry& entry : entries_)
      if (entry.parameter)
        entry.value.mutable_grad() = at::zeros_like(entry.value, at::MemoryFormat::Contiguous).detach();
    has_gradients_ = true;
    refresh();
  }

  void set_trainable(std::uint64_t count, const std::uint64_t* indices) {
    std::vector<bool> wanted(entries_.size(), false);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (indices[i] >= entries_.size() || !entries_[indices[i]].parameter)
        throw InvalidArgument("tensor " + std::to_string(indices[i]) + " is no parameter");
      wanted[indices[i]] = true;
    }
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].parameter) entries_[i].value.set_requires_grad(wanted[i]);
  }

  /// Moves everything, or nothing when memory runs out on the way.
  void move(at::Device device) {
    std::vector<std::pair<at::Tensor, at::Tensor>> moved;
    for (const Entry& entry : entries_)
      moved.emplace_back(canonical(entry.value.detach().to(device)),
                         entry.value.grad().defined() ? canonical(entry.value.grad().to(device)) : at::Tensor());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      at::Tensor& value = entries_[i].value;
      value.mutable_grad() = at::Tensor();  // value and gradient must not be seen on two devices
      value.set_data(moved[i].first);
      value.mutable_grad() = moved[i].second;
    }
    refresh();
  }

  /// Throws when a value or gradient no longer lies where the host believes it to.
  void verify() const {
    for (const Entry& entry : entries_) {
      const bool value_stays = entry.value.numel() == 0 || entry.value.data_ptr() == entry.value_view.view().data;
      const at::Tensor& grad = entry.value.grad();
      const bool grad_stays = !entry.grad_view.tensor().defined() || entry.value.numel() == 0 ||
                              (grad.defined() && grad.data_ptr() == entry.grad_view.view().data);
      if (!value_stays || !grad_stays)
        throw Error(OSTEON_FAILED, std::string(value_stays ? "the gradient of '" : "the value of '") + entry.name +
                                       "' was replaced; the model must write into it in place");
    }
  }

 private:
  struct Entry {
    std::string name;
    bool parameter;
    at::Tensor value;
    TorchView value_view;
    TorchView grad_view;
    osteon_named_tensor abi;
  };

  void refresh() {
    pointers_.clear();
    for (Entry& entry : entries_) {
      entry.value_view = TorchView(entry.value.detach());
      entry.grad_view = entry.value.grad().defined() ? TorchView(entry.value.grad()) : TorchView();
      entry.abi = {sizeof entry.abi,
                   entry.parameter ? std::uint32_t{OSTEON_TENSOR_PARAMETER} : std::uint32_t{OSTEON_TENSOR_BUFFER},
                   entry.name.c_str(), entry.value_view.view(), entry.grad_view.view()};
      pointers_.push_back(&entry.abi);
    }
  }

  std::deque<Entry> entries_;  // a deque: the ABI's structs must not move
  std::vector<const osteon_named_tensor*> pointers_;
  bool has_gradients_ = false;
};

}  // namespace osteon::sdk::detail
