// SPDX-License-Identifier: Apache-2.0
#include "parameters.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace {

/// Aligned to 64 bytes, as every view that crosses the ABI is.
Parameter::Floats zeros(std::int64_t count) {
  const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
  Parameter::Floats memory(static_cast<float*>(std::aligned_alloc(64, bytes)));
  if (memory == nullptr) throw std::bad_alloc();
  std::fill_n(memory.get(), count, 0.0f);
  return memory;
}

}  // namespace

Parameter& Parameters::add(std::string name, std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  list_.push_back({list_.size(), std::move(name), std::move(shape), count, zeros(count), nullptr, true});
  return list_.back();
}

void Parameters::make_gradients() {
  for (Parameter& parameter : list_)
    if (parameter.grad == nullptr) parameter.grad = zeros(parameter.count);
}

void Parameters::list(std::uint64_t* count, const osteon_named_tensor* const** out) {
  if (pointers_.empty()) {
    make_gradients();
    views_.clear();
    named_.clear();
    for (const Parameter& parameter : list_) {
      views_.emplace_back(parameter.value.get(), parameter.shape);
      views_.emplace_back(parameter.grad.get(), parameter.shape);
    }
    for (const Parameter& parameter : list_)
      named_.push_back({sizeof(osteon_named_tensor), OSTEON_TENSOR_PARAMETER, parameter.name.c_str(),
                        views_[2 * parameter.index].view(), views_[2 * parameter.index + 1].view()});
    for (const osteon_named_tensor& tensor : named_) pointers_.push_back(&tensor);
  }
  *count = pointers_.size();
  *out = pointers_.data();
}

void Parameters::set_trainable(std::uint64_t count, const std::uint64_t* indices) {
  std::vector<bool> trained(list_.size(), false);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (indices[i] >= list_.size())
      throw osteon::sdk::InvalidArgument("tensor " + std::to_string(indices[i]) + " is no parameter");
    trained[indices[i]] = true;
  }
  for (Parameter& parameter : list_) parameter.trained = trained[parameter.index];
}
