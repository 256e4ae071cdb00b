// SPDX-License-Identifier: Apache-2.0
#include "resnet.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include <ATen/ATen.h>
#include <torch/nn/init.h>

namespace osteon::encoders {
namespace {

namespace nn = torch::nn;

nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                std::int64_t dilation = 1) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).dilation(dilation).padding(kernel / 2 * dilation).bias(false));
}

/// What a block does to the grid and the channels.
struct BlockShape {
  std::int64_t in, planes, out, stride, dilation;
};

/// Input and branch added, then ReLU; the input goes through a 1x1 convolution where the shape changes.
class BlockImpl : public nn::Module {
 public:
  BlockImpl(const BlockShape& s, bool bottleneck) {
    if (bottleneck) {
      add(1, conv(s.in, s.planes, 1), s.planes);
      add(2, conv(s.planes, s.planes, 3, s.stride, s.dilation), s.planes);
      add(3, conv(s.planes, s.out, 1), s.out);
    } else {
      add(1, conv(s.in, s.planes, 3, s.stride, s.dilation), s.planes);
      add(2, conv(s.planes, s.out, 3, 1, s.dilation), s.out);
    }
    if (s.stride != 1 || s.in != s.out)
      downsample_ =
          register_module("downsample", nn::Sequential(conv(s.in, s.out, 1, s.stride), nn::BatchNorm2d(s.out)));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = x;
    for (std::size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i](convs_[i](y));
      if (i + 1 < convs_.size()) y = y.relu_();
    }
    return (y + (downsample_.is_empty() ? x : downsample_->forward(x))).relu_();
  }

 private:
  void add(int number, nn::Conv2d layer, std::int64_t channels) {
    convs_.push_back(register_module("conv" + std::to_string(number), std::move(layer)));
    norms_.push_back(register_module("bn" + std::to_string(number), nn::BatchNorm2d(channels)));
  }

  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
  nn::Sequential downsample_{nullptr};
};
TORCH_MODULE(Block);

const std::map<std::string, ResNetOptions>& known() {
  static const auto* table = new std::map<std::string, ResNetOptions>{{"resnet18", {{2, 2, 2, 2}, false}},
                                                                      {"resnet34", {{3, 4, 6, 3}, false}},
                                                                      {"resnet50", {{3, 4, 6, 3}, true}},
                                                                      {"resnet101", {{3, 4, 23, 3}, true}}};
  return *table;
}

}  // namespace

ResNetOptions resnet(const std::string& name) {
  const auto found = known().find(name);
  if (found == known().end()) throw std::invalid_argument("no ResNet is called '" + name + "'");
  return found->second;
}

const std::vector<std::string>& resnet_names() {
  static const auto* names = new std::vector<std::string>{"resnet18", "resnet34", "resnet50", "resnet101"};
  return *names;
}

ResNetEncoderImpl::ResNetEncoderImpl(const ResNetOptions& options) {
  if (options.output_stride != 16 && options.output_stride != 32)
    throw std::invalid_argument("a ResNet's output stride is 16 or 32, not " + std::to_string(options.output_stride));
  const auto scaled = [&](std::int64_t channels) {
    return std::max<std::int64_t>(8, std::llround(static_cast<double>(channels) * options.width / 8) * 8);
  };
  const std::int64_t expansion = options.bottleneck ? 4 : 1;
  std::int64_t in = scaled(64);
  conv1_ = register_module("conv1", conv(options.in_channels, in, 7, 2));
  bn1_ = register_module("bn1", nn::BatchNorm2d(in));
  channels_ = {options.in_channels, in};
  for (std::size_t stage = 0; stage < options.blocks.size(); ++stage) {
    const std::int64_t planes = scaled(std::int64_t{64} << stage);
    const bool dilated = options.output_stride == 16 && stage + 1 == options.blocks.size();
    nn::Sequential blocks;
    for (std::int64_t i = 0; i < options.blocks[stage]; ++i) {
      const std::int64_t stride = i == 0 && stage > 0 && !dilated ? 2 : 1;
      blocks->push_back(Block(BlockShape{in, planes, planes * expansion, stride, dilated ? 2 : 1}, options.bottleneck));
      in = planes * expansion;
    }
    stages_.push_back(register_module("layer" + std::to_string(stage + 1), blocks));
    channels_.push_back(in);
  }
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* layer = module->as<nn::Conv2d>())
      nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
}

std::vector<torch::Tensor> ResNetEncoderImpl::forward(const torch::Tensor& x) {
  std::vector<torch::Tensor> features = {x, bn1_(conv1_(x)).relu_()};
  torch::Tensor y = at::max_pool2d(features.back(), 3, 2, 1);
  for (auto& stage : stages_) {
    y = stage->forward(y);
    features.push_back(y);
  }
  return features;
}

}  // namespace osteon::encoders
