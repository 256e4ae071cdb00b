// SPDX-License-Identifier: Apache-2.0
#include "efficientnet.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/functional.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>

#include "layers/inference_depthwise.hpp"
#include "layers/inference_ops.hpp"
#include "layers/regularisation.hpp"

namespace osteon::encoders {

namespace nn = torch::nn;

namespace {

/// A stage of B0. All its blocks but the first have stride 1.
struct Stage {
  std::int64_t blocks, kernel, stride, expansion, out;
};
constexpr std::int64_t kStemChannels = 32, kHeadChannels = 1280;
constexpr std::array<Stage, 7> kStages = {{{1, 3, 1, 1, 16},
                                           {2, 3, 2, 6, 24},
                                           {2, 5, 2, 6, 40},
                                           {3, 3, 2, 6, 80},
                                           {3, 5, 1, 6, 112},
                                           {4, 5, 2, 6, 192},
                                           {1, 3, 1, 6, 320}}};
constexpr double kStochasticDepth = 0.2;

const std::map<std::string, EfficientNetVariant>& known() {
  static const auto* table = new std::map<std::string, EfficientNetVariant>{
      {"efficientnet-b0", {1.0, 1.0, 224, {3, 5, 9}}},   {"efficientnet-b1", {1.0, 1.1, 240, {5, 8, 16}}},
      {"efficientnet-b2", {1.1, 1.2, 260, {5, 8, 16}}},  {"efficientnet-b3", {1.2, 1.4, 300, {5, 8, 18}}},
      {"efficientnet-b4", {1.4, 1.8, 380, {6, 10, 22}}}, {"efficientnet-b5", {1.6, 2.2, 456, {8, 13, 27}}},
      {"efficientnet-b6", {1.8, 2.6, 528, {9, 15, 31}}}, {"efficientnet-b7", {2.0, 3.1, 600, {11, 18, 38}}}};
  return *table;
}

/// To the nearest multiple of 8, never below 0.9 of the channels asked for.
std::int64_t rounded(std::int64_t channels, double width) {
  const double wanted = static_cast<double>(channels) * width;
  const std::int64_t nearest = std::max<std::int64_t>(8, static_cast<std::int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * wanted ? nearest + 8 : nearest;
}

std::int64_t repeated(std::int64_t blocks, double depth) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(blocks) * depth));
}

/// How many outputs a grid of `side` pixels has at that stride.
std::int64_t strided(std::int64_t side, std::int64_t stride) { return (side + stride - 1) / stride; }

nn::BatchNorm2d norm(std::int64_t channels) {
  return nn::BatchNorm2d(nn::BatchNorm2dOptions(channels).eps(1e-3).momentum(0.01));
}

/// x * sigmoid(x), in place where no gradient will ask for x.
at::Tensor swish(at::Tensor x) { return x.requires_grad() ? at::silu(x) : at::silu_(x); }

nn::Conv2d pointwise(std::int64_t in, std::int64_t out, bool bias) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, 1).bias(bias));
}

/// What a convolution sees of the grid.
struct Window {
  std::int64_t kernel, stride, dilation;
};

/// A convolution without bias that pads as TensorFlow's "same" does on a grid of `side` pixels, whatever grid it is
/// given: where it strides over an even side, with one zero more after than before.
class SameConv2dImpl : public nn::Conv2dImpl {
 public:
  SameConv2dImpl(std::int64_t in, std::int64_t out, std::int64_t groups, const Window& w, std::int64_t side)
      : SameConv2dImpl(nn::Conv2dOptions(in, out, w.kernel).stride(w.stride).dilation(w.dilation).groups(groups),
                       zeros(w, side)) {}

  at::Tensor forward(const at::Tensor& x) {
    const auto& [before, after] = uneven_;
    return nn::Conv2dImpl::forward(after == 0 ? x : at::constant_pad_nd(x, {before, after, before, after}));
  }

  /// All the zeros that it sees, whoever adds them.
  layers::Padding zeros_around() const { return {zeros_ / 2, zeros_ - zeros_ / 2}; }

 private:
  SameConv2dImpl(const nn::Conv2dOptions& bare, std::int64_t zeros)
      : nn::Conv2dImpl(nn::Conv2dOptions(bare).bias(false).padding(zeros % 2 == 0 ? zeros / 2 : 0)), zeros_(zeros) {
    if (zeros % 2 != 0) uneven_ = zeros_around();
  }

  static std::int64_t zeros(const Window& w, std::int64_t side) {
    return std::max<std::int64_t>((strided(side, w.stride) - 1) * w.stride + (w.kernel - 1) * w.dilation + 1 - side, 0);
  }

  std::int64_t zeros_;
  layers::Padding uneven_;  ///< zeros that the convolution cannot add itself
};
TORCH_MODULE(SameConv2d);

