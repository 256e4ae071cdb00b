// SPDX-License-Identifier: Apache-2.0
#include "predict/model_device.hpp"

namespace osteon::predict {

sdk::OwnedTensor infer(const osteon_call* call, const plugin::Model& model, const ModelDevice* device,
                       const osteon_tensor_view& batch, const plugin::Model::ForwardOptions& options) {
  if (device == nullptr) return model.infer(call, batch, options);
  osteon_call there = *call;
  there.device = device->id();
  const sdk::OwnedTensor input = device->bring(batch);
  const sdk::OwnedTensor logits = model.infer(&there, input.view(), options);
  return device->fetch(logits.view());
}

}  // namespace osteon::predict
