// SPDX-License-Identifier: Apache-2.0
#include "predict/model_device.hpp"

#include "plugin/call.hpp"

namespace osteon::predict {

namespace {

/// A call beneath `call` for work on `device`.
plugin::Call call_on(const ModelDevice& device, const osteon_call* call) {
  plugin::DeriveOptions options;
  options.device = device.id();
  return plugin::Call(call, options);
}

}  // namespace

sdk::OwnedTensor infer(const osteon_call* call, const plugin::Model& model, const ModelDevice* device,
                       const osteon_tensor_view& batch, const plugin::Model::ForwardOptions& options) {
  if (device == nullptr) return model.infer(call, batch, options);
  const plugin::Call there = call_on(*device, call);
  const sdk::OwnedTensor input = device->bring(batch);
  return device->fetch(model.infer(there.raw(), input.view(), options).view());
}

std::vector<sdk::OwnedTensor> infer_all(const osteon_call* call, const plugin::Model& model, const ModelDevice* device,
                                        const osteon_tensor_view& batch, const plugin::Model::ForwardOptions& options) {
  if (device == nullptr) return model.infer_all(call, batch, options);
  const plugin::Call there = call_on(*device, call);
  const sdk::OwnedTensor input = device->bring(batch);
  std::vector<sdk::OwnedTensor> outputs;
  for (const sdk::OwnedTensor& output : model.infer_all(there.raw(), input.view(), options))
    outputs.push_back(device->fetch(output.view()));
  return outputs;
}

}  // namespace osteon::predict