/// The same layer by its base, which knows its padding only where it is even.
nn::Conv2d plain(const SameConv2d& conv) { return std::shared_ptr<nn::Conv2dImpl>(conv.ptr()); }

/// What a block does to the grid and the channels.
struct BlockShape {
  std::int64_t in, out, expansion;
  Window window;
  std::int64_t side;  ///< of the grid that the padding is made for
  double drop;        ///< share of the images for which training skips the block
};

}  // namespace

/// The inverted bottleneck: 1x1 convolution to more channels, depthwise convolution, channels weighed by what the whole
/// image holds of them (Hu et al., "Squeeze-and-excitation networks", CVPR 2018), 1x1 convolution to fewer channels;
/// the input is added where the shape stays.
class MBConvBlockImpl : public nn::Module, public layers::HasInferenceConvs {
 public:
  explicit MBConvBlockImpl(const BlockShape& s) : residual_(s.window.stride == 1 && s.in == s.out), drop_(s.drop) {
    const std::int64_t wide = s.in * s.expansion, squeezed = std::max<std::int64_t>(1, s.in / 4);
    if (s.expansion != 1) {
      expand_conv_ = register_module("_expand_conv", pointwise(s.in, wide, false));
      bn0_ = register_module("_bn0", norm(wide));
    }
    depthwise_conv_ = register_module("_depthwise_conv", SameConv2d(wide, wide, wide, s.window, s.side));
    bn1_ = register_module("_bn1", norm(wide));
    se_reduce_ = register_module("_se_reduce", pointwise(wide, squeezed, true));
    se_expand_ = register_module("_se_expand", pointwise(squeezed, wide, true));
    project_conv_ = register_module("_project_conv", pointwise(wide, s.out, false));
    bn2_ = register_module("_bn2", norm(s.out));
    if (s.expansion != 1) infer_expand_.emplace(expand_conv_, bn0_);
    infer_depthwise_.emplace(plain(depthwise_conv_), bn1_, depthwise_conv_->zeros_around());
    infer_reduce_.emplace(se_reduce_);
    infer_weigh_.emplace(se_expand_);
    infer_project_.emplace(project_conv_, bn2_);
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor y = expand_conv_.is_empty() ? x : swish(bn0_(expand_conv_(x)));
    y = swish(bn1_(depthwise_conv_(y)));
    y = bn2_(project_conv_(weighed(y)));
    return residual_ ? layers::drop_path(y, drop_, is_training()).add_(x) : y;
  }

  /// forward() of [N, H, W, C] by own kernels.
  at::Tensor infer(const at::Tensor& x) const {
    using layers::Activation;
    const auto seen =
        (*infer_depthwise_)(infer_expand_ ? (*infer_expand_)(x, Activation::kSwish) : x, Activation::kSwish);
    const std::int64_t images = seen.mean.size(0), wide = seen.mean.size(1);
    const at::Tensor squeezed = (*infer_reduce_)(seen.mean.view({images, 1, 1, wide}), Activation::kSwish);
    const at::Tensor factors = (*infer_weigh_)(squeezed, Activation::kNone).sigmoid_();
    return infer_project_->weighed(seen.image, factors.view({images, wide}), residual_ ? x : at::Tensor());
  }

  void forget_prepared() override {
    for (auto* step : {&infer_expand_, &infer_reduce_, &infer_weigh_, &infer_project_})
      if (*step) (*step)->forget();
    infer_depthwise_->forget();
  }

 private:
  at::Tensor weighed(at::Tensor y) {
    const at::Tensor weight = se_expand_(swish(se_reduce_(at::adaptive_avg_pool2d(y, {1, 1})))).sigmoid_();
    return y.requires_grad() || weight.requires_grad() ? y * weight : y.mul_(weight);
  }

  bool residual_;
  double drop_;
  nn::Conv2d expand_conv_{nullptr}, se_reduce_{nullptr}, se_expand_{nullptr}, project_conv_{nullptr};
  SameConv2d depthwise_conv_{nullptr};
  nn::BatchNorm2d bn0_{nullptr}, bn1_{nullptr}, bn2_{nullptr};
  std::optional<layers::InferenceConv> infer_expand_, infer_reduce_, infer_weigh_, infer_project_;
  std::optional<layers::InferenceDepthwise> infer_depthwise_;
};

