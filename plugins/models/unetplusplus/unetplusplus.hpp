// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "encoders/encoder.hpp"
#include "layers/decoder_block.hpp"
#include "layers/inference_conv.hpp"
#include "layers/prior.hpp"
#include "layers/shared_params.hpp"

namespace osteon::models {

/// UNet++ over any encoder.
///
/// Zhou et al., "UNet++: a nested U-Net architecture for medical image segmentation", DLMIA 2018, arXiv:1807.10165, as
/// segmentation_models.pytorch builds it. With width 1 the names and shapes of the weights are those of that library's
/// UnetPlusPlus, so its checkpoints load by name. Node x_d_l lies at level l, counted from the coarsest, and every
/// level's nodes from d = l down to 0 see one another: x_0_3 is the paper's X^{0,4}, x_3_3 its X^{0,1}.
///
/// Over `basic`, whose finest feature has the image's resolution, the grid ends there and is the paper's own network:
/// `decoder_channels = [512, 256, 128, 64]` and `upsampling = "bilinear"` are the published ones. Over other encoders a
/// last block without a skip doubles the resolution once more.
///
/// Deep supervision adds a 1x1 classifier to every other node of the finest level, as in the paper; each is an output
/// named as its node, with the main one's loss weight unless `train.head_weights` says otherwise. Inference in float32
/// on the CPU uses kernels of its own (layers/inference_conv.hpp).
///
///     [model]
///     plugin = "unetplusplus"
///     encoder = "resnet34"
class UNetPlusPlusImpl : public torch::nn::Module, public layers::HasInferenceConvs {
 public:
  struct Params {
    std::string encoder = "resnet34";
    std::vector<std::int64_t> decoder_channels = {256, 128, 64, 32, 16};
    std::string upsampling = "nearest";
    bool deep_supervision = false;
    double width = 1;
    bool checkpointing = false;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("encoder", &Params::encoder, "the network that sees the image").choices(encoders::encoder_names());
      s.add("decoder_channels", &Params::decoder_channels,
            "channels of the nodes x_0_l, coarse to fine; one for each halving of the encoder")
          .between(1, 4096)
          .count(4, 5);
      s.add("upsampling", &Params::upsampling, "how a node resizes what comes from the coarser level")
          .choices({"nearest", "bilinear"});
      s.add("deep_supervision", &Params::deep_supervision,
            "a classifier and a loss for every node of the finest level, in training");
      layers::add_width(s);
      layers::add_checkpointing(s, "each block");
      layers::add_prior(s);
    }
  };

  UNetPlusPlusImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  sdk::TensorTraits tensor_traits(const std::string& name, sdk::TensorTraits usual) const {
    return encoders::with_depth(*encoder_, name, usual);
  }
  void forget_prepared() override { infer_head_->forget(); }
  void parameters_changed() { layers::forget_prepared(*this); }
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H, W]; those of the auxiliary heads too where they are wanted, at the finest level's
  /// resolution
  std::vector<torch::Tensor> forward(const torch::Tensor& x, sdk::Outputs wanted);

 private:
  /// The maps of the finest level, from x_0 on, then the encoder's feature; `run` is called for every node.
  template <class Run>
  std::vector<torch::Tensor> grid(std::vector<torch::Tensor> features, const Run& run);
  std::vector<torch::Tensor> infer(const torch::Tensor& x, sdk::Outputs wanted);
  torch::Tensor run(layers::DecoderBlock& block, const std::vector<torch::Tensor>& inputs) const;

  encoders::Encoder encoder_;
  std::vector<std::vector<layers::DecoderBlock>> levels_;  ///< [l][d], coarse to fine
  layers::DecoderBlock last_{nullptr};                     ///< to full resolution, where the grid does not reach it
  torch::nn::Conv2d head_{nullptr};
  std::optional<layers::InferenceConv> infer_head_;
  std::vector<std::pair<std::string, torch::nn::Conv2d>> auxiliary_heads_;
  bool checkpointing_;
};

}  // namespace osteon::models
