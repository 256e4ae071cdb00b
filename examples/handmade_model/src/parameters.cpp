// SPDX-License-Identifier: Apache-2.0
#include "parameters.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <osteon/sdk/known.hpp>

using osteon::sdk::InvalidArgument;

namespace {

/// Aligned to 64 bytes, as every view that crosses the ABI is.
Parameter::Floats zeros(std::int64_t count) {
  const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
  Parameter::Floats memory(static_cast<float*>(std::aligned_alloc(64, bytes)));
  if (memory == nullptr) throw std::bad_alloc();
  std::fill_n(memory.get(), count, 0.0f);
  return memory;
}

Parameter::Floats copy_of(const float* from, std::int64_t count) {
  Parameter::Floats memory = zeros(count);
  std::copy_n(from, count, memory.get());
  return memory;
}

/// Levels of the way down are the encoder, "down.2.0.convolution.weight" is of the third; what is behind them looks
/// for fine structure, and the head decides.
void say_where(osteon_named_tensor& tensor) {
  const std::string name = tensor.name;
  tensor.depth = -1;
  if (name.rfind("down.", 0) == 0) {
    tensor.part = OSTEON_PART_ENCODER;
    tensor.depth = name[5] - '0';
  } else {
    tensor.part = name.rfind("head.", 0) == 0 ? OSTEON_PART_HEAD : OSTEON_PART_DECODER;
  }
}

/// The host's memory for a parameter's value or gradient; throws when it does not fit.
float* memory_for(const Parameter& parameter, const osteon_tensor_view& view) {
  const std::string what = "what '" + parameter.name + "' is to lie in";
  osteon::sdk::expect_canonical(view, what.c_str());
  osteon::sdk::expect_shape(view, parameter.shape, what.c_str());
  if (view.dtype != osteon::sdk::dtype_of<float>() || view.device.type != OSTEON_DEVICE_CPU)
    throw InvalidArgument(what + " is not float32 on the CPU");
  if (reinterpret_cast<std::uintptr_t>(view.data) % 64 != 0)
    throw InvalidArgument(what + " is not aligned to 64 bytes");
  return static_cast<float*>(view.data);
}

}  // namespace

Parameter& Parameters::add(std::string name, std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  Parameter& parameter = list_.emplace_back();
  parameter.index = list_.size() - 1;
  parameter.name = std::move(name);
  parameter.shape = std::move(shape);
  parameter.count = count;
  parameter.own_value = zeros(count);
  parameter.value = parameter.own_value.get();
  return parameter;
}

Parameter& Parameters::at(std::uint64_t index) {
  if (index >= list_.size()) throw InvalidArgument("tensor " + std::to_string(index) + " is no parameter");
  return list_[index];
}

void Parameters::list(std::uint64_t* count, const osteon_named_tensor* const** out) {
  if (pointers_.empty()) {
    views_.clear();
    named_.clear();
    for (const Parameter& parameter : list_) {
      views_.emplace_back(parameter.value, parameter.shape);
      views_.emplace_back(parameter.grad, parameter.shape);
    }
    for (const Parameter& parameter : list_) {
      auto& tensor = named_.emplace_back(osteon::sdk::sized<osteon_named_tensor>());
      // Weights alone decay: scales of normalization and biases are vectors.
      tensor.flags = parameter.shape.size() == 1 ? std::uint32_t{OSTEON_TENSOR_NO_DECAY} : 0;
      tensor.role = OSTEON_TENSOR_PARAMETER;
      tensor.name = parameter.name.c_str();
      tensor.value = views_[2 * parameter.index].view();
      tensor.grad = views_[2 * parameter.index + 1].view();
      say_where(tensor);
    }
    for (const osteon_named_tensor& tensor : named_) pointers_.push_back(&tensor);
  }
  *count = pointers_.size();
  *out = pointers_.data();
}

void Parameters::set_trainable(std::uint64_t count, const std::uint64_t* indices) {
  std::vector<bool> wanted(list_.size(), false);
  std::vector<Parameter::Floats> fresh(list_.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    const Parameter& parameter = at(indices[i]);
    wanted[indices[i]] = true;
    if (!parameter.trained() && fresh[indices[i]] == nullptr) fresh[indices[i]] = zeros(parameter.count);
  }
  for (Parameter& parameter : list_) {
    if (wanted[parameter.index] && parameter.trained()) continue;
    parameter.own_grad = std::move(fresh[parameter.index]);
    parameter.grad = parameter.own_grad.get();
  }
  chosen_ = true;
  pointers_.clear();
}

void Parameters::bind(std::uint64_t count, const std::uint64_t* indices, const osteon_tensor_view* const* values,
                      const osteon_tensor_view* const* grads) {
  struct Place {
    float* value = nullptr;
    float* grad = nullptr;
    bool seen = false;
  };
  std::vector<Place> places(list_.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    const Parameter& parameter = at(indices[i]);
    Place& place = places[indices[i]];
    if (std::exchange(place.seen, true)) throw InvalidArgument("'" + parameter.name + "' is bound twice");
    if (values != nullptr && values[i] != nullptr) place.value = memory_for(parameter, *values[i]);
    if (grads == nullptr || grads[i] == nullptr) continue;
    if (!parameter.trained()) throw InvalidArgument("'" + parameter.name + "' is not trained and has no gradient");
    place.grad = memory_for(parameter, *grads[i]);
  }
  for (Parameter& parameter : list_) {
    const Place& place = places[parameter.index];
    if (place.value != nullptr && place.value != parameter.value) {
      std::copy_n(parameter.value, parameter.count, place.value);
      parameter.value = place.value;
      parameter.own_value.reset();
    }
    if (place.grad != nullptr && place.grad != parameter.grad) {
      parameter.grad = place.grad;
      parameter.own_grad.reset();
    }
  }
  pointers_.clear();
}

void Parameters::unbind() {
  std::vector<Parameter::Floats> values(list_.size()), grads(list_.size());
  for (const Parameter& parameter : list_) {
    if (parameter.own_value == nullptr) values[parameter.index] = copy_of(parameter.value, parameter.count);
    if (parameter.trained() && parameter.own_grad == nullptr)
      grads[parameter.index] = copy_of(parameter.grad, parameter.count);
  }
  for (Parameter& parameter : list_) {
    if (values[parameter.index] != nullptr) parameter.own_value = std::move(values[parameter.index]);
    if (grads[parameter.index] != nullptr) parameter.own_grad = std::move(grads[parameter.index]);
    parameter.value = parameter.own_value.get();
    parameter.grad = parameter.own_grad.get();
  }
  pointers_.clear();
}
