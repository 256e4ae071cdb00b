// SPDX-License-Identifier: Apache-2.0
#include "upernet.hpp"

#include <array>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/inference_ops.hpp"
#include "layers/normalise.hpp"
#include "layers/prior.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;

/// Sides of the grids that the coarsest level is pooled to.
constexpr std::array<std::int64_t, 4> kPools = {1, 2, 3, 6};

at::Tensor resize(const at::Tensor& x, const at::Tensor& like) {
  return at::upsample_bilinear2d(x, {like.size(2), like.size(3)}, /*align_corners=*/false);
}

nn::Conv2d make_classifier(const HeadOptions& options) {
  nn::Conv2d classifier(nn::Conv2dOptions(options.channels, options.n_classes, 1));
  nn::init::normal_(classifier->weight, 0, 0.01);
  layers::start_at(classifier, options.prior);
  return classifier;
}

/// [rows of a joined tensor]: the part of a 3x3 kernel that sees inputs [first, first + count).
at::Tensor part(const ConvNorm& layer, std::int64_t first, std::int64_t count) {
  return layer->weight().narrow(1, first, count);
}

}  // namespace

ConvNormImpl::ConvNormImpl(std::int64_t in, std::int64_t out, std::int64_t kernel) {
  conv_ = register_module("conv", nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2).bias(false)));
  norm_ = register_module("batch_norm", nn::BatchNorm2d(out));
  nn::init::kaiming_normal_(conv_->weight, 0, torch::kFanOut, torch::kReLU);
}

at::Tensor ConvNormImpl::forward(const at::Tensor& x) { return layers::normalise(norm_, conv_(x)).relu_(); }

at::Tensor ConvNormImpl::infer(const at::Tensor& x) {
  const std::int64_t kernel = conv_->weight.size(2);
  at::Tensor y = kernel == 1 ? layers::project(x, conv_->weight) : layers::convolve(x, conv_->weight, kernel / 2);
  layers::norm_relu_(*norm_, y);
  return y;
}

UperHeadImpl::UperHeadImpl(const std::vector<std::int64_t>& in, const HeadOptions& options)
    : checkpointing_(options.checkpointing) {
  const std::int64_t width = options.channels, levels = static_cast<std::int64_t>(in.size());
  nn::ModuleList pools, laterals, convs;
  for (std::size_t i = 0; i < kPools.size(); ++i) {
    auto holder = std::make_shared<nn::Module>();
    pooled_.push_back(holder->register_module("1", ConvNorm(in.back(), width, 1)));  // "0" is the pooling
    pools->push_back(holder);
  }
  for (std::size_t i = 0; i + 1 < in.size(); ++i) {
    lateral_convs_.emplace_back(in[i], width, 1);
    laterals->push_back(lateral_convs_.back());
    fpn_convs_.emplace_back(width, width, 3);
    convs->push_back(fpn_convs_.back());
  }
  register_module("psp_modules", pools);
  bottleneck_ =
      register_module("bottleneck", ConvNorm(in.back() + static_cast<std::int64_t>(kPools.size()) * width, width, 3));
  register_module("lateral_convs", laterals);
  register_module("fpn_convs", convs);
  fpn_bottleneck_ = register_module("fpn_bottleneck", ConvNorm(levels * width, width, 3));
  dropout_ = register_module("dropout", nn::Dropout2d(options.dropout));
  classifier_ = register_module("classifier", make_classifier(options));
}

at::Tensor UperHeadImpl::pool(const at::Tensor& coarsest) {
  std::vector<at::Tensor> joined = {coarsest};
  for (std::size_t i = 0; i < kPools.size(); ++i)
    joined.push_back(resize(pooled_[i](at::adaptive_avg_pool2d(coarsest, {kPools[i], kPools[i]})), coarsest));
  return bottleneck_(at::cat(joined, 1));
}

at::Tensor UperHeadImpl::fuse(const std::vector<at::Tensor>& levels) {
  std::vector<at::Tensor> joined = {levels[0]};
  for (std::size_t i = 1; i < levels.size(); ++i) joined.push_back(resize(levels[i], levels[0]));
  return fpn_bottleneck_(at::cat(joined, 1));
}

