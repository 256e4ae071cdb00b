// SPDX-License-Identifier: Apache-2.0
#include "resnet.hpp"

#include <algorithm>
#include <map>

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

nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                std::int64_t dilation = 1) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).dilation(dilation).padding(kernel / 2 * dilation).bias(false));
}

/// What a block does to the grid and the channels.
struct ResidualShape {
  std::int64_t in, planes, out, stride, dilation;
};

}  // namespace

/// Input and branch added, then ReLU; the input goes through a 1x1 convolution where the shape changes.
class ResNetBlockImpl : public nn::Module, public layers::HasInferenceConvs {
 public:
  ResNetBlockImpl(const ResidualShape& s, bool bottleneck) {
    if (bottleneck) {
      add(1, conv(s.in, s.planes, 1), s.planes);
      add(2, conv(s.planes, s.planes, 3, s.stride, s.dilation), s.planes);
      add(3, conv(s.planes, s.out, 1), s.out);
    } else {
      add(1, conv(s.in, s.planes, 3, s.stride, s.dilation), s.planes);
      add(2, conv(s.planes, s.out, 3, 1, s.dilation), s.out);
    }
    if (s.stride == 1 && s.in == s.out) return;
    downsample_ = register_module("downsample", nn::Sequential(conv(s.in, s.out, 1, s.stride), nn::BatchNorm2d(s.out)));
    infer_downsample_.emplace(downsample_, 0);
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = x;
    for (std::size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i](convs_[i](y));
      if (i + 1 < convs_.size()) y = y.relu_();
    }
    return (y + (downsample_.is_empty() ? x : downsample_->forward(x))).relu_();
  }

  /// forward() of [N, H, W, C] by own kernels.
  torch::Tensor infer(const torch::Tensor& x) const {
    const torch::Tensor shortcut = infer_downsample_ ? (*infer_downsample_)(x, layers::Activation::kNone) : x;
    torch::Tensor y = x;
    for (const layers::InferenceConv& step : infer_)
      y = step(y, layers::Activation::kRelu, &step == &infer_.back() ? shortcut : torch::Tensor());
    return y;
  }

  void forget_prepared() override {
    for (layers::InferenceConv& step : infer_) step.forget();
    if (infer_downsample_) infer_downsample_->forget();
  }

 private:
  void add(int number, nn::Conv2d layer, std::int64_t channels) {
    convs_.push_back(register_module("conv" + std::to_string(number), std::move(layer)));
    norms_.push_back(register_module("bn" + std::to_string(number), nn::BatchNorm2d(channels)));
    infer_.emplace_back(convs_.back(), norms_.back());
  }

  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
  nn::Sequential downsample_{nullptr};
  std::vector<layers::InferenceConv> infer_;
  std::optional<layers::InferenceConv> infer_downsample_;
};

namespace {

const std::map<std::string, ResNetVariant>& resnets() {
  static const auto* table = new std::map<std::string, ResNetVariant>{{"resnet18", {{2, 2, 2, 2}, false}},
                                                                      {"resnet34", {{3, 4, 6, 3}, false}},
                                                                      {"resnet50", {{3, 4, 6, 3}, true}},
                                                                      {"resnet101", {{3, 4, 23, 3}, true}}};
  return *table;
}

}  // namespace

std::optional<ResNetVariant> resnet(const std::string& name) {
  const auto found = resnets().find(name);
  return found == resnets().end() ? std::nullopt : std::make_optional(found->second);
}

const std::vector<std::string>& resnet_names() {
  static const auto* names = new std::vector<std::string>{"resnet18", "resnet34", "resnet50", "resnet101"};
  return *names;
}

ResNetEncoderImpl::ResNetEncoderImpl(const ResNetVariant& variant, const EncoderOptions& options)
    : EncoderImpl(options) {
  const std::int64_t expansion = variant.bottleneck ? 4 : 1;
  std::int64_t in = scaled(64, options.width);
  auto conv1 = register_module("conv1", conv(options.in_channels, in, 7, 2));
  auto bn1 = register_module("bn1", nn::BatchNorm2d(in));
  stem_ = nn::Sequential(conv1, bn1, nn::ReLU(nn::ReLUOptions(/*inplace=*/true)));
  infer_stem_.emplace(stem_, 0);
  channels_ = {options.in_channels, in};
  for (std::size_t stage = 0; stage < variant.blocks.size(); ++stage) {
    const std::int64_t planes = scaled(std::int64_t{64} << stage, options.width);
    // By how much the stage's own stride, 4, 8, 16 or 32, exceeds the output stride.
    const std::int64_t dilation = std::max<std::int64_t>(1, (std::int64_t{4} << stage) / options.output_stride);
    std::vector<std::shared_ptr<ResNetBlockImpl>>& blocks = stages_.emplace_back();
    nn::ModuleList list;
    for (std::int64_t i = 0; i < variant.blocks[stage]; ++i) {
      const std::int64_t stride = i == 0 && stage > 0 && dilation == 1 ? 2 : 1;
      const ResidualShape shape{in, planes, planes * expansion, stride, dilation};
      blocks.push_back(std::make_shared<ResNetBlockImpl>(shape, variant.bottleneck));
      list->push_back(blocks.back());
      in = planes * expansion;
    }
    register_module("layer" + std::to_string(stage + 1), list);
    channels_.push_back(in);
  }
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* layer = module->as<nn::Conv2d>())
      nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
}

std::vector<torch::Tensor> ResNetEncoderImpl::forward(const torch::Tensor& x) {
  std::vector<torch::Tensor> features = {x, run(stem_.ptr(), x)};
  torch::Tensor y = at::max_pool2d(features.back(), 3, 2, 1);
  for (const auto& blocks : stages_) {
    for (const auto& block : blocks) y = run(block, y);
    features.push_back(y);
  }
  return features;
}

std::vector<torch::Tensor> ResNetEncoderImpl::infer(const torch::Tensor& x) {
  const torch::Tensor image = layers::to_channels_last(x);
  std::vector<torch::Tensor> features = {image, (*infer_stem_)(image, layers::Activation::kRelu)};
  torch::Tensor y = layers::to_channels_last(at::max_pool2d(layers::to_channels_first(features.back()), 3, 2, 1));
  for (const auto& blocks : stages_) {
    for (const auto& block : blocks) y = block->infer(y);
    features.push_back(y);
  }
  return features;
}

}  // namespace osteon::encoders
