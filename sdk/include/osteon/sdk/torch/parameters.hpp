// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/module.h>

#include <osteon/abi/model.h>
#include <osteon/sdk/torch/network.hpp>
#include <osteon/sdk/torch/tensor.hpp>

namespace osteon::sdk::detail {

/// The parameters and buffers of a network as the ABI shows them: parameters first, each group in the order of
/// registration. Nothing is trained until the host chooses, and what is not trained has no gradient.
///
/// LibTorch adds to a `.grad` that is there in place, so the host's views of gradients stay true; should something
/// replace one nevertheless, verify() says so. Memory of the host's takes the place of a value or gradient the same
/// way: as the data of the tensor that the author's modules hold.
class ParameterTable {
 public:
  explicit ParameterTable(Network& network) {
    std::unordered_map<const c10::TensorImpl*, std::string> seen;
    const auto add = [&](const std::string& name, const at::Tensor& value, bool parameter) {
      const auto [first, fresh] = seen.emplace(value.unsafeGetTensorImpl(), name);
      if (!fresh)
        throw Error(OSTEON_FAILED, "'" + first->second + "' and '" + name + "' are one tensor; register it once");
      if (parameter && value.scalar_type() != at::kFloat)
        throw Error(OSTEON_FAILED,
                    "parameter '" + name + "' is " + at::toString(value.scalar_type()) + ", not float32");
      entries_.emplace_back();
      Entry& entry = entries_.back();
      entry.name = name;
      entry.parameter = parameter;
      entry.value = value;
      entry.traits = network.tensor_traits(name, usual_traits(name, value.dim()));
      pointers_.push_back(&entry.abi);
    };
    for (const auto& item : network.module().named_parameters()) add(item.key(), item.value(), true);
    for (const auto& item : network.module().named_buffers())
      if (item.value().defined()) add(item.key(), item.value(), false);
    for (Entry& entry : entries_) {
      if (entry.parameter) entry.value.set_requires_grad(false);
      const at::Tensor fit = canonical(entry.value);
      if (fit.data_ptr() != entry.value.data_ptr()) entry.value.set_data(fit);
    }
    refresh();
  }
  ParameterTable(const ParameterTable&) = delete;
  ParameterTable& operator=(const ParameterTable&) = delete;

  std::size_t size() const noexcept { return entries_.size(); }
  bool is_parameter(std::size_t index) const { return entries_[index].parameter; }
  const at::Tensor& value(std::size_t index) const { return entries_[index].value; }
  /// Whether the host has said what is trained.
  bool is_chosen() const noexcept { return chosen_; }

  /// As osteon_model_api.tensors.
  void list(std::uint64_t* count, const osteon_named_tensor* const** out) const noexcept {
    *count = pointers_.size();
    *out = pointers_.data();
  }

