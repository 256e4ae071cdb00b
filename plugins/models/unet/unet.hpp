// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "encoders/resnet.hpp"

namespace osteon::models {

/// Upsamples, joins the encoder's feature of that resolution, and convolves twice.
class UNetBlockImpl : public torch::nn::Module {
 public:
  UNetBlockImpl(std::int64_t in, std::int64_t skip, std::int64_t out);
  /// @param x     [N, in, h, w]
  /// @param skip  [N, skip, 2h, 2w]; undefined in a block that has none
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& skip);

 private:
  torch::nn::Sequential conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(UNetBlock);

/// U-Net over a residual encoder.
///
/// Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015, as
/// segmentation_models.pytorch builds it: nearest upsampling, five blocks, no centre. With width 1 the names and shapes
/// of the weights are those of that library's Unet, so its checkpoints and torchvision's encoders load by name.
///
/// `prior` sets the head's bias as Lin et al., "Focal loss for dense object detection", ICCV 2017, section 4.1, do; 0.5
/// is no bias, as in the public library.
///
///     [model]
///     plugin = "unet"
///     encoder = "resnet34"
class UNetImpl : public torch::nn::Module {
 public:
  struct Params {
    std::string encoder = "resnet34";
    std::vector<std::int64_t> decoder_channels = {256, 128, 64, 32, 16};
    double width = 1;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("encoder", &Params::encoder, "the residual network that sees the image").choices(encoders::resnet_names());
      s.add("decoder_channels", &Params::decoder_channels, "channels of the decoder's blocks, coarse to fine")
          .between(1, 4096)
          .count(5, 5);
      s.add("width", &Params::width, "factor on the encoder's channels; below 1 public weights do not fit")
          .between(0.125, 1);
      s.add("prior", &Params::prior,
            "probability that every class starts with; near the share of its pixels, small classes are learnt much "
            "sooner")
          .between(1e-6, 1 - 1e-6);
    }
  };

  UNetImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H, W]
  torch::Tensor forward(const torch::Tensor& x);

 private:
  encoders::ResNetEncoder encoder_{nullptr};
  std::vector<UNetBlock> blocks_;
  torch::nn::Conv2d head_{nullptr};
};

}  // namespace osteon::models
