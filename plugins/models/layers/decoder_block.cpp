// SPDX-License-Identifier: Apache-2.0
#include "decoder_block.hpp"

#include <numeric>

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>

#include "inference_ops.hpp"

namespace osteon::layers {
namespace {

namespace nn = torch::nn;

nn::Sequential conv_norm_relu(std::int64_t in, std::int64_t out) {
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1).bias(false)), nn::BatchNorm2d(out),
                        nn::ReLU(nn::ReLUOptions(/*inplace=*/true)));
}

at::Tensor resized(const at::Tensor& x) {
  return at::upsample_bilinear2d(x, {2 * x.size(2), 2 * x.size(3)}, /*align_corners=*/true);
}

}  // namespace

DecoderBlockImpl::DecoderBlockImpl(std::int64_t in, const std::vector<std::int64_t>& joined, std::int64_t out,
                                   const std::string& upsampling)
    : bilinear_(upsampling == "bilinear") {
  const bool transposed = upsampling == "transposed";
  if (transposed) {
    up_ = register_module("up", nn::ConvTranspose2d(nn::ConvTranspose2dOptions(in, out, 2).stride(2)));
    infer_up_.emplace(up_);
  }
  std::vector<std::int64_t> inputs = {transposed ? out : in};
  inputs.insert(inputs.end(), joined.begin(), joined.end());
  const std::int64_t all = std::accumulate(inputs.begin(), inputs.end(), std::int64_t{0});
  conv1_ = register_module("conv1", conv_norm_relu(all, out));
  conv2_ = register_module("conv2", conv_norm_relu(out, out));
  infer_.emplace_back(conv1_, 0, inputs);
  infer_.emplace_back(conv2_, 0);
}

torch::Tensor DecoderBlockImpl::doubled(const torch::Tensor& x) {
  if (!up_.is_empty()) return up_->forward(x);
  return bilinear_ ? resized(x) : at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

torch::Tensor DecoderBlockImpl::forward(const std::vector<torch::Tensor>& inputs) {
  std::vector<torch::Tensor> joined = inputs;
  joined[0] = doubled(inputs[0]);
  return conv2_->forward(conv1_->forward(joined.size() == 1 ? joined[0] : at::cat(joined, 1)));
}

torch::Tensor DecoderBlockImpl::infer(const std::vector<torch::Tensor>& inputs) const {
  std::vector<ConvInput> joined;
  for (const torch::Tensor& input : inputs) joined.push_back({input, /*doubled=*/joined.empty()});
  if (infer_up_)
    joined[0] = {(*infer_up_)(inputs[0]), false};
  else if (bilinear_)
    joined[0] = {to_channels_last(resized(to_channels_first(inputs[0]))), false};
  return infer_[1](infer_[0](joined, Activation::kRelu), Activation::kRelu);
}

void DecoderBlockImpl::forget_prepared() {
  for (InferenceConv& step : infer_) step.forget();
  if (infer_up_) infer_up_->forget();
}

}  // namespace osteon::layers
