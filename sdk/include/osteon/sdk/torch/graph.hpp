// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <osteon/sdk/torch/network.hpp>
#include <osteon/sdk/torch/parameters.hpp>

namespace osteon::sdk::detail {

/// A network's inference forward at one input shape, traced, frozen and optimized: normalisation folded into
/// convolutions, weights packed once. Holds packed copies of the weights, so it costs about as much memory as they do,
/// and is out of date when they change. run() may be called from several threads.
class CompiledGraph {
 public:
  /// `network` is in inference mode; `example` has the shape that the graph will serve.
  CompiledGraph(Network& network, const ParameterTable& parameters, const at::Tensor& example)
      : module_(compile(network, parameters, example)) {}

  at::Tensor run(const at::Tensor& input) {
    const torch::NoGradGuard no_grad;
    // The graph is final; the executor would profile it in its first runs and compile it again.
    const torch::jit::GraphOptimizerEnabledGuard as_it_is(false);
    return module_.forward({input}).toTensor();
  }

 private:
  static torch::jit::Module compile(Network& network, const ParameterTable& parameters, const at::Tensor& example) {
    const torch::NoGradGuard no_grad;
    torch::jit::Module traced("__torch__.osteon.Network");
    traced.register_attribute("training", c10::BoolType::get(), false);
    // The tracer knows tensors by identity; names with dots would not be attributes, so they are numbered.
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const std::string name = "t" + std::to_string(i);
      if (parameters.is_parameter(i))
        traced.register_parameter(name, parameters.value(i), /*is_buffer=*/false);
      else
        traced.register_buffer(name, parameters.value(i));
    }
    const auto forward = [&network](torch::jit::Stack inputs) {
      return torch::jit::Stack{network.forward(inputs.at(0).toTensor(), Outputs::kMain).at(0)};
    };
    const auto no_name = [](const at::Tensor&) { return std::string(); };
    const auto state = torch::jit::tracer::trace({example}, forward, no_name, /*strict=*/true, /*force_outplace=*/false,
                                                 &traced, {"input"})
                           .first;
    auto* method = traced._ivalue()->compilation_unit()->create_function(
        c10::QualifiedName(*traced.type()->name(), "forward"), state->graph);
    traced.type()->addMethod(method);
    torch::jit::Module frozen = torch::jit::freeze(traced);
    return torch::jit::optimize_for_inference(frozen);
  }

  torch::jit::Module module_;
};

}  // namespace osteon::sdk::detail
