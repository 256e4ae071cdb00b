// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "convnext.hpp"
#include "layers/prior.hpp"
#include "layers/shared_params.hpp"
#include "upernet.hpp"

namespace osteon::models {

/// UPerNet over ConvNeXt, with a fully convolutional auxiliary head; logits at a quarter of the resolution.
///
/// Liu et al., "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545; Xiao et al., "Unified perceptual parsing for
/// scene understanding", ECCV 2018, arXiv:1807.10221. With width 1 and the default head channels, names and shapes of
/// weights are those of Hugging Face's UperNetForSemanticSegmentation (since 4.26).
///
/// Sizes are multiples of 32, so that no level cuts rows off. Inference in float32 on the CPU uses kernels of its own
/// (layers/inference_ops.hpp).
///
///     [model]
///     plugin = "convnext_upernet"
///     variant = "tiny"
class ConvNextUperNetImpl : public torch::nn::Module {
 public:
  struct Params {
    std::string variant = "tiny";
    double drop_path = 0.4;
    double dropout = 0.1;
    double layer_scale = 1e-6;
    std::int64_t decoder_channels = 512;
    std::int64_t auxiliary_channels = 256;
    double auxiliary = 0.4;
    double width = 1;
    bool checkpointing = false;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("variant", &Params::variant, "the ConvNeXt that sees the image").choices(convnext_variants());
      s.add("drop_path", &Params::drop_path,
            "share of the images for which training skips the last block; earlier blocks, linearly fewer")
          .between(0, 0.9);
      s.add("dropout", &Params::dropout, "share of a head's channels that training drops before its classifier")
          .between(0, 0.9);
      s.add(
           "layer_scale", &Params::layer_scale,
           "what each block's branch is multiplied by at the start; 1e-6 as in the paper, 1 trains faster from scratch")
          .between(0, 1);
      s.add("decoder_channels", &Params::decoder_channels, "width of the head").between(1, 4096);
      s.add("auxiliary_channels", &Params::auxiliary_channels, "width of the auxiliary head").between(1, 4096);
      s.add("auxiliary", &Params::auxiliary, "weight of the auxiliary head's loss; 0 leaves the head out")
          .between(0, 10);
      layers::add_width(s, 0.0625);
      layers::add_checkpointing(s, "each block and into the fusion");
      layers::add_prior(s);
    }
  };

  ConvNextUperNetImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  sdk::TensorTraits tensor_traits(const std::string& name, sdk::TensorTraits usual) const;
  /// Names of Hugging Face's other models, the paper's authors, OpenMMLab, timm and torchvision.
  static std::vector<sdk::WeightDialect> weight_names();
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H / 4, W / 4]; where they are wanted those of the auxiliary head too, H / 16 x W /
  /// 16
  std::vector<torch::Tensor> forward(const torch::Tensor& x, sdk::Outputs wanted);

 private:
  double auxiliary_weight_;
  ConvNextEncoder backbone_{nullptr};
  UperHead decode_head_{nullptr};
  FcnHead auxiliary_head_{nullptr};
};

}  // namespace osteon::models
