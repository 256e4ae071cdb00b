// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "encoders/encoder.hpp"
#include "layers/decoder_block.hpp"
#include "layers/inference_conv.hpp"
#include "layers/prior.hpp"
#include "layers/shared_params.hpp"

namespace osteon::models {

/// U-Net over an encoder of choice.
///
/// Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015, as
/// segmentation_models.pytorch builds it: nearest upsampling, a block for each halving, no centre. With width 1 and no
/// other change than the encoder the names and shapes of the weights are those of that library's Unet, so its
/// checkpoints and the public encoders load by name.
///
/// The network of the paper, with normalisation and padding, is `encoder = "basic"`, `upsampling = "transposed"`,
/// `head_kernel = 1`.
///
/// `prior` sets the head's bias as Lin et al., "Focal loss for dense object detection", ICCV 2017, section 4.1, do; 0.5
/// is no bias, as in the public library.
///
/// Inference in float32 on the CPU uses kernels of its own (layers/inference_conv.hpp).
///
///     [model]
///     plugin = "unet"
///     encoder = "resnet34"
class UNetImpl : public torch::nn::Module, public layers::HasInferenceConvs {
 public:
  struct Params {
    std::string encoder = "resnet34";
    std::vector<std::int64_t> decoder_channels;
    std::string upsampling = "nearest";
    std::int64_t head_kernel = 3;
    double width = 1;
    bool checkpointing = false;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("encoder", &Params::encoder, "the network that sees the image").choices(encoders::encoder_names());
      s.add("decoder_channels", &Params::decoder_channels,
            "channels of the decoder's blocks, coarse to fine, one for each halving of the encoder (5; basic: 4); none "
            "stands for [256, 128, 64, 32, 16], for basic for the encoder's own")
          .between(1, 4096)
          .count(0, 5);
      s.add("upsampling", &Params::upsampling,
            "how the decoder doubles the grid: nearest as in public weights, bilinear (align_corners = true), or "
            "transposed, a learnt 2x2 convolution")
          .choices({"nearest", "bilinear", "transposed"});
      s.add("head_kernel", &Params::head_kernel, "side of the last convolution, an odd number; 3 as in public weights")
          .between(1, 7);
      layers::add_width(s);
      layers::add_checkpointing(s, "each block");
      layers::add_prior(s);
    }
  };

  UNetImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  sdk::TensorTraits tensor_traits(const std::string& name, sdk::TensorTraits usual) const {
    return encoders::with_depth(*encoder_, name, usual);
  }
  void forget_prepared() override { infer_head_->forget(); }
  void parameters_changed() { layers::forget_prepared(*this); }
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H, W]
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::Tensor infer(const torch::Tensor& x);
  /// Which of the encoder's features a block joins; none where that would be the image itself.
  std::optional<std::size_t> joined(std::size_t block) const;

  encoders::Encoder encoder_;
  std::vector<layers::DecoderBlock> blocks_;
  torch::nn::Conv2d head_{nullptr};
  std::optional<layers::InferenceConv> infer_head_;
  bool checkpointing_;
};

}  // namespace osteon::models
