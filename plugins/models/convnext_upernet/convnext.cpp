// SPDX-License-Identifier: Apache-2.0
#include "convnext.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <utility>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/inference_ops.hpp"
#include "layers/regularisation.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;

layers::LayerNorm layer_norm(std::int64_t channels) { return layers::LayerNorm(channels, 1e-6); }

/// A differentiable convolution of [N, H, W, C]; channels-last inside, so nothing is copied.
at::Tensor convolve(nn::Conv2d& layer, const at::Tensor& x) {
  return layer(layers::to_channels_first(x)).permute({0, 2, 3, 1});
}

const std::map<std::string, ConvNextOptions>& known() {
  const auto variant = [](std::int64_t first, std::int64_t third_depth) {
    ConvNextOptions options;
    options.channels = {first, 2 * first, 4 * first, 8 * first};
    options.depths = {3, 3, third_depth, 3};
    return options;
  };
  static const auto* table = new std::map<std::string, ConvNextOptions>{{"tiny", variant(96, 9)},
                                                                        {"small", variant(96, 27)},
                                                                        {"base", variant(128, 27)},
                                                                        {"large", variant(192, 27)},
                                                                        {"xlarge", variant(256, 27)}};
  return *table;
}

/// Convolutions and linear layers normal with deviation 0.02, biases 0, as the paper's. (Its truncation at +-2 is a
/// hundred deviations away.)
void initialise(nn::Module& module) {
  for (const auto& child : module.modules(/*include_self=*/false)) {
    if (auto* linear = child->as<nn::Linear>()) {
      nn::init::normal_(linear->weight, 0, 0.02);
      nn::init::zeros_(linear->bias);
    } else if (auto* conv = child->as<nn::Conv2d>()) {
      nn::init::normal_(conv->weight, 0, 0.02);
      nn::init::zeros_(conv->bias);
    }
  }
}

}  // namespace

ConvNextOptions convnext(const std::string& variant, double width) {
  const auto found = known().find(variant);
  if (found == known().end()) throw std::invalid_argument("no ConvNeXt is called '" + variant + "'");
  ConvNextOptions options = found->second;
  for (std::int64_t& channels : options.channels)
    channels = std::max<std::int64_t>(8, std::llround(static_cast<double>(channels) * width / 8) * 8);
  return options;
}

const std::vector<std::string>& convnext_variants() {
  static const auto* names = new std::vector<std::string>{"tiny", "small", "base", "large", "xlarge"};
  return *names;
}

ConvNextBlockImpl::ConvNextBlockImpl(std::int64_t channels, double layer_scale, double drop_rate)
    : drop_rate_(drop_rate) {
  scale_ = register_parameter("layer_scale_parameter", torch::full({channels}, layer_scale));
  dwconv_ = register_module("dwconv", nn::Conv2d(nn::Conv2dOptions(channels, channels, 7).padding(3).groups(channels)));
  norm_ = register_module("layernorm", layer_norm(channels));
  pwconv1_ = register_module("pwconv1", nn::Linear(channels, 4 * channels));
  pwconv2_ = register_module("pwconv2", nn::Linear(4 * channels, channels));
}

at::Tensor ConvNextBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor branch = pwconv2_(at::gelu(pwconv1_(norm_(convolve(dwconv_, x)))));
  return x + layers::drop_path(branch * scale_, drop_rate_, is_training());
}

void ConvNextBlockImpl::infer(at::Tensor& x) {
  const std::int64_t channels = x.size(3);
  const at::Tensor mixed = layers::convolve(*dwconv_, x).view({-1, channels}), sums = x.view({-1, channels});
  const std::int64_t pixels = mixed.size(0), group = layers::rows_at_once(pixels, 1, 4 * channels);
  for (std::int64_t begin = 0; begin < pixels; begin += group) {
    const std::int64_t count = std::min(group, pixels - begin);
    at::Tensor rows = mixed.narrow(0, begin, count), sum = sums.narrow(0, begin, count);
    layers::normalise_(*norm_, rows);
    at::Tensor hidden = layers::project(*pwconv1_, rows);
    layers::gelu_(hidden);
    layers::add_scaled_(sum, layers::project(*pwconv2_, hidden), scale_);
  }
}

ConvNextEncoderImpl::ConvNextEncoderImpl(const ConvNextOptions& options) : checkpointing_(options.checkpointing) {
  std::int64_t total = 0;
  for (const std::int64_t depth : options.depths) total += depth;
  const std::vector<double> rates = layers::drop_path_rates(total, options.drop_path);

  auto embeddings = std::make_shared<nn::Module>(), norms = std::make_shared<nn::Module>();
  nn::ModuleList stages;
  std::int64_t in = options.in_channels;
  auto rate = rates.begin();
  for (std::size_t i = 0; i < options.channels.size(); ++i) {
    const std::int64_t channels = options.channels[i], factor = i == 0 ? 4 : 2;
    const nn::Conv2d reduce(nn::Conv2dOptions(in, channels, factor).stride(factor));
    const layers::LayerNorm reduce_norm = layer_norm(i == 0 ? channels : in);
    Stage stage{reduce, reduce_norm, {}, layer_norm(channels)};
    auto holder = std::make_shared<nn::Module>();
    if (i == 0) {
      embeddings->register_module("patch_embeddings", reduce);
      embeddings->register_module("layernorm", reduce_norm);
    } else {
      holder->register_module("downsampling_layer", nn::ModuleList(reduce_norm, reduce));
    }
    nn::ModuleList blocks;
    for (std::int64_t j = 0; j < options.depths[i]; ++j) {
      stage.blocks.emplace_back(channels, options.layer_scale, *rate++);
      blocks->push_back(stage.blocks.back());
    }
    holder->register_module("layers", blocks);
    stages->push_back(holder);
    norms->register_module("stage" + std::to_string(i + 1), stage.norm);
    stages_.push_back(std::move(stage));
    in = channels;
  }
  register_module("embeddings", embeddings);
  register_module("encoder", std::make_shared<nn::Module>())->register_module("stages", stages);
  register_module("hidden_states_norms", norms);
  initialise(*this);
}

std::vector<at::Tensor> ConvNextEncoderImpl::forward(const at::Tensor& image) {
  std::vector<at::Tensor> features;
  at::Tensor x = image.permute({0, 2, 3, 1});
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    x = i == 0 ? stage.reduce_norm(convolve(stage.reduce, x)) : convolve(stage.reduce, stage.reduce_norm(x));
    for (ConvNextBlock& block : stage.blocks)
      x = checkpointing_ ? sdk::checkpoint(*block, [block](const auto& in) mutable { return block(in[0]); }, {x})
                         : block(x);
    features.push_back(stage.norm(x));
  }
  return features;
}

std::vector<at::Tensor> ConvNextEncoderImpl::infer(const at::Tensor& image) {
  std::vector<at::Tensor> features;
  at::Tensor x = layers::to_channels_last(image);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    if (i > 0) layers::normalise_(*stage.reduce_norm, x);  // the features hold a copy
    x = layers::convolve(*stage.reduce, x);
    if (i == 0) layers::normalise_(*stage.reduce_norm, x);
    for (ConvNextBlock& block : stage.blocks) block->infer(x);
    features.push_back(layers::normalise(*stage.norm, x));
  }
  return features;
}

}  // namespace osteon::models
