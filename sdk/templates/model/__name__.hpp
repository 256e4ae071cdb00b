// The network. A model is a torch::nn::Module whose forward() takes images [N, C, H, W] and gives logits
// [N, classes, H, W]; the names of its tensors are those of its registered modules.
#pragma once

#include <osteon/sdk/torch/model.hpp>

struct __Class__ : torch::nn::Module {
  /// What recipes write in [model].
  struct Params {
    int64_t width = 16;

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("width", &Params::width, "channels of the hidden layers").between(1, 1024);
    }
  };

  __Class__(const Params& params, const osteon::sdk::ModelRequest& request) {
    using Options = torch::nn::Conv2dOptions;
    first = register_module("first", torch::nn::Conv2d(Options(request.in_channels, params.width, 3).padding(1)));
    norm = register_module("norm", torch::nn::BatchNorm2d(params.width));
    second = register_module("second", torch::nn::Conv2d(Options(params.width, params.width, 3).padding(1)));
    head = register_module("head", torch::nn::Conv2d(Options(params.width, request.n_classes, 1)));
  }

  torch::Tensor forward(torch::Tensor image) {
    const torch::Tensor hidden = torch::relu(norm(first(image)));
    return head(torch::relu(second(hidden)));
  }

  torch::nn::Conv2d first{nullptr}, second{nullptr}, head{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
};
