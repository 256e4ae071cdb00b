// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <osteon/abi/model.h>
#include <osteon/sdk/tensor.hpp>

/// A tensor that is learnt. The host keeps the addresses of value and gradient and steps its optimizer there; they stay
/// until it chooses what is trained, binds memory of its own, or moves the model.
struct Parameter {
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  using Floats = std::unique_ptr<float[], Free>;

  /// Gradients are there for what is trained alone: a model that only predicts has none.
  bool trained() const { return grad != nullptr; }

  std::uint64_t index;  ///< in osteon_model_api.tensors
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t count;
  float* value = nullptr;      ///< in memory of its own, or of the host's
  float* grad = nullptr;       ///< the same; null when it is not trained
  Floats own_value, own_grad;  ///< null where the host's is used
};

/// All parameters of a network, in the order in which its layers make them.
class Parameters {
 public:
  /// One of zeros.
  Parameter& add(std::string name, std::vector<std::int64_t> shape);
  std::uint64_t count() const { return list_.size(); }
  /// Whether the host has said what is trained.
  bool is_chosen() const { return chosen_; }

  /// As osteon_model_api.tensors.
  void list(std::uint64_t* count, const osteon_named_tensor* const** out);
  /// As osteon_model_api.set_trainable; nothing changes when it throws.
  void set_trainable(std::uint64_t count, const std::uint64_t* indices);
  /// As osteon_model_api.bind; nothing changes when it throws.
  void bind(std::uint64_t count, const std::uint64_t* indices, const osteon_tensor_view* const* values,
            const osteon_tensor_view* const* grads);
  /// Brings what was bound back to memory of its own; nothing changes when it throws.
  void unbind();

 private:
  Parameter& at(std::uint64_t index);

  std::deque<Parameter> list_;  // a deque: layers keep references
  std::vector<osteon::sdk::BorrowedTensor> views_;
  std::vector<osteon_named_tensor> named_;
  std::vector<const osteon_named_tensor*> pointers_;
  bool chosen_ = false;
};
