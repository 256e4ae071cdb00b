// SPDX-License-Identifier: Apache-2.0
#include "deeplabv3plus.hpp"

#include <algorithm>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/inference_ops.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;

/// Where the feature of a quarter of the resolution is among the encoder's.
constexpr std::size_t kFineFeature = 2;
/// What that feature is reduced to, so that it does not outweigh the deep one: the paper's choice.
constexpr std::int64_t kFineChannels = 48;

}  // namespace

DeepLabDecoderImpl::DeepLabDecoderImpl(const Options& options) : checkpointing_(options.checkpointing) {
  const std::int64_t channels = options.channels;
  const nn::BatchNorm2d refine_norm(channels), norm(channels);
  aspp_ = Aspp(options.deep, channels, options.rates, options.dropout);
  refine_conv_ = SeparableConv(channels, channels, 1);
  refine_ = nn::Sequential(refine_conv_, refine_norm, relu());
  // Public checkpoints number the pyramid and what follows it as one list.
  pyramid_ = register_module("aspp", std::make_shared<nn::Module>());
  pyramid_->register_module("0", aspp_);
  pyramid_->register_module("1", refine_conv_);
  pyramid_->register_module("2", refine_norm);
  block2_conv_ = SeparableConv(channels + kFineChannels, channels, 1);
  block1_ = register_module("block1",
                            nn::Sequential(nn::Conv2d(nn::Conv2dOptions(options.fine, kFineChannels, 1).bias(false)),
                                           nn::BatchNorm2d(kFineChannels), relu()));
  block2_ = register_module("block2", nn::Sequential(block2_conv_, norm, relu()));
  sharpen_ = std::make_shared<nn::Module>();
  sharpen_->register_module("block1", block1_);
  sharpen_->register_module("block2", block2_);
  infer_refine_.emplace(refine_conv_->mix(), refine_norm);
  infer_block1_.emplace(block1_, 0);
  infer_block2_.emplace(block2_conv_->mix(), norm);
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* layer = module->as<nn::Conv2d>())
      nn::init::kaiming_uniform_(layer->weight, 0, torch::kFanIn, torch::kReLU);
}

torch::Tensor DeepLabDecoderImpl::look(const torch::Tensor& deep, const torch::Tensor& pooled) {
  return refine_->forward(aspp_(deep, pooled));
}

torch::Tensor DeepLabDecoderImpl::sharpen(const torch::Tensor& coarse, const torch::Tensor& fine) {
  const torch::Tensor resized = at::upsample_bilinear2d(coarse, {fine.size(2), fine.size(3)}, /*align_corners=*/true);
  return block2_->forward(at::cat({resized, block1_->forward(fine)}, 1));
}

torch::Tensor DeepLabDecoderImpl::forward(const torch::Tensor& deep, const torch::Tensor& fine) {
  const torch::Tensor pooled = aspp_->pool(deep);
  if (!checkpointing_) return sharpen(look(deep, pooled), fine);
  const torch::Tensor coarse =
      sdk::checkpoint(*pyramid_, [this](const auto& in) { return look(in[0], in[1]); }, {deep, pooled});
  return sdk::checkpoint(*sharpen_, [this](const auto& in) { return sharpen(in[0], in[1]); }, {coarse, fine});
}

