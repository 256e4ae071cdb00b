// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include <osteon/sdk/torch/model.hpp>

#include "plugin/descriptor.hpp"
#include "plugin/model.hpp"

/// A network of three convolutions with three outputs, and ways in which a model may differ behind its functions.
namespace osteon::test {

struct TinyImpl : torch::nn::Module {
  struct Params {
    static void schema(sdk::Schema<Params>&) {}
  };
  TinyImpl(const Params&, const sdk::ModelRequest& request) {
    namespace nn = torch::nn;
    stem = register_module("stem", nn::Conv2d(nn::Conv2dOptions(request.in_channels, 6, 3).padding(1)));
    norm = register_module("norm", nn::BatchNorm2d(6));
    head = register_module("head", nn::Conv2d(nn::Conv2dOptions(6, request.n_classes, 1)));
    half_head = register_module("half_head", nn::Conv2d(nn::Conv2dOptions(6, request.n_classes, 1)));
    presence_head = register_module("presence_head", nn::Conv2d(nn::Conv2dOptions(6, request.n_classes, 1)));
  }
  sdk::ModelTraits traits() const {
    sdk::ModelTraits traits;
    traits.outputs = {{"main", 1.0, 1, false, sdk::OutputRole::kClasses},
                      {"half", 0.5, 2, false, sdk::OutputRole::kClasses},
                      {"presence", 0.0, 0, false, sdk::OutputRole::kPresence}};
    return traits;
  }
  std::vector<at::Tensor> forward(const at::Tensor& x) {
    const at::Tensor features = torch::relu(norm(stem(x)));
    return {head(features), half_head(at::avg_pool2d(features, 2)), presence_head(features.mean({2, 3}, true))};
  }
  torch::nn::Conv2d stem{nullptr}, head{nullptr}, half_head{nullptr}, presence_head{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
};

inline osteon_component& tiny_component() {
  static osteon_component component = sdk::torch_model<TinyImpl>({"tiny", "1.0.0", "Three convolutions."});
  return component;
}
inline const osteon_model_api& tiny_api() { return *static_cast<const osteon_model_api*>(tiny_component().api); }

/// A model of these functions, which are kept.
inline std::unique_ptr<plugin::Model> tiny_model(const plugin::Call& call, std::int64_t channels, int classes,
                                                 const osteon_model_api& api = tiny_api()) {
  static osteon_component component;
  component = tiny_component();
  component.api = &api;
  static const osteon_component* const kComponents[] = {&component};
  auto library = sdk::sized<osteon_plugin>();
  library.abi_version = OSTEON_ABI_VERSION;
  library.name = "tiny";
  library.version = "1.0.0";
  library.n_components = 1;
  library.components = kComponents;
  plugin::ClassContext context;
  for (int c = 0; c < classes; ++c) context.names.push_back("c" + std::to_string(c));
  return std::make_unique<plugin::Model>(plugin::component_of(library, plugin::Kind::kModel, "tiny"),
                                         plugin::Parameters(), context, channels, /*seed=*/5, call);
}

/// Keeps its memory to itself.
inline const osteon_model_api& stubborn_api() {
  static const osteon_model_api api = [] {
    osteon_model_api made = tiny_api();
    made.bind = [](const osteon_call*, osteon_model*, std::uint64_t, const std::uint64_t*,
                   const osteon_tensor_view* const*, const osteon_tensor_view* const*, osteon_error* error) {
      return sdk::detail::report(error, OSTEON_UNSUPPORTED, "the weights are where they are");
    };
    return made;
  }();
  return api;
}

}  // namespace osteon::test
