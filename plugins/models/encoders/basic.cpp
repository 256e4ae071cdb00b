// SPDX-License-Identifier: Apache-2.0
#include "basic.hpp"

#include <stdexcept>

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>

#include "layers/inference_ops.hpp"

namespace osteon::encoders {

namespace nn = torch::nn;

namespace {

constexpr std::int64_t kLevels = 5;

nn::Conv2d conv(std::int64_t in, std::int64_t out) {
  nn::Conv2d layer(nn::Conv2dOptions(in, out, 3).padding(1));
  nn::init::kaiming_normal_(layer->weight, 0, torch::kFanIn, torch::kReLU);
  nn::init::zeros_(layer->bias);
  return layer;
}

nn::Sequential level(std::int64_t in, std::int64_t out) {
  const auto relu = nn::ReLUOptions(/*inplace=*/true);
  return nn::Sequential(conv(in, out), nn::BatchNorm2d(out), nn::ReLU(relu), conv(out, out), nn::BatchNorm2d(out),
                        nn::ReLU(relu));
}

}  // namespace

BasicEncoderImpl::BasicEncoderImpl(const EncoderOptions& options) : EncoderImpl(options) {
  if (options.output_stride < 16) throw std::invalid_argument("'basic' has no dilation; its output stride is 16");
  std::int64_t in = options.in_channels;
  nn::ModuleList list;
  for (std::int64_t i = 0; i < kLevels; ++i) {
    channels_.push_back(scaled(std::int64_t{64} << i, options.width));
    levels_.push_back(level(in, channels_.back()));
    list->push_back(levels_.back());
    for (const std::size_t step : {std::size_t{0}, std::size_t{3}}) infer_.emplace_back(levels_.back(), step);
    in = channels_.back();
  }
  register_module("levels", list);
  size_multiple_ = std::int64_t{1} << (kLevels - 1);
}

std::vector<torch::Tensor> BasicEncoderImpl::forward(const torch::Tensor& x) {
  std::vector<torch::Tensor> features;
  for (const nn::Sequential& level : levels_)
    features.push_back(run(level.ptr(), features.empty() ? x : at::max_pool2d(features.back(), 2)));
  return features;
}

std::vector<torch::Tensor> BasicEncoderImpl::infer(const torch::Tensor& x) {
  std::vector<torch::Tensor> features;
  torch::Tensor y = layers::to_channels_last(x);
  for (std::size_t i = 0; i < infer_.size(); i += 2) {
    if (i > 0) y = layers::to_channels_last(at::max_pool2d(layers::to_channels_first(features.back()), 2));
    features.push_back(infer_[i + 1](infer_[i](y, layers::Activation::kRelu), layers::Activation::kRelu));
    y = features.back();
  }
  return features;
}

}  // namespace osteon::encoders