torch::Tensor DeepLabDecoderImpl::infer(const torch::Tensor& deep, const torch::Tensor& fine,
                                        const layers::InferenceConv& head) const {
  const torch::Tensor coarse =
      (*infer_refine_)(layers::convolve_depthwise(aspp_->infer(deep), refine_conv_->spatial()->weight, /*dilation=*/1),
                       layers::Activation::kRelu);
  const torch::Tensor& spatial = block2_conv_->spatial()->weight;
  const std::int64_t height = fine.size(1), width = fine.size(2), channels = coarse.size(3), joined = spatial.size(0);
  const std::int64_t band = layers::rows_at_once(height, width, width * joined);
  torch::Tensor logits;
  for (std::int64_t n = 0; n < fine.size(0); ++n)
    for (std::int64_t begin = 0; begin < height; begin += band) {
      const std::int64_t end = std::min(height, begin + band);
      // The depthwise convolution sees one row more on either side.
      const std::int64_t first = std::max<std::int64_t>(0, begin - 1), last = std::min(height, end + 1);
      torch::Tensor rows = at::empty({last - first, width, joined}, fine.options());
      layers::resize_corners_into(rows, coarse[n], first, height);
      rows.narrow(2, channels, kFineChannels)
          .copy_((*infer_block1_)(fine[n].narrow(0, first, last - first).unsqueeze(0), layers::Activation::kRelu)[0]);
      const torch::Tensor seen = layers::convolve_depthwise(rows, first, height, begin, end, spatial);
      const torch::Tensor part =
          head((*infer_block2_)(seen.unsqueeze(0), layers::Activation::kRelu), layers::Activation::kNone)[0];
      if (!logits.defined()) logits = at::empty({fine.size(0), part.size(2), height, width}, fine.options());
      logits[n].narrow(1, begin, end - begin).copy_(part.permute({2, 0, 1}));
    }
  return logits;
}

void DeepLabDecoderImpl::forget_prepared() {
  for (auto* step : {&infer_refine_, &infer_block1_, &infer_block2_}) (*step)->forget();
}

DeepLabV3PlusImpl::DeepLabV3PlusImpl(const Params& params, const sdk::ModelRequest& request) {
  if (params.output_stride != 8 && params.output_stride != 16)
    throw sdk::InvalidArgument("output_stride is " + std::to_string(params.output_stride) + "; it is 8 or 16");
  encoders::EncoderOptions options;
  options.in_channels = request.in_channels;
  options.width = params.width;
  options.output_stride = params.output_stride;
  options.checkpointing = params.checkpointing;
  encoder_ = register_module("encoder", encoders::make_encoder(params.encoder, options));

  DeepLabDecoderImpl::Options decoder;
  decoder.deep = encoder_->channels().back();
  decoder.fine = encoder_->channels()[kFineFeature];
  decoder.channels = params.decoder_channels;
  decoder.rates = params.atrous_rates;
  decoder.dropout = params.dropout;
  decoder.checkpointing = params.checkpointing;
  decoder_ = register_module("decoder", DeepLabDecoder(decoder));

  head_ = nn::Conv2d(nn::Conv2dOptions(params.decoder_channels, request.n_classes, 1));
  register_module("segmentation_head", nn::Sequential(head_));
  infer_head_.emplace(head_);
  nn::init::xavier_uniform_(head_->weight);
  layers::start_at(head_, params.prior);
}

sdk::ModelTraits DeepLabV3PlusImpl::traits() const {
  sdk::ModelTraits traits;
  traits.size_multiple = encoder_->size_multiple();
  traits.own_kernels = true;
  traits.outputs[0].stride = 4;
  traits.outputs[0].align_corners = true;
  return traits;
}

torch::Tensor DeepLabV3PlusImpl::forward(const torch::Tensor& x) {
  if (!is_training() && layers::own_kernels_apply(x)) {
    const std::vector<torch::Tensor> features = encoder_->infer(x);
    return decoder_->infer(features.back(), features[kFineFeature], *infer_head_);
  }
  if (is_training()) layers::forget_prepared(*this);  // its statistics will move
  // In training channels-last saves a quarter to a third of the time.
  const std::vector<torch::Tensor> features =
      encoder_->forward(is_training() ? x.contiguous(at::MemoryFormat::ChannelsLast) : x);
  return head_(decoder_(features.back(), features[kFineFeature]));
}

}  // namespace osteon::models

OSTEON_PLUGIN("deeplabv3plus", "1.0.0",
              osteon::sdk::torch_model<osteon::models::DeepLabV3PlusImpl>(
                  {"deeplabv3plus", "1.0.0", "DeepLabV3+ over any encoder, at output stride 16 or 8.",
                   "Chen et al.: DeepLabV3+, ECCV 2018, arXiv:1802.02611"}))
