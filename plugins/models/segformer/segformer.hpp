// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "layers/prior.hpp"
#include "layers/shared_params.hpp"
#include "mit.hpp"

namespace osteon::models {

/// Brings four features to one width and one grid and mixes them per pixel: linear layers alone.
///
/// Names below `decode_head.` are those of Hugging Face. There the features are projected, resized, joined and mixed by
/// one layer; here that layer's part for each feature is applied before the resize, with which it commutes, and the
/// results are added up. The values are the same; the joined tensor of four times the width is never made.
class SegformerHeadImpl : public torch::nn::Module {
 public:
  SegformerHeadImpl(const MitOptions& encoder, std::int64_t n_classes, double dropout, double prior);
  /// @param features  [N, h, w, C_i], fine to coarse
  /// @return logits [N, n_classes, H / 4, W / 4]
  at::Tensor forward(const std::vector<at::Tensor>& features);
  /// forward() by own kernels, by bands of rows: nothing of the decoder's width is whole on the fine grid.
  at::Tensor infer(const std::vector<at::Tensor>& features);

 private:
  /// The mixing layer's part for feature `i`: [D, D].
  at::Tensor mixing(std::size_t i) const;
  /// What feature `i` adds, on its own grid, by own kernels.
  at::Tensor contribute(std::size_t i, const at::Tensor& feature) const;
  /// Projection and mixing of feature `i` as one layer.
  struct Composed {
    at::Tensor weight, bias;
  };
  Composed compose(std::size_t i) const;

  std::vector<torch::nn::Linear> linear_c_;
  torch::nn::Conv2d linear_fuse_{nullptr};
  torch::nn::BatchNorm2d batch_norm_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
  torch::nn::Conv2d classifier_{nullptr};
};
TORCH_MODULE(SegformerHead);

/// SegFormer: a Mix Transformer and a decoder of linear layers; logits at a quarter of the resolution.
///
/// Xie et al., "SegFormer: simple and efficient design for semantic segmentation with transformers", NeurIPS 2021,
/// arXiv:2105.15203, written from the paper. With width 1 and the published decoder width, names and shapes of weights
/// are those of Hugging Face's SegformerForSemanticSegmentation.
///
/// Sizes are multiples of 32, so that no level and no reduction of keys cuts rows off. Inference in float32 on the CPU
/// uses kernels of its own (layers/inference_ops.hpp).
///
///     [model]
///     plugin = "segformer"
///     variant = "b2"
class SegformerImpl : public torch::nn::Module {
 public:
  struct Params {
    std::string variant = "b0";
    double dropout = 0.1;
    double drop_path = 0.1;
    std::int64_t decoder_channels = 0;
    double width = 1;
    bool checkpointing = false;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("variant", &Params::variant, "the Mix Transformer that sees the image").choices(mit_variants());
      s.add("dropout", &Params::dropout, "share of the decoder's features that training drops before the classifier")
          .between(0, 0.9);
      s.add("drop_path", &Params::drop_path,
            "share of the images for which training skips the last block's branches; earlier blocks, linearly fewer")
          .between(0, 0.9);
      s.add("decoder_channels", &Params::decoder_channels,
            "width of the decoder; 0 is the published one, 256 for b0 and b1 and 768 for the others")
          .between(0, 4096);
      layers::add_width(s);
      layers::add_checkpointing(s, "each block and into the decoder");
      layers::add_prior(s);
    }
  };

  SegformerImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  sdk::TensorTraits tensor_traits(const std::string& name, sdk::TensorTraits usual) const;
  /// Names of Hugging Face's classifiers, NVlabs, segmentation_models.pytorch and mmsegmentation.
  static std::vector<sdk::WeightDialect> weight_names();
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H / 4, W / 4]
  torch::Tensor forward(const torch::Tensor& x);

 private:
  MitEncoder encoder_{nullptr};
  SegformerHead decode_head_{nullptr};
  bool checkpointing_;
};

}  // namespace osteon::models
