// SPDX-License-Identifier: Apache-2.0
#include "mit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/attention.hpp"
#include "layers/inference_ops.hpp"
#include "layers/regularisation.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;
using layers::to_channels_first;

/// An inner module of the public names that only holds others.
std::shared_ptr<nn::Module> holder(nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<nn::Module>());
}

/// A differentiable convolution of [N, H, W, C]; channels-last inside, so nothing is copied.
at::Tensor convolve_tokens(nn::Conv2d& layer, const at::Tensor& x) {
  return layer(to_channels_first(x)).permute({0, 2, 3, 1});
}

const std::map<std::string, MitOptions>& known() {
  using Four = std::array<std::int64_t, 4>;
  const auto variant = [](Four channels, Four depths, std::int64_t decoder) {
    MitOptions options;
    options.channels = channels;
    options.depths = depths;
    options.decoder_channels = decoder;
    return options;
  };
  constexpr Four kNarrow = {32, 64, 160, 256}, kWide = {64, 128, 320, 512};
  static const auto* table = new std::map<std::string, MitOptions>{
      {"b0", variant(kNarrow, {2, 2, 2, 2}, 256)}, {"b1", variant(kWide, {2, 2, 2, 2}, 256)},
      {"b2", variant(kWide, {3, 4, 6, 3}, 768)},   {"b3", variant(kWide, {3, 4, 18, 3}, 768)},
      {"b4", variant(kWide, {3, 8, 27, 3}, 768)},  {"b5", variant(kWide, {3, 6, 40, 3}, 768)}};
  return *table;
}

/// Linear layers normal with deviation 0.02, as vision transformers do; convolutions normal by their fan-out, as the
/// Pyramid Vision Transformer, whose stem and reductions these are. Biases 0; normalisation starts at 1 and 0.
void initialise(nn::Module& module) {
  for (const auto& child : module.modules(/*include_self=*/false)) {
    if (auto* linear = child->as<nn::Linear>()) {
      nn::init::normal_(linear->weight, 0, 0.02);
      nn::init::zeros_(linear->bias);
    } else if (auto* conv = child->as<nn::Conv2d>()) {
      const auto fan_out = static_cast<double>(conv->weight.size(0) * conv->weight.size(2) * conv->weight.size(3) /
                                               conv->options.groups());
      nn::init::normal_(conv->weight, 0, std::sqrt(2 / fan_out));
      nn::init::zeros_(conv->bias);
    }
  }
}

}  // namespace

MitOptions mit(const std::string& variant, double width) {
  const auto found = known().find(variant);
  if (found == known().end()) throw std::invalid_argument("no Mix Transformer is called '" + variant + "'");
  MitOptions options = found->second;
  for (std::size_t i = 0; i < options.channels.size(); ++i) {
    const auto per_head = static_cast<double>(options.channels[i] / options.heads[i]);
    options.channels[i] = options.heads[i] * std::max<std::int64_t>(1, std::llround(per_head * width));
  }
  return options;
}

const std::vector<std::string>& mit_variants() {
  static const auto* names = new std::vector<std::string>{"b0", "b1", "b2", "b3", "b4", "b5"};
  return *names;
}

MixAttentionImpl::MixAttentionImpl(std::int64_t channels, std::int64_t heads, std::int64_t reduction) : heads_(heads) {
  const auto self = holder(*this, "self");
  query_ = self->register_module("query", nn::Linear(channels, channels));
  key_ = self->register_module("key", nn::Linear(channels, channels));
  value_ = self->register_module("value", nn::Linear(channels, channels));
  if (reduction > 1) {
    sr_ = self->register_module("sr", nn::Conv2d(nn::Conv2dOptions(channels, channels, reduction).stride(reduction)));
    norm_ = self->register_module("layer_norm", layers::LayerNorm(channels));
  }
  dense_ = holder(*this, "output")->register_module("dense", nn::Linear(channels, channels));
}

at::Tensor MixAttentionImpl::forward(const at::Tensor& x) {
  const at::Tensor source = sr_.is_empty() ? x : norm_(convolve_tokens(sr_, x));
  const auto split = [&](const at::Tensor& tokens) {  // [N, H, W, C] to [N, heads, H * W, C / heads]
    return tokens.reshape({tokens.size(0), -1, heads_, tokens.size(3) / heads_}).transpose(1, 2);
  };
  const at::Tensor q = split(query_(x)), k = split(key_(source)), v = split(value_(source));
  return dense_(layers::attend(q, k, v).transpose(1, 2).reshape(x.sizes()));
}

at::Tensor MixAttentionImpl::infer(const at::Tensor& x) {
  at::Tensor source = x;
  if (!sr_.is_empty()) {
    source = layers::convolve(*sr_, x);
    layers::normalise_(*norm_, source);
  }
  const auto tokens = [](const at::Tensor& t) { return t.view({t.size(0), -1, t.size(3)}); };
  const at::Tensor mixed = layers::attend(tokens(layers::project(*query_, x)), tokens(layers::project(*key_, source)),
                                          tokens(layers::project(*value_, source)), heads_);
  return layers::project(*dense_, mixed.view(x.sizes()));
}

