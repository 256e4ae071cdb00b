// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <osteon/sdk/torch/model.hpp>

namespace osteon::spikes {

/// The smallest network under deep supervision: heads at strides 1, 2 and 4, with normalisation, that share what lies
/// below.
struct DeepImpl : torch::nn::Module {
  struct Params {
    std::int64_t width = 6;
    static void schema(sdk::Schema<Params>& s) {
      s.add("width", &Params::width, "channels of every hidden layer").between(1, 1024);
    }
  };
  DeepImpl(const Params& params, const sdk::ModelRequest& request);
  sdk::ModelTraits traits() const;
  std::vector<torch::Tensor> forward(const torch::Tensor& x, sdk::Outputs wanted);

  torch::nn::Conv2d stem{nullptr}, down2{nullptr}, down4{nullptr}, head1{nullptr}, head2{nullptr}, head4{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
};

}  // namespace osteon::spikes
