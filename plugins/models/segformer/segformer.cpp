// SPDX-License-Identifier: Apache-2.0
#include "segformer.hpp"

#include <algorithm>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/inference_ops.hpp"
#include "layers/tensor_names.hpp"

namespace osteon::models {

namespace nn = torch::nn;

SegformerHeadImpl::SegformerHeadImpl(const MitOptions& encoder, std::int64_t n_classes, double dropout, double prior) {
  const std::int64_t width = encoder.decoder_channels;
  nn::ModuleList projections;
  for (const std::int64_t channels : encoder.channels) {
    auto holder = std::make_shared<nn::Module>();
    linear_c_.push_back(holder->register_module("proj", nn::Linear(channels, width)));
    projections->push_back(holder);
  }
  register_module("linear_c", projections);
  const auto count = static_cast<std::int64_t>(linear_c_.size());
  linear_fuse_ = register_module("linear_fuse", nn::Conv2d(nn::Conv2dOptions(count * width, width, 1).bias(false)));
  batch_norm_ = register_module("batch_norm", nn::BatchNorm2d(width));
  dropout_ = register_module("dropout", nn::Dropout(dropout));
  classifier_ = register_module("classifier", nn::Conv2d(nn::Conv2dOptions(width, n_classes, 1)));

  for (nn::Linear& layer : linear_c_) {
    nn::init::normal_(layer->weight, 0, 0.02);
    nn::init::zeros_(layer->bias);
  }
  nn::init::kaiming_normal_(linear_fuse_->weight, 0, torch::kFanOut, torch::kReLU);
  nn::init::normal_(classifier_->weight, 0, 0.02);
  layers::start_at(classifier_, prior);
}

at::Tensor SegformerHeadImpl::mixing(std::size_t i) const {
  const std::int64_t width = linear_fuse_->weight.size(0);
  // Joined from the coarsest feature to the finest.
  const auto place = static_cast<std::int64_t>(linear_c_.size() - 1 - i);
  return linear_fuse_->weight.flatten(1).narrow(1, place * width, width);
}

at::Tensor SegformerHeadImpl::forward(const std::vector<at::Tensor>& features) {
  const std::vector<std::int64_t> size = {features[0].size(1), features[0].size(2)};
  at::Tensor sum;
  for (std::size_t i = 0; i < features.size(); ++i) {
    at::Tensor part = layers::to_channels_first(at::linear(linear_c_[i](features[i]), mixing(i)));
    if (i > 0) part = at::upsample_bilinear2d(part, size, /*align_corners=*/false);
    sum = i > 0 ? sum + part : part;
  }
  return classifier_(dropout_(at::relu(batch_norm_(sum))));
}

SegformerHeadImpl::Composed SegformerHeadImpl::compose(std::size_t i) const {
  const at::Tensor mix = mixing(i).contiguous();
  const nn::LinearImpl& first = *linear_c_[i];
  return {layers::project(first.weight.t().contiguous(), mix).t().contiguous(),
          layers::project(first.bias.unsqueeze(0), mix).squeeze(0)};
}

at::Tensor SegformerHeadImpl::contribute(std::size_t i, const at::Tensor& feature) const {
  const std::int64_t pixels = feature.numel() / feature.size(3);
  // Composing the two layers costs as much as the second one on as many pixels as there are channels.
  if (pixels < feature.size(3)) return layers::project(layers::project(*linear_c_[i], feature), mixing(i).contiguous());
  const Composed layer = compose(i);
  return layers::project(feature, layer.weight, layer.bias);
}

at::Tensor SegformerHeadImpl::infer(const std::vector<at::Tensor>& features) {
  const at::Tensor& fine = features[0];
  const std::int64_t height = fine.size(1), width = fine.size(2), classes = classifier_->weight.size(0);
  std::vector<at::Tensor> coarse;
  for (std::size_t i = 1; i < features.size(); ++i) coarse.push_back(contribute(i, features[i]));
  const Composed layer = compose(0);
  at::Tensor logits = at::empty({fine.size(0), classes, height, width}, fine.options());
  const std::int64_t band = layers::rows_at_once(height, width, width * layer.weight.size(0));
  for (std::int64_t n = 0; n < fine.size(0); ++n)
    for (std::int64_t begin = 0; begin < height; begin += band) {
      const std::int64_t rows = std::min(band, height - begin);
      at::Tensor sum = layers::project(fine[n].narrow(0, begin, rows), layer.weight, layer.bias);
      for (const at::Tensor& part : coarse) layers::add_upsampled_(sum, part[n], begin, height);
      layers::norm_relu_(*batch_norm_, sum);
      const at::Tensor band_logits = layers::project(sum, classifier_->weight, classifier_->bias);
      logits[n].narrow(1, begin, rows).copy_(band_logits.permute({2, 0, 1}));
    }
  return logits;
}

SegformerImpl::SegformerImpl(const Params& params, const sdk::ModelRequest& request)
    : checkpointing_(params.checkpointing) {
  MitOptions options = mit(params.variant, params.width);
  options.in_channels = request.in_channels;
  options.drop_path = params.drop_path;
  options.checkpointing = params.checkpointing;
  if (params.decoder_channels > 0) options.decoder_channels = params.decoder_channels;
  encoder_ = MitEncoder(options);
  register_module("segformer", std::make_shared<nn::Module>())->register_module("encoder", encoder_);
  decode_head_ =
      register_module("decode_head", SegformerHead(options, request.n_classes, params.dropout, params.prior));
}

sdk::ModelTraits SegformerImpl::traits() const {
  sdk::ModelTraits traits;
  traits.size_multiple = 32;
  traits.outputs[0].stride = 4;
  traits.own_kernels = true;
  return traits;
}

sdk::TensorTraits SegformerImpl::tensor_traits(const std::string& name, sdk::TensorTraits usual) const {
  for (const char* layer : {"patch_embeddings.", "block.", "layer_norm."}) {
    const std::int64_t stage = layers::number_behind(std::string("segformer.encoder.") + layer, name);
    if (stage < 0) continue;
    usual.part = sdk::Part::kEncoder;
    usual.depth = stage;
  }
  // Of what is called a head, the classifier alone is one to those who freeze parts or tune them.
  if (layers::begins_with(name, "decode_head.") && !layers::begins_with(name, "decode_head.classifier."))
    usual.part = sdk::Part::kDecoder;
  return usual;
}

torch::Tensor SegformerImpl::forward(const torch::Tensor& x) {
  if (!is_training() && layers::own_kernels_apply(x)) return decode_head_->infer(encoder_->infer(x));
  const std::vector<at::Tensor> features = encoder_(x);
  if (!checkpointing_) return decode_head_(features);
  return sdk::checkpoint(
      *decode_head_, [head = decode_head_](const auto& in) mutable { return head(in); }, features);
}

}  // namespace osteon::models

OSTEON_PLUGIN("segformer", "1.0.0",
              osteon::sdk::torch_model<osteon::models::SegformerImpl>(
                  {"segformer", "1.0.0", "SegFormer: Mix Transformer B0 to B5 and a decoder of linear layers.",
                   "Xie et al.: SegFormer, NeurIPS 2021, arXiv:2105.15203"}))