at::Tensor UperHeadImpl::forward(const std::vector<at::Tensor>& features) {
  std::vector<at::Tensor> levels;
  for (std::size_t i = 0; i < lateral_convs_.size(); ++i)
    levels.push_back(lateral_convs_[i](layers::to_channels_first(features[i])));
  levels.push_back(pool(layers::to_channels_first(features.back())));
  for (std::size_t i = levels.size() - 1; i > 0; --i) levels[i - 1] = levels[i - 1] + resize(levels[i], levels[i - 1]);
  for (std::size_t i = 0; i < fpn_convs_.size(); ++i) levels[i] = fpn_convs_[i](levels[i]);
  const auto fused = checkpointing_ ? sdk::checkpoint(
                                          *fpn_bottleneck_, [this](const auto& in) { return fuse(in); }, levels)
                                    : fuse(levels);
  return classifier_(dropout_(fused));
}

at::Tensor UperHeadImpl::infer_pool(const at::Tensor& coarsest) {
  const std::int64_t in = coarsest.size(3), width = bottleneck_->weight().size(0);
  at::Tensor sum = layers::convolve(coarsest, part(bottleneck_, 0, in), 1);
  for (std::size_t i = 0; i < kPools.size(); ++i) {
    const at::Tensor cells =
        layers::to_channels_last(at::adaptive_avg_pool2d(layers::to_channels_first(coarsest), {kPools[i], kPools[i]}));
    const std::int64_t first = in + static_cast<std::int64_t>(i) * width;
    layers::add_convolved_upsampled_(sum, pooled_[i]->infer(cells), part(bottleneck_, first, width));
  }
  layers::norm_relu_(*bottleneck_->norm(), sum);
  return sum;
}

at::Tensor UperHeadImpl::infer_fuse(const std::vector<at::Tensor>& levels) {
  const std::int64_t width = fpn_bottleneck_->weight().size(0);
  at::Tensor sum = layers::convolve(levels[0], part(fpn_bottleneck_, 0, width), 1);
  for (std::size_t i = 1; i < levels.size(); ++i)
    layers::add_convolved_upsampled_(sum, levels[i],
                                     part(fpn_bottleneck_, static_cast<std::int64_t>(i) * width, width));
  layers::norm_relu_(*fpn_bottleneck_->norm(), sum);
  return sum;
}

at::Tensor UperHeadImpl::infer(const std::vector<at::Tensor>& features) {
  std::vector<at::Tensor> levels;
  for (std::size_t i = 0; i < lateral_convs_.size(); ++i) levels.push_back(lateral_convs_[i]->infer(features[i]));
  levels.push_back(infer_pool(features.back()));
  for (std::size_t i = levels.size() - 1; i > 0; --i)
    for (std::int64_t n = 0; n < levels[i].size(0); ++n) {
      at::Tensor fine = levels[i - 1][n];
      layers::add_upsampled_(fine, levels[i][n], 0, fine.size(0));
    }
  for (std::size_t i = 0; i < fpn_convs_.size(); ++i) levels[i] = fpn_convs_[i]->infer(levels[i]);
  const at::Tensor logits = layers::project(infer_fuse(levels), classifier_->weight, classifier_->bias);
  return layers::to_channels_first(logits).contiguous();
}

FcnHeadImpl::FcnHeadImpl(std::int64_t in, const HeadOptions& options) {
  convs_->push_back(ConvNorm(in, options.channels, 3));
  register_module("convs", convs_);
  dropout_ = register_module("dropout", nn::Dropout2d(options.dropout));
  classifier_ = register_module("classifier", make_classifier(options));
}

at::Tensor FcnHeadImpl::forward(const at::Tensor& feature) {
  return classifier_(dropout_(convs_[0]->as<ConvNorm>()->forward(layers::to_channels_first(feature))));
}

}  // namespace osteon::models