namespace {

/// The blocks of a variant, in order.
std::vector<BlockShape> block_shapes(const EfficientNetVariant& variant, const EncoderOptions& options) {
  const double width = variant.width * options.width;
  std::vector<BlockShape> blocks;
  std::int64_t in = rounded(kStemChannels, width), side = strided(variant.resolution, 2);
  for (const Stage& stage : kStages) {
    const std::int64_t out = rounded(stage.out, width);
    for (std::int64_t i = 0; i < repeated(stage.blocks, variant.depth); ++i) {
      // The features part the blocks into those of strides up to 4, of 8, 16 and 32; what exceeds the output stride
      // becomes dilation.
      const auto level = std::count_if(variant.features.begin(), variant.features.end(),
                                       [&](std::size_t end) { return end <= blocks.size(); });
      const std::int64_t dilation = std::max<std::int64_t>(1, (std::int64_t{4} << level) / options.output_stride);
      const std::int64_t stride = i == 0 && dilation == 1 ? stage.stride : 1;
      blocks.push_back({in, out, stage.expansion, {stage.kernel, stride, dilation}, side, 0});
      side = strided(side, stride);
      in = out;
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i)
    blocks[i].drop = kStochasticDepth * static_cast<double>(i) / static_cast<double>(blocks.size());
  return blocks;
}

void initialize(nn::Conv2dImpl& layer) {
  const auto fan_out = static_cast<double>(layer.weight.numel() / layer.weight.size(1) / layer.options.groups());
  nn::init::normal_(layer.weight, 0, std::sqrt(2 / fan_out));
  if (layer.bias.defined()) nn::init::zeros_(layer.bias);
}

/// Stands for a layer that is not run: its tensors, as buffers.
std::shared_ptr<nn::Module> kept(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  auto layer = std::make_shared<nn::Module>();
  for (const auto& [name, value] : tensors) layer->register_buffer(name, value);
  return layer;
}

}  // namespace

std::optional<EfficientNetVariant> efficientnet(const std::string& name) {
  const auto found = known().find(name);
  return found == known().end() ? std::nullopt : std::make_optional(found->second);
}

const std::vector<std::string>& efficientnet_names() {
  static const auto* names = [] {
    auto* list = new std::vector<std::string>;
    for (const auto& [name, variant] : known()) list->push_back(name);
    return list;
  }();
  return *names;
}

EfficientNetEncoderImpl::EfficientNetEncoderImpl(const EfficientNetVariant& variant, const EncoderOptions& options)
    : EncoderImpl(options), features_(variant.features) {
  const std::vector<BlockShape> shapes = block_shapes(variant, options);
  const std::int64_t first = shapes.front().in;
  auto conv =
      register_module("_conv_stem", SameConv2d(options.in_channels, first, 1, Window{3, 2, 1}, variant.resolution));
  auto bn = register_module("_bn0", norm(first));
  stem_ = nn::Sequential(conv, bn, nn::Functional(swish));
  infer_stem_.emplace(plain(conv), bn, std::vector<std::int64_t>(), conv->zeros_around());
  nn::ModuleList list;
  for (const BlockShape& shape : shapes) {
    blocks_.push_back(std::make_shared<MBConvBlockImpl>(shape));
    list->push_back(blocks_.back());
  }
  register_module("_blocks", list);
  channels_ = {options.in_channels, first};
  for (const std::size_t end : features_) channels_.push_back(shapes[end - 1].out);
  channels_.push_back(shapes.back().out);

  const std::int64_t head = rounded(kHeadChannels, variant.width * options.width);
  register_module("_conv_head", kept({{"weight", at::zeros({head, channels_.back(), 1, 1})}}));
  register_module("_bn1", kept({{"weight", at::ones({head})},
                                {"bias", at::zeros({head})},
                                {"running_mean", at::zeros({head})},
                                {"running_var", at::ones({head})},
                                {"num_batches_tracked", at::zeros({}, at::kLong)}}));
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* layer = module->as<nn::Conv2d>()) initialize(*layer);
}

std::int64_t EfficientNetEncoderImpl::stage_of(const std::string& name) const {
  const std::int64_t block = layers::number_behind("_blocks.", name);
  if (block < 0) return layers::begins_with(name, "_conv_head.") || layers::begins_with(name, "_bn1.") ? -1 : 0;
  return 1 + std::count_if(features_.begin(), features_.end(),
                           [block](std::size_t end) { return end <= static_cast<std::size_t>(block); });
}

template <class RunBlock>
std::vector<torch::Tensor> EfficientNetEncoderImpl::features(const torch::Tensor& image, torch::Tensor y,
                                                             const RunBlock& run_block) {
  std::vector<torch::Tensor> features = {image, y};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (std::find(features_.begin(), features_.end(), i) != features_.end()) features.push_back(y);
    y = run_block(blocks_[i], y);
  }
  features.push_back(y);
  return features;
}

std::vector<torch::Tensor> EfficientNetEncoderImpl::forward(const torch::Tensor& x) {
  return features(x, run(stem_.ptr(), x), [this](const auto& block, const auto& y) { return run(block, y); });
}

std::vector<torch::Tensor> EfficientNetEncoderImpl::infer(const torch::Tensor& x) {
  const torch::Tensor image = layers::to_channels_last(x);
  return features(image, (*infer_stem_)(image, layers::Activation::kSwish),
                  [](const auto& block, const auto& y) { return block->infer(y); });
}

}  // namespace osteon::encoders
