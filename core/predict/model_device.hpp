// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <osteon/sdk/tensor.hpp>

#include "plugin/model.hpp"

namespace osteon::predict {

/// Where a model predicts when that is not the CPU, and how tensors get there and back. Images, post-processors and
/// ensemblers never see it. [any-thread]
class ModelDevice {
 public:
  virtual ~ModelDevice() = default;
  virtual osteon_device id() const = 0;
  /// A copy on the device of a contiguous tensor in host memory, which may be reused at once.
  virtual sdk::OwnedTensor bring(const osteon_tensor_view& host) const = 0;
  /// A copy in host memory of a contiguous tensor on the device, complete when this returns.
  virtual sdk::OwnedTensor fetch(const osteon_tensor_view& there) const = 0;
};

/// A model's logits of a batch, both in host memory, wherever the model works. They have the type that the model gave.
/// @param call    of a request on the CPU
/// @param device  where the model is; nullptr: on the CPU
/// @param batch   [N, C, H, W] float32
sdk::OwnedTensor infer(const osteon_call* call, const plugin::Model& model, const ModelDevice* device,
                       const osteon_tensor_view& batch, const plugin::Model::ForwardOptions& options);
/// The same of all outputs of Model::outputs(), in their order.
std::vector<sdk::OwnedTensor> infer_all(const osteon_call* call, const plugin::Model& model, const ModelDevice* device,
                                        const osteon_tensor_view& batch, const plugin::Model::ForwardOptions& options);

}  // namespace osteon::predict
