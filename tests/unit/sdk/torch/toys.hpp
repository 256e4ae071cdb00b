// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <osteon/sdk/torch/model.hpp>

#include "support/model_fixture.hpp"

/// Models of one convolution, for tests of the torch layer.
namespace osteon::sdk {

namespace nn = torch::nn;
using test::ModelUnderTest;
using test::RecordingCall;

inline nn::Conv2d conv(const ModelRequest& request) {
  return nn::Conv2d(nn::Conv2dOptions(request.in_channels, request.n_classes, 3).padding(1));
}

/// The base of the toys.
struct Toy : nn::Module {
  using Params = NoParams;
  Toy(const Params&, const ModelRequest& request) : head(register_module("head", conv(request))) {}
  nn::Conv2d head;
};
struct ReluLast : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return at::relu(head(x)); }
};

template <class M>
const osteon_component& toy_component() {
  static const osteon_component component = torch_model<M>({"toy", "1.0.0", "a toy"});
  return component;
}

template <class M>
std::unique_ptr<ModelUnderTest> make(std::int64_t in = 2, std::int64_t classes = 3) {
  return std::make_unique<ModelUnderTest>(toy_component<M>(), ModelUnderTest::Values{}, in, classes, 1);
}

/// Status and text of what was thrown.
template <class Function>
std::pair<osteon_status, std::string> failure(Function&& function) {
  try {
    function();
  } catch (const Error& e) {
    return {e.status(), e.what()};
  }
  return {OSTEON_OK, ""};
}

inline at::Tensor ramp(std::int64_t channels, std::int64_t size = 8) {
  return at::linspace(0, 1, channels * size * size).view({1, channels, size, size});
}

}  // namespace osteon::sdk
