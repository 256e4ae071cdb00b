// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include <osteon/sdk/torch/model.hpp>

/// The functions behind every torch model that do not depend on its class. Not for authors: model.hpp includes this, or
/// a file of its own does (OSTEON_TORCH_LAYER_APART).
namespace osteon::sdk::detail {

OSTEON_TORCH_LAYER_INLINE osteon_model* make_torch_model(std::unique_ptr<Network> network,
                                                         const ModelRequest& request) {
  return reinterpret_cast<osteon_model*>(new TorchModel(std::move(network), request));
}
OSTEON_TORCH_LAYER_INLINE const osteon_model_api& torch_model_api() {
  using Api = TorchModelApi;
  static const osteon_model_api api = {sizeof api,
                                       0,
                                       nullptr,
                                       &Api::destroy,
                                       &Api::info,
                                       &Api::tensors,
                                       &Api::set_trainable,
                                       &Api::bind,
                                       &Api::parameters_changed,
                                       &Api::move,
                                       &Api::forward,
                                       &Api::backward,
                                       &Api::release_tape};
  return api;
}
OSTEON_TORCH_LAYER_INLINE const osteon_inference_plan& torch_inference_plan() {
  static const osteon_inference_plan plan = {sizeof plan, 0, &TorchModelApi::describe_plan};
  return plan;
}

}  // namespace osteon::sdk::detail
