// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/torch/modules.hpp>

namespace osteon::models {

/// UNet 3+'s classification-guided module: decides from the coarsest feature whether a class is in the image at all,
/// and takes it out of the segmentation where it is not.
///
/// As published it is a dropout, a 1x1 convolution to two channels (without and with an organ), a global maximum, and
/// an arg max whose 0 or 1 multiplies the segmentation. Here the arg max is the probability that it rounds, and the
/// product is taken of probabilities:
///
///     p(pixel of class c) = sigmoid(logit of the pixel) * sigmoid(presence of c)
///
/// Below a presence of one half no pixel reaches one half, which is what the arg max does at the usual threshold; and
/// the product can be differentiated. So whatever loss the segmentation has trains the branch too: pixels of a class
/// raise its presence, false ones lower it. The publication trains it with a loss of its own, on labels per image; a
/// recipe can do so too, where the presence of each class is an output of the network.
///
/// Names of weights, below the name that it is registered by: "1".
class ClassGuideImpl : public torch::nn::Module {
 public:
  enum class Kind {
    kAny,      ///< one presence, of any class: two channels, absent and present, in the shape of the public weights
    kPerClass  ///< one presence for each class, which is what several labels in one image want
  };

  ClassGuideImpl(std::int64_t in, std::int64_t n_classes, Kind kind, double dropout);

  /// @param coarsest  [N, in, h, w]
  /// @return presence as logits, float32 [N, 1 or n_classes, 1, 1]
  at::Tensor forward(const at::Tensor& coarsest);
  /// forward() of [N, h, w, in] by own kernels.
  at::Tensor infer(const at::Tensor& coarsest) const;

 private:
  at::Tensor presence(const at::Tensor& best) const;

  Kind kind_;
  double dropout_;
  torch::nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(ClassGuide);

/// Logits of the product of two probabilities that are given as logits: -log(e^-a + e^-b + e^-(a + b)), float32.
/// @param logits    [N, C, h, w]; @param presence  [N, 1 or C, 1, 1]
at::Tensor guided(const at::Tensor& logits, const at::Tensor& presence);

}  // namespace osteon::models
