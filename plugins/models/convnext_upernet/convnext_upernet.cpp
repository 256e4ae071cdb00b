// SPDX-License-Identifier: Apache-2.0
#include "convnext_upernet.hpp"

#include "layers/inference_ops.hpp"
#include "layers/tensor_names.hpp"

namespace osteon::models {
namespace {

/// The auxiliary head sees the third feature, at stride 16.
constexpr std::size_t kAuxiliaryFeature = 2;
constexpr std::int64_t kAuxiliaryStride = 16;

/// Of a tensor of the encoder.
std::int64_t stage_of(const std::string& name) {
  const std::int64_t stage = layers::number_behind("backbone.encoder.stages.", name);
  if (stage >= 0) return stage;
  const std::int64_t norm = layers::number_behind("backbone.hidden_states_norms.stage", name);
  return norm > 0 ? norm - 1 : 0;
}

}  // namespace

ConvNextUperNetImpl::ConvNextUperNetImpl(const Params& params, const sdk::ModelRequest& request)
    : auxiliary_weight_(params.auxiliary) {
  ConvNextOptions encoder = convnext(params.variant, params.width);
  encoder.in_channels = request.in_channels;
  encoder.drop_path = params.drop_path;
  encoder.layer_scale = params.layer_scale;
  encoder.checkpointing = params.checkpointing;
  HeadOptions head;
  head.channels = params.decoder_channels;
  head.n_classes = request.n_classes;
  head.dropout = params.dropout;
  head.prior = params.prior;
  head.checkpointing = params.checkpointing;

  backbone_ = register_module("backbone", ConvNextEncoder(encoder));
  decode_head_ =
      register_module("decode_head", UperHead(std::vector(encoder.channels.begin(), encoder.channels.end()), head));
  if (auxiliary_weight_ == 0) return;
  head.channels = params.auxiliary_channels;
  auxiliary_head_ = register_module("auxiliary_head", FcnHead(encoder.channels[kAuxiliaryFeature], head));
}

sdk::ModelTraits ConvNextUperNetImpl::traits() const {
  sdk::ModelTraits traits;
  traits.size_multiple = 32;
  traits.own_kernels = true;
  traits.outputs[0].stride = 4;
  if (auxiliary_weight_ > 0) traits.outputs.push_back({"auxiliary", auxiliary_weight_, kAuxiliaryStride, false});
  return traits;
}

sdk::TensorTraits ConvNextUperNetImpl::tensor_traits(const std::string& name, sdk::TensorTraits usual) const {
  if (usual.part == sdk::Part::kEncoder) usual.depth = stage_of(name);
  // Of what is called a head, the classifier alone is one to those who freeze parts or tune them.
  if (layers::begins_with(name, "decode_head.") && !layers::begins_with(name, "decode_head.classifier."))
    usual.part = sdk::Part::kDecoder;
  return usual;
}

std::vector<torch::Tensor> ConvNextUperNetImpl::forward(const torch::Tensor& x, sdk::Outputs wanted) {
  const bool own_kernels = !is_training() && layers::own_kernels_apply(x);
  const std::vector<at::Tensor> features = own_kernels ? backbone_->infer(x) : backbone_->forward(x);
  std::vector<at::Tensor> outputs = {own_kernels ? decode_head_->infer(features) : decode_head_->forward(features)};
  if (wanted == sdk::Outputs::kAll && auxiliary_weight_ > 0)
    outputs.push_back(auxiliary_head_(features[kAuxiliaryFeature]));
  return outputs;
}

}  // namespace osteon::models

OSTEON_PLUGIN("convnext_upernet", "1.0.0",
              osteon::sdk::torch_model<osteon::models::ConvNextUperNetImpl>(
                  {"convnext_upernet", "1.0.0", "UPerNet over ConvNeXt tiny to xlarge, with an auxiliary head.",
                   "Liu et al.: A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545; "
                   "Xiao et al.: UPerNet, ECCV 2018, arXiv:1807.10221"}))
