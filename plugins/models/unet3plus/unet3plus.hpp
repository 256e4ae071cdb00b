// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

#include "class_guide.hpp"
#include "full_scale.hpp"
#include "layers/prior.hpp"
#include "layers/shared_params.hpp"

namespace osteon::models {

/// UNet 3+: every node of the decoder sees every level of the network.
///
/// Huang et al., "UNet 3+: a full-scale connected UNet for medical image segmentation", ICASSP 2020, arXiv:2004.08790.
/// With 64 filters, names and shapes of weights are those of the authors' release: of its plain network, with
/// `deep_supervision` of its deeply supervised one, with `classification_guided = "any"` too of its guided one.
///
/// Outputs are logits; the release returns probabilities. Those of deep supervision, "d2" to "d5", are on their own
/// grids, of strides 2 to 16, and are resized to the labels before the loss (bilinear, align_corners = false); the
/// release resizes them itself, just so. Where whether a class is in the image is decided for each class (or for any,
/// and there is one), that decision is an output too, "presence": logits [N, n_classes, 1, 1]. It has no loss of its
/// own unless a recipe gives it one, `[[loss]] output = "presence"`, as the publication does. Sizes are multiples of
/// 16, so that every level is a whole number of pixels of the finer ones. Inference in float32 on the CPU uses kernels
/// of its own and works by bands of rows.
///
///     [model]
///     plugin = "unet3plus"
///     deep_supervision = true
class UNet3PlusImpl : public torch::nn::Module {
 public:
  struct Params {
    std::int64_t filters = 64;
    bool deep_supervision = false;
    std::string classification_guided = "none";
    double dropout = 0.5;
    bool checkpointing = false;
    double prior = 0.5;

    static void schema(sdk::Schema<Params>& s) {
      s.add("filters", &Params::filters,
            "channels of the finest level, and of every skip; each level has twice as many as the finer one. Public "
            "weights have 64")
          .between(1, 256);
      s.add("deep_supervision", &Params::deep_supervision,
            "training also gives the outputs of the four coarser levels, d2 to d5, each with a loss of weight 1");
      s.add("classification_guided", &Params::classification_guided,
            "whether a class is in the image at all is decided from the coarsest level and multiplies its "
            "probabilities: one decision per class, or one for any of them as in the public weights")
          .choices({"none", "any", "per_class"});
      s.add("dropout", &Params::dropout,
            "share of the coarsest level that training drops before that decision; nothing without one")
          .between(0, 0.9);
      layers::add_checkpointing(s, "each level and node");
      layers::add_prior(s);
    }
  };

  UNet3PlusImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const;
  sdk::TensorTraits tensor_traits(const std::string& name, sdk::TensorTraits usual) const;
  /// @param x  [N, C, H, W]
  /// @return logits [N, n_classes, H, W]; where they are wanted those of the other outputs of traits() too
  std::vector<torch::Tensor> forward(const torch::Tensor& x, sdk::Outputs wanted);

 private:
  std::vector<at::Tensor> infer(const at::Tensor& x, sdk::Outputs wanted);
  /// A coarser level's head by own kernels. @param map  [N, h, w, C]; @return [N, n_classes, h, w]
  at::Tensor infer_head(std::size_t level, const at::Tensor& map) const;
  /// The finest node and its head by own kernels, by bands of rows. [N, n_classes, H, W]
  at::Tensor infer_top(const std::vector<at::Tensor>& sources) const;

  bool deep_supervision_, checkpointing_, gives_presence_ = false;
  std::vector<EncoderLevel> encoder_;
  std::vector<FullScaleNode> nodes_;
  std::vector<torch::nn::Conv2d> heads_;
  std::shared_ptr<torch::nn::Module> top_;  ///< the finest node and its head, which are recomputed together
  ClassGuide guide_{nullptr};
};

}  // namespace osteon::models