  /// As osteon_model_api.set_trainable; nothing changes when it throws.
  void set_trainable(std::uint64_t count, const std::uint64_t* indices) {
    std::vector<bool> wanted(entries_.size(), false);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (indices[i] >= entries_.size() || !entries_[indices[i]].parameter)
        throw InvalidArgument("tensor " + std::to_string(indices[i]) + " is no parameter");
      wanted[indices[i]] = true;
    }
    std::vector<at::Tensor> fresh(entries_.size());
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (wanted[i] && !entries_[i].value.grad().defined())
        fresh[i] = at::zeros_like(entries_[i].value, at::MemoryFormat::Contiguous).detach();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      if (!entry.parameter) continue;
      entry.value.set_requires_grad(wanted[i]);
      if (wanted[i] && !fresh[i].defined()) continue;
      entry.value.mutable_grad() = fresh[i];
      entry.grad_is_bound = false;
    }
    chosen_ = true;
    refresh();
  }

  /// As osteon_model_api.bind; nothing changes when it throws.
  void bind(std::uint64_t count, const std::uint64_t* indices, const osteon_tensor_view* const* values,
            const osteon_tensor_view* const* grads) {
    struct Binding {
      Entry* entry;
      at::Tensor value, grad;
    };
    std::vector<Binding> bindings;
    std::vector<bool> seen(entries_.size(), false);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (indices[i] >= entries_.size()) throw InvalidArgument("there is no tensor " + std::to_string(indices[i]));
      Entry& entry = entries_[indices[i]];
      if (seen[indices[i]]) throw InvalidArgument("'" + entry.name + "' is bound twice");
      seen[indices[i]] = true;
      Binding binding{&entry, {}, {}};
      if (values != nullptr && values[i] != nullptr)
        binding.value = memory_for(entry.value, *values[i], "the value of '" + entry.name + "'");
      if (grads != nullptr && grads[i] != nullptr) {
        if (!entry.value.grad().defined())
          throw InvalidArgument("'" + entry.name + "' is not trained, so it has no gradient to bind");
        binding.grad = memory_for(entry.value.grad(), *grads[i], "the gradient of '" + entry.name + "'");
      }
      bindings.push_back(std::move(binding));
    }
    const torch::NoGradGuard no_grad;
    for (Binding& b : bindings)
      if (b.value.defined() && b.value.data_ptr() != b.entry->value.data_ptr()) b.value.copy_(b.entry->value);
    for (Binding& b : bindings) {
      if (b.value.defined()) {
        b.entry->value.set_data(b.value);
        b.entry->value_is_bound = true;
      }
      if (b.grad.defined()) {
        b.entry->value.mutable_grad() = b.grad;
        b.entry->grad_is_bound = true;
      }
    }
    refresh();
  }

  /// Moves everything to memory of its own on `device`, or nothing when memory runs out on the way.
  void move(at::Device device) {
    const auto moved = [device](const at::Tensor& tensor, bool bound) {
      if (!tensor.defined()) return at::Tensor();
      return canonical(tensor.detach().to(device, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/bound));
    };
    std::vector<std::pair<at::Tensor, at::Tensor>> there;
    for (const Entry& entry : entries_)
      there.emplace_back(moved(entry.value, entry.value_is_bound), moved(entry.value.grad(), entry.grad_is_bound));
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      entry.value.mutable_grad() = at::Tensor();  // value and gradient must not be seen on two devices
      entry.value.set_data(there[i].first);
      entry.value.mutable_grad() = there[i].second;
      entry.value_is_bound = entry.grad_is_bound = false;
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
    bool parameter = false;
    at::Tensor value;
    TensorTraits traits;
    bool value_is_bound = false, grad_is_bound = false;  ///< lies in memory of the host's
    TorchView value_view, grad_view;
    osteon_named_tensor abi = sized<osteon_named_tensor>();
  };

  /// The host's memory as a tensor that can stand in for `tensor`.
  static at::Tensor memory_for(const at::Tensor& tensor, const osteon_tensor_view& view, const std::string& what) {
    at::Tensor memory = borrow(view, what.c_str());
    if (memory.sizes() != tensor.sizes() || memory.scalar_type() != tensor.scalar_type())
      throw InvalidArgument(what + " would be bound to " + to_string(view.dtype) + " " + shape_text(view) +
                            ", and it is " + to_string(to_dtype(tensor.scalar_type())) + " " +
                            c10::str(tensor.sizes()));
    if (memory.device() != tensor.device())
      throw InvalidArgument(what + " would be bound to memory on " + memory.device().str() + ", and the model is on " +
                            tensor.device().str());
    if (reinterpret_cast<std::uintptr_t>(view.data) % 64 != 0)
      throw InvalidArgument(what + " would be bound to memory that is not aligned to 64 bytes");
    return memory;
  }

  void refresh() {
    for (Entry& entry : entries_) {
      entry.value_view = TorchView(entry.value.detach());
      const at::Tensor& grad = entry.value.grad();
      entry.grad_view = grad.defined() ? TorchView(grad) : TorchView();
      entry.abi.flags = entry.parameter && !entry.traits.decays ? std::uint32_t{OSTEON_TENSOR_NO_DECAY} : 0;
      entry.abi.role = entry.parameter ? OSTEON_TENSOR_PARAMETER : OSTEON_TENSOR_BUFFER;
      entry.abi.part = static_cast<std::uint32_t>(entry.traits.part);
      entry.abi.depth = entry.traits.depth;
      entry.abi.name = entry.name.c_str();
      entry.abi.value = entry.value_view.view();
      entry.abi.grad = grad.defined() ? entry.grad_view.view() : no_gradient(entry.value_view.view());
    }
  }

  /// A gradient's view without data, for a value of this one.
  static osteon_tensor_view no_gradient(osteon_tensor_view value) {
    value.data = nullptr;
    value.dtype = dtype_of<float>();
    return value;
  }

  std::deque<Entry> entries_;  // a deque: the ABI's structs must not move
  std::vector<const osteon_named_tensor*> pointers_;
  bool chosen_ = false;
};

}  // namespace osteon::sdk::detail
