// SPDX-License-Identifier: Apache-2.0
#include "unet.hpp"

#include <memory>
#include <utility>

#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/inference_ops.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;

std::vector<std::int64_t> decoder_channels(const UNetImpl::Params& params, const encoders::EncoderImpl& encoder) {
  const std::size_t blocks = encoder.channels().size() - 1;
  if (params.decoder_channels.empty()) {
    if (!encoder.has_full_resolution()) return {256, 128, 64, 32, 16};
    return {encoder.channels().rbegin() + 1, encoder.channels().rend()};
  }
  if (params.decoder_channels.size() != blocks)
    throw sdk::InvalidArgument("decoder_channels has " + std::to_string(params.decoder_channels.size()) +
                               " entries; over " + params.encoder + " the decoder has " + std::to_string(blocks) +
                               " blocks");
  return params.decoder_channels;
}

}  // namespace

UNetImpl::UNetImpl(const Params& params, const sdk::ModelRequest& request) : checkpointing_(params.checkpointing) {
  encoders::EncoderOptions options;
  options.in_channels = request.in_channels;
  options.width = params.width;
  options.checkpointing = params.checkpointing;
  encoder_ = register_module("encoder", encoders::make_encoder(params.encoder, options));

  const std::vector<std::int64_t>& features = encoder_->channels();
  const std::vector<std::int64_t> channels = decoder_channels(params, *encoder_);
  nn::ModuleList blocks;
  std::int64_t in = features.back();
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const std::optional<std::size_t> skip = joined(i);
    const std::vector<std::int64_t> skipped =
        skip ? std::vector<std::int64_t>{features[*skip]} : std::vector<std::int64_t>();
    blocks_.emplace_back(in, skipped, channels[i], params.upsampling);
    blocks->push_back(blocks_.back());
    in = channels[i];
  }
  auto decoder = std::make_shared<nn::Module>();
  decoder->register_module("blocks", blocks);
  register_module("decoder", decoder);
  if (params.head_kernel % 2 == 0)
    throw sdk::InvalidArgument("head_kernel is " + std::to_string(params.head_kernel) + "; it must be odd");
  head_ = nn::Conv2d(nn::Conv2dOptions(in, request.n_classes, params.head_kernel).padding(params.head_kernel / 2));
  register_module("segmentation_head", nn::Sequential(head_));
  infer_head_.emplace(head_);

  for (const auto& module : decoder->modules())
    if (auto* layer = module->as<nn::Conv2d>())
      nn::init::kaiming_uniform_(layer->weight, 0, torch::kFanIn, torch::kReLU);
  nn::init::xavier_uniform_(head_->weight);
  layers::start_at(head_, params.prior);
}

sdk::ModelTraits UNetImpl::traits() const {
  sdk::ModelTraits traits;
  traits.size_multiple = encoder_->size_multiple();
  traits.own_kernels = true;
  return traits;
}

std::optional<std::size_t> UNetImpl::joined(std::size_t block) const {
  const std::size_t feature = encoder_->channels().size() - 2 - block;
  if (feature == 0 && !encoder_->has_full_resolution()) return std::nullopt;
  return feature;
}

torch::Tensor UNetImpl::infer(const torch::Tensor& x) {
  std::vector<torch::Tensor> features = encoder_->infer(x);
  torch::Tensor y = std::move(features.back());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    std::vector<torch::Tensor> inputs = {std::move(y)};
    // What has been joined is not needed any more.
    if (const std::optional<std::size_t> feature = joined(i)) inputs.push_back(std::move(features[*feature]));
    y = blocks_[i]->infer(inputs);
  }
  features.clear();
  return infer_head_->planes(y);
}

torch::Tensor UNetImpl::forward(const torch::Tensor& x) {
  if (!is_training() && layers::own_kernels_apply(x)) return infer(x);
  if (is_training()) layers::forget_prepared(*this);  // its statistics will move
  // In training channels-last saves a quarter to a third of the time.
  const std::vector<torch::Tensor> features =
      encoder_->forward(is_training() ? x.contiguous(at::MemoryFormat::ChannelsLast) : x);
  torch::Tensor y = features.back();
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    std::vector<torch::Tensor> inputs = {y};
    if (const std::optional<std::size_t> feature = joined(i)) inputs.push_back(features[*feature]);
    layers::DecoderBlock& block = blocks_[i];
    y = checkpointing_ ? sdk::checkpoint(
                             *block, [block](const auto& in) mutable { return block(in); }, inputs)
                       : block(inputs);
  }
  return head_(y);
}

}  // namespace osteon::models

OSTEON_PLUGIN("unet", "1.0.0",
              osteon::sdk::torch_model<osteon::models::UNetImpl>(
                  {"unet", "1.0.0",
                   "U-Net over ResNet, EfficientNet or plain convolutions, as segmentation_models.pytorch builds it.",
                   "Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, arXiv:1505.04597"}))