MixFeedForwardImpl::MixFeedForwardImpl(std::int64_t channels, std::int64_t hidden) {
  dense1_ = register_module("dense1", nn::Linear(channels, hidden));
  dwconv_ = holder(*this, "dwconv")
                ->register_module("dwconv", nn::Conv2d(nn::Conv2dOptions(hidden, hidden, 3).padding(1).groups(hidden)));
  dense2_ = register_module("dense2", nn::Linear(hidden, channels));
}

at::Tensor MixFeedForwardImpl::forward(const at::Tensor& x) {
  return dense2_(at::gelu(convolve_tokens(dwconv_, dense1_(x))));
}

void MixFeedForwardImpl::infer(const at::Tensor& x, at::Tensor& sum) {
  const std::int64_t height = x.size(1), width = x.size(2);
  const std::int64_t band = layers::rows_at_once(height, width, width * dense1_->options.out_features());
  for (std::int64_t n = 0; n < x.size(0); ++n)
    for (std::int64_t begin = 0; begin < height; begin += band) {
      const std::int64_t end = std::min(height, begin + band);
      // The convolution sees one row more on either side; beyond the image it sees its own padding.
      const std::int64_t first = std::max<std::int64_t>(0, begin - 1), last = std::min(height, end + 1);
      const at::Tensor hidden = layers::project(*dense1_, x[n].narrow(0, first, last - first));
      at::Tensor rows = layers::convolve(*dwconv_, hidden.unsqueeze(0))[0].narrow(0, begin - first, end - begin);
      layers::gelu_(rows);
      at::Tensor out = sum[n].narrow(0, begin, end - begin);
      layers::add_scaled_(out, layers::project(*dense2_, rows));
    }
}

MitBlockImpl::MitBlockImpl(std::int64_t channels, std::int64_t heads, std::int64_t reduction, double drop_rate)
    : drop_rate_(drop_rate) {
  norm1_ = register_module("layer_norm_1", layers::LayerNorm(channels));
  attention_ = register_module("attention", MixAttention(channels, heads, reduction));
  norm2_ = register_module("layer_norm_2", layers::LayerNorm(channels));
  mlp_ = register_module("mlp", MixFeedForward(channels, 4 * channels));
}

at::Tensor MitBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor y = x + layers::drop_path(attention_(norm1_(x)), drop_rate_, is_training());
  return y + layers::drop_path(mlp_(norm2_(y)), drop_rate_, is_training());
}

void MitBlockImpl::infer(at::Tensor& x) {
  layers::add_scaled_(x, attention_->infer(layers::normalise(*norm1_, x)));
  mlp_->infer(layers::normalise(*norm2_, x), x);
}

MitEncoderImpl::MitEncoderImpl(const MitOptions& options) : checkpointing_(options.checkpointing) {
  std::int64_t total = 0;
  for (const std::int64_t depth : options.depths) total += depth;
  const std::vector<double> rates = layers::drop_path_rates(total, options.drop_path);

  nn::ModuleList embeddings, blocks, norms;
  std::int64_t in = options.in_channels;
  auto rate = rates.begin();
  for (std::size_t i = 0; i < options.channels.size(); ++i) {
    const std::int64_t channels = options.channels[i], kernel = i == 0 ? 7 : 3, stride = i == 0 ? 4 : 2;
    Stage stage;
    auto embedding = std::make_shared<nn::Module>();
    stage.embed = embedding->register_module(
        "proj", nn::Conv2d(nn::Conv2dOptions(in, channels, kernel).stride(stride).padding(kernel / 2)));
    stage.embed_norm = embedding->register_module("layer_norm", layers::LayerNorm(channels));
    embeddings->push_back(embedding);
    nn::ModuleList list;
    for (std::int64_t j = 0; j < options.depths[i]; ++j) {
      stage.blocks.emplace_back(channels, options.heads[i], options.reductions[i], *rate++);
      list->push_back(stage.blocks.back());
    }
    blocks->push_back(list);
    stage.norm = layers::LayerNorm(channels);
    norms->push_back(stage.norm);
    stages_.push_back(std::move(stage));
    in = channels;
  }
  register_module("patch_embeddings", embeddings);
  register_module("block", blocks);
  register_module("layer_norm", norms);
  initialise(*this);
}

std::vector<at::Tensor> MitEncoderImpl::forward(const at::Tensor& image) {
  std::vector<at::Tensor> features;
  at::Tensor x = image.permute({0, 2, 3, 1});
  for (Stage& stage : stages_) {
    x = stage.embed_norm(convolve_tokens(stage.embed, x));
    for (MitBlock& block : stage.blocks)
      x = checkpointing_ ? sdk::checkpoint(*block, [block](const auto& in) mutable { return block(in[0]); }, {x})
                         : block(x);
    x = stage.norm(x);
    features.push_back(x);
  }
  return features;
}

std::vector<at::Tensor> MitEncoderImpl::infer(const at::Tensor& image) {
  std::vector<at::Tensor> features;
  at::Tensor x = layers::to_channels_last(image);
  for (Stage& stage : stages_) {
    x = layers::convolve(*stage.embed, x);
    layers::normalise_(*stage.embed_norm, x);
    for (MitBlock& block : stage.blocks) block->infer(x);
    layers::normalise_(*stage.norm, x);
    features.push_back(x);
  }
  return features;
}

}  // namespace osteon::models
