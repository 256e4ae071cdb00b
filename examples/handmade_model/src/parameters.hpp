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

/// A tensor that is learnt. Value and gradient stay where they are as long as the model lives: the host keeps the
/// addresses and steps its optimizer there.
struct Parameter {
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  using Floats = std::unique_ptr<float[], Free>;

  std::uint64_t index;  ///< in osteon_model_api.tensors
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t count;
  Floats value;
  Floats grad;  ///< null until somebody needs it: a model that only predicts has none
  bool trained;
};

/// All parameters of a network, in the order in which its layers make them.
class Parameters {
 public:
  /// One of zeros.
  Parameter& add(std::string name, std::vector<std::int64_t> shape);
  std::uint64_t count() const { return list_.size(); }

  void make_gradients();
  /// As osteon_model_api.tensors.
  void list(std::uint64_t* count, const osteon_named_tensor* const** out);
  /// As osteon_model_api.set_trainable.
  void set_trainable(std::uint64_t count, const std::uint64_t* indices);

 private:
  std::deque<Parameter> list_;  // a deque: layers keep references
  std::vector<osteon::sdk::BorrowedTensor> views_;
  std::vector<osteon_named_tensor> named_;
  std::vector<const osteon_named_tensor*> pointers_;
};
