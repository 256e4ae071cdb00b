// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <osteon/sdk/tensor.hpp>

#include "weights/names.hpp"

/// Models and files that are a few tensors in memory, which copies share.
namespace osteon::test {

inline std::size_t count_of(const std::vector<std::int64_t>& shape) {
  return static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

struct ToyMemory {
  std::deque<std::vector<float>> values;
  std::deque<std::int64_t> counters;
  std::deque<sdk::BorrowedTensor> views;
};

/// Tensors of a model, all -1 until something is loaded.
class ToyModel {
 public:
  explicit ToyModel(std::int64_t in_channels = 3) { weights_.in_channels = in_channels; }

  ToyModel& add(const std::string& name, const std::vector<std::int64_t>& shape) {
    std::vector<float>& values = memory_->values.emplace_back(count_of(shape), -1.0f);
    return keep({name, true, &memory_->views.emplace_back(values.data(), shape).view(), nullptr});
  }
  ToyModel& add_counter(const std::string& name) {
    std::int64_t& counter = memory_->counters.emplace_back(0);
    return keep({name, false, &memory_->views.emplace_back(&counter, std::vector<std::int64_t>()).view(), nullptr});
  }
  ToyModel& dialect(const std::string& name, decltype(weights::Dialect::translate) translate) {
    weights_.dialects.push_back({name, std::move(translate)});
    return *this;
  }

  const weights::ModelWeights& weights() const { return weights_; }
  std::vector<float> values(const std::string& name) const {
    for (const plugin::NamedTensor& tensor : weights_.tensors)
      if (tensor.name == name) {
        const auto* data = static_cast<const float*>(tensor.value->data);
        return {data, data + sdk::element_count(*tensor.value)};
      }
    throw std::out_of_range(name);
  }

 private:
  ToyModel& keep(plugin::NamedTensor tensor) {
    weights_.tensors.push_back(std::move(tensor));
    return *this;
  }

  std::shared_ptr<ToyMemory> memory_ = std::make_shared<ToyMemory>();
  weights::ModelWeights weights_;
};

/// Tensors of a file, every element another number.
class ToyFile {
 public:
  ToyFile& add(const std::string& name, const std::vector<std::int64_t>& shape) {
    std::vector<float>& values = memory_->values.emplace_back(count_of(shape));
    for (float& value : values) value = static_cast<float>(next_++);
    return keep(name, "F32", shape, values.data(), values.size() * sizeof(float));
  }
  ToyFile& add_counter(const std::string& name) {
    return keep(name, "I64", {}, &memory_->counters.emplace_back(next_++), sizeof(std::int64_t));
  }
  /// As a file of the model would be, with something before each name.
  ToyFile& add_all(const ToyModel& model, const std::string& prefix = "") {
    for (const plugin::NamedTensor& tensor : model.weights().tensors)
      add(prefix + tensor.name, {tensor.value->shape, tensor.value->shape + tensor.value->ndim});
    return *this;
  }

  const std::vector<weights::TensorData>& tensors() const { return tensors_; }
  std::vector<float> values(const std::string& name) const {
    for (const weights::TensorData& tensor : tensors_)
      if (tensor.name == name) {
        const auto* data = reinterpret_cast<const float*>(tensor.data);
        return {data, data + tensor.size / sizeof(float)};
      }
    throw std::out_of_range(name);
  }

 private:
  ToyFile& keep(const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape,
                const void* data, std::uint64_t size) {
    tensors_.push_back({name, dtype, shape, static_cast<const std::byte*>(data), size});
    return *this;
  }

  std::int64_t next_ = 1;
  std::shared_ptr<ToyMemory> memory_ = std::make_shared<ToyMemory>();
  std::vector<weights::TensorData> tensors_;
};

}  // namespace osteon::test
