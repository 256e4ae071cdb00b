// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include <osteon/sdk/torch/checkpoint.hpp>
#include <osteon/sdk/torch/network.hpp>

#include "layers/tensor_names.hpp"

namespace osteon::encoders {

/// What a model asks of the encoder that it sees the image with.
struct EncoderOptions {
  std::int64_t in_channels = 3;
  double width = 1;                 ///< factor on all channel counts, rounded to multiples of 8; 1 gives public shapes
  std::int64_t output_stride = 32;  ///< the greatest stride: 32, or 16 or 8 with dilation in place of the last strides
  bool checkpointing = false;       ///< keep each block's input alone and compute the rest again on the way back
};

/// A network that turns an image into features from fine to coarse.
class EncoderImpl : public torch::nn::Module {
 public:
  explicit EncoderImpl(const EncoderOptions& options);

  /// @param x  [N, C, H, W]; H and W multiples of size_multiple().
  /// @return one feature per entry of channels(); feature i has stride 2^i, or size_multiple() if that is less.
  virtual std::vector<torch::Tensor> forward(const torch::Tensor& x) = 0;
  /// forward() for inference on the CPU in float32, where layers::own_kernels_apply(); features are [N, H, W, C].
  virtual std::vector<torch::Tensor> infer(const torch::Tensor& x) = 0;

  /// Channels of each feature of forward().
  const std::vector<std::int64_t>& channels() const noexcept { return channels_; }
  /// Stride of the deepest feature, and what height and width must be multiples of.
  std::int64_t size_multiple() const noexcept { return size_multiple_; }
  /// Stages between one of its tensors, by its name in the encoder, and the image: 0 the stem; -1 for what is not run.
  virtual std::int64_t stage_of(const std::string& name) const = 0;
  /// Whether feature 0 is worth joining at full resolution; in most encoders it is the image itself.
  virtual bool has_full_resolution() const noexcept { return false; }

 protected:
  /// part->forward(x), with its inside kept or not as the options say.
  template <class Part>
  torch::Tensor run(const std::shared_ptr<Part>& part, const torch::Tensor& x) const {
    if (!checkpointing_) return part->forward(x);
    return sdk::checkpoint(*part, [part](const auto& inputs) { return part->forward(inputs[0]); }, {x});
  }

  std::vector<std::int64_t> channels_;
  std::int64_t size_multiple_;

 private:
  bool checkpointing_;
};
using Encoder = std::shared_ptr<EncoderImpl>;

/// `usual` with the depth of a tensor of `encoder`, whose names begin with "encoder." in a model.
sdk::TensorTraits with_depth(const EncoderImpl& encoder, const std::string& name, sdk::TensorTraits usual);

/// `channels` times `width`, to the nearest multiple of 8, at least 8.
std::int64_t scaled(std::int64_t channels, double width);

/// Makes an encoder by name, initialised as its paper or reference implementation does. Throws std::invalid_argument
/// for an unknown name or options that it has no shape for.
Encoder make_encoder(const std::string& name, const EncoderOptions& options);
/// The names that make_encoder() knows: "resnet18", ..., "efficientnet-b0", ..., "basic".
const std::vector<std::string>& encoder_names();

}  // namespace osteon::encoders
