// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "aspp.hpp"
#include "encoders/encoder.hpp"
#include "layers/inference_conv.hpp"
#include "layers/prior.hpp"
#include "layers/shared_params.hpp"

namespace osteon::models {

/// Looks at the deepest feature through ASPP, and sharpens what it finds with a feature of a quarter of the resolution.
class DeepLabDecoderImpl : public torch::nn::Module, public layers::HasInferenceConvs {
 public:
  struct Options {
    std::int64_t deep = 0, fine = 0;  ///< channels of the two features
    std::int64_t channels = 256;
    std::vector<std::int64_t> rates;
    double dropout = 0;
    bool checkpointing = false;
  };

  explicit DeepLabDecoderImpl(const Options& options);
  /// @param deep  [N, deep, H / output stride, W / output stride]
  /// @param fine  [N, fine, H / 4, W / 4]
  /// @return [N, channels, H / 4, W / 4]
  torch::Tensor forward(const torch::Tensor& deep, const torch::Tensor& fine);
  /// head(forward()) of [N, h, w, C] by own kernels: by bands of rows, so that nothing of the decoder's width is whole
  /// at a quarter of the resolution.
  /// @return [N, n_classes, H / 4, W / 4]
  torch::Tensor infer(const torch::Tensor& deep, const torch::Tensor& fine, const layers::InferenceConv& head) const;
  void forget_prepared() override;

 private:
  torch::Tensor look(const torch::Tensor& deep, const torch::Tensor& pooled);
  torch::Tensor sharpen(const torch::Tensor& coarse, const torch::Tensor& fine);

  std::shared_ptr<torch::nn::Module> pyramid_;  ///< aspp_ and refine_ as one part, under its public name
  Aspp aspp_{nullptr};
  torch::nn::Sequential refine_{nullptr};       ///< of what ASPP gives
  std::shared_ptr<torch::nn::Module> sharpen_;  ///< block1_ and block2_ as one part, which is not registered
  torch::nn::Sequential block1_{nullptr};       ///< of the fine feature
  torch::nn::Sequential block2_{nullptr};       ///< of both
  SeparableConv refine_conv_{nullptr}, block2_conv_{nullptr};
  std::optional<layers::InferenceConv> infer_refine_, infer_block1_, infer_block2_;
  bool checkpointing_;
};
TORCH_MODULE(DeepLabDecoder);

/// DeepLabV3+ over any encoder; logits at a quarter of the resolution, to be resized with align_corners = true.
///
/// Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation", ECCV 2018,
/// arXiv:1802.02611, as segmentation_models.pytorch builds it. With width 1 the names and shapes of the weights are
/// those of that library's DeepLabV3Plus, so its checkpoints and torchvision's encoders load by name.
///
/// Output stride 16 replaces the last stride of the encoder by dilation, 8 the last two. The paper's dilations of ASPP
/// are 6, 12, 18 at 16 and twice those at 8; the default is the public library's for both. For batches of one image see
/// AsppImpl. Inference in float32 on the CPU uses kernels of its own (layers/inference_conv.hpp).
///
///     [model]
///     plugin = "deeplabv3plus"
///     encoder = "resnet50"
class DeepLabV3PlusImpl : public torch::nn::Module, public layers::HasInferenceConvs {
 public:
  struct Params {
    std::string encoder = "resnet34";
    std::int64_t output_stride = 16;
    std::vector<std::int64_t> atrous_rates = {12, 24, 36};
    std::int64_t decoder_channels = 256;
    double dropout = 0.5;
    double width = 1;
    bool checkpointing = false;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("encoder", &Params::encoder, "the network that sees the image").choices(encoders::encoder_names());
      s.add("output_stride", &Params::output_stride,
            "stride of the encoder's deepest feature, 16 or 8; 8 sees finer and takes about twice the time")
          .between(8, 16);
      s.add("atrous_rates", &Params::atrous_rates, "dilations of the pyramid's 3x3 convolutions")
          .between(1, 256)
          .count(1, 8);
      s.add("decoder_channels", &Params::decoder_channels, "width of the decoder").between(1, 4096);
      s.add("dropout", &Params::dropout, "share of the pyramid's values that training drops").between(0, 0.9);
      layers::add_width(s);
      layers::add_checkpointing(s, "each block and into the decoder's halves");
      layers::add_prior(s);
    }
  };

  DeepLabV3PlusImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  sdk::TensorTraits tensor_traits(const std::string& name, sdk::TensorTraits usual) const {
    return encoders::with_depth(*encoder_, name, usual);
  }
  void forget_prepared() override { infer_head_->forget(); }
  void parameters_changed() { layers::forget_prepared(*this); }
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H / 4, W / 4]
  torch::Tensor forward(const torch::Tensor& x);

 private:
  encoders::Encoder encoder_;
  DeepLabDecoder decoder_{nullptr};
  torch::nn::Conv2d head_{nullptr};
  std::optional<layers::InferenceConv> infer_head_;
};

}  // namespace osteon::models
