// SPDX-License-Identifier: Apache-2.0
#include "deep_model.hpp"

namespace osteon::spikes {

DeepImpl::DeepImpl(const Params& params, const sdk::ModelRequest& request) {
  namespace nn = torch::nn;
  const auto conv = [](std::int64_t in, std::int64_t out, std::int64_t stride) {
    return nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1).stride(stride));
  };
  stem = register_module("stem",
                         nn::Conv2d(nn::Conv2dOptions(request.in_channels, params.width, 3).padding(1).bias(false)));
  norm = register_module("norm", nn::BatchNorm2d(params.width));
  down2 = register_module("down2", conv(params.width, params.width, 2));
  down4 = register_module("down4", conv(params.width, params.width, 2));
  head1 = register_module("head1", conv(params.width, request.n_classes, 1));
  head2 = register_module("head2", conv(params.width, request.n_classes, 1));
  head4 = register_module("head4", conv(params.width, request.n_classes, 1));
}

sdk::ModelTraits DeepImpl::traits() const {
  sdk::ModelTraits traits;
  traits.outputs = {{"main", 1.0, 1, false}, {"d2", 0.5, 2, false}, {"d4", 0.25, 4, true}};
  return traits;
}

std::vector<torch::Tensor> DeepImpl::forward(const torch::Tensor& x, sdk::Outputs wanted) {
  const torch::Tensor full = torch::relu(norm(stem(x)));
  const torch::Tensor half = torch::relu(down2(full));
  const torch::Tensor quarter = torch::relu(down4(half));
  const torch::Tensor coarse = at::upsample_bilinear2d(quarter, {full.size(2), full.size(3)}, false);
  const torch::Tensor main = head1(full + coarse);
  if (wanted == sdk::Outputs::kMain) return {main};
  return {main, head2(half), head4(quarter)};
}

}  // namespace osteon::spikes

OSTEON_PLUGIN("deep", "1.0.0",
              osteon::sdk::torch_model<osteon::spikes::DeepImpl>({"deep", "1.0.0",
                                                                  "Three heads at three strides; a toy."}))
