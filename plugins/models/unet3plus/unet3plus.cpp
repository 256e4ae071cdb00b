// SPDX-License-Identifier: Apache-2.0
#include "unet3plus.hpp"

#include <algorithm>
#include <utility>

#include <osteon/sdk/torch/checkpoint.hpp>

#include "layers/inference_ops.hpp"
#include "layers/tensor_names.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;

constexpr std::size_t kLevels = 5;
constexpr std::size_t kNodes = kLevels - 1;

/// The release's name of what brings source `s` to node `level`: features are h1, h2, ..., decoded maps hd1, hd2, ...
std::string skip_name(std::size_t s, std::size_t level) {
  const std::string source = std::to_string(s + 1), node = "_hd" + std::to_string(level + 1);
  if (s > level) return "hd" + source + "_UT" + node;
  // The coarsest feature is its own decoded map, and called so.
  return "h" + source + (s == level ? "_Cat" : "_PT") + node;
}

/// Convolutions as He et al. (ICCV 2015), scales of normalisation near 1, as the release.
void initialise(nn::Module& module) {
  for (const auto& child : module.modules(/*include_self=*/false)) {
    if (auto* conv = child->as<nn::Conv2d>()) {
      nn::init::kaiming_normal_(conv->weight, 0, torch::kFanIn, torch::kReLU);
    } else if (auto* norm = child->as<nn::BatchNorm2d>()) {
      nn::init::normal_(norm->weight, 1, 0.02);
      nn::init::zeros_(norm->bias);
    }
  }
}

}  // namespace

UNet3PlusImpl::UNet3PlusImpl(const Params& params, const sdk::ModelRequest& request)
    : deep_supervision_(params.deep_supervision), checkpointing_(params.checkpointing) {
  std::vector<std::int64_t> channels;
  for (std::size_t s = 0; s < kLevels; ++s) {
    channels.push_back(params.filters << s);
    encoder_.push_back(register_module("conv" + std::to_string(s + 1),
                                       EncoderLevel(s == 0 ? request.in_channels : channels[s - 1], channels[s])));
  }
  const std::int64_t joined = static_cast<std::int64_t>(kLevels) * params.filters;
  nodes_.assign(kNodes, nullptr);
  for (std::size_t level = kNodes; level-- > 0;) {
    nodes_[level] = FullScaleNode(static_cast<std::int64_t>(level), channels, params.filters);
    // The release names all of a node's layers in one flat list.
    for (std::size_t s = 0; s < kLevels; ++s) {
      register_module(skip_name(s, level) + "_conv", nodes_[level]->skip(s)->conv());
      register_module(skip_name(s, level) + "_bn", nodes_[level]->skip(s)->norm());
    }
    const std::string fusion = std::to_string(level + 1) + "d_1";
    register_module("conv" + fusion, nodes_[level]->fusion()->conv());
    register_module("bn" + fusion, nodes_[level]->fusion()->norm());
    channels[level] = joined;
  }
  for (std::size_t i = 0; i < (deep_supervision_ ? kLevels : 1); ++i)
    heads_.push_back(register_module("outconv" + std::to_string(i + 1),
                                     nn::Conv2d(nn::Conv2dOptions(channels[i], request.n_classes, 3).padding(1))));
  top_ = std::make_shared<nn::Module>();
  top_->register_module("node", nodes_[0]);
  top_->register_module("head", heads_[0]);
  if (params.classification_guided != "none")
    guide_ = register_module("cls", ClassGuide(channels.back(), request.n_classes,
                                               params.classification_guided == "any" ? ClassGuideImpl::Kind::kAny
                                                                                     : ClassGuideImpl::Kind::kPerClass,
                                               params.dropout));
  gives_presence_ =
      params.classification_guided == "per_class" || (params.classification_guided == "any" && request.n_classes == 1);
  initialise(*this);
  for (const nn::Conv2d& head : heads_) layers::start_at(head, params.prior);
}

sdk::ModelTraits UNet3PlusImpl::traits() const {
  sdk::ModelTraits traits;
  traits.size_multiple = std::int64_t{1} << (kLevels - 1);
  traits.own_kernels = true;
  for (std::size_t i = 1; i < heads_.size(); ++i)
    traits.outputs.push_back({"d" + std::to_string(i + 1), 1, std::int64_t{1} << i, false});
  // The losses over pixels train it, unless a recipe does.
  if (gives_presence_) traits.outputs.push_back({"presence", 0, 0, false, sdk::OutputRole::kPresence});
  return traits;
}

sdk::TensorTraits UNet3PlusImpl::tensor_traits(const std::string& name, sdk::TensorTraits usual) const {
  // The encoder's levels are conv1 to conv5; a node's fusion has a name such as conv4d_1.
  const std::int64_t level = name.find("d_") == std::string::npos ? layers::number_behind("conv", name) : -1;
  if (level > 0) {
    usual.part = sdk::Part::kEncoder;
    usual.depth = level - 1;
  } else {
    const bool head = layers::begins_with(name, "outconv") || layers::begins_with(name, "cls.");
    usual.part = head ? sdk::Part::kHead : sdk::Part::kDecoder;
  }
  return usual;
}

std::vector<torch::Tensor> UNet3PlusImpl::forward(const torch::Tensor& x, sdk::Outputs wanted) {
  if (!is_training() && layers::own_kernels_apply(x)) return infer(x, wanted);
  const bool all = wanted == sdk::Outputs::kAll;
  const auto run = [this](nn::Module& part, auto body, const std::vector<at::Tensor>& inputs) -> at::Tensor {
    return checkpointing_ ? sdk::checkpoint(part, body, inputs) : body(inputs);
  };
  // What each level shows to the decoder's nodes: its feature, and once it is decoded, that.
  std::vector<at::Tensor> maps;
  at::Tensor feature = is_training() ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
  for (EncoderLevel& level : encoder_) {
    if (!maps.empty()) feature = pool(feature, 2);
    feature = run(*level, [level](const auto& in) mutable { return level(in[0]); }, {feature});
    maps.push_back(feature);
  }
  for (std::size_t i = kNodes - 1; i > 0; --i)
    maps[i] = run(
        *nodes_[i], [node = nodes_[i]](const auto& in) mutable { return node(in); }, maps);
  std::vector<at::Tensor> outputs = {run(
      *top_, [node = nodes_[0], head = heads_[0]](const auto& in) mutable { return head(node(in)); }, maps)};
  for (std::size_t i = 1; all && i < heads_.size(); ++i) outputs.push_back(heads_[i](maps[i]));
  if (guide_.is_empty()) return outputs;
  const at::Tensor presence = guide_(maps.back());
  for (at::Tensor& logits : outputs) logits = guided(logits, presence);
  if (all && gives_presence_) outputs.push_back(presence);
  return outputs;
}

std::vector<at::Tensor> UNet3PlusImpl::infer(const at::Tensor& x, sdk::Outputs wanted) {
  const bool all = wanted == sdk::Outputs::kAll;
  std::vector<at::Tensor> outputs(all ? heads_.size() : 1);
  std::vector<std::vector<at::Tensor>> sources(kNodes, std::vector<at::Tensor>(kLevels));
  at::Tensor feature = layers::to_channels_last(x);
  for (std::size_t s = 0; s < kLevels; ++s) {
    if (s > 0) feature = pool_channels_last(feature, 2);  // and the finer one is freed
    feature = encoder_[s]->infer(feature);
    for (std::size_t level = s; level < kNodes; ++level) sources[level][s] = nodes_[level]->infer_skip(s, feature);
  }
  const at::Tensor presence = guide_.is_empty() ? at::Tensor() : guide_->infer(feature);
  for (std::size_t i = kNodes; i > 0; --i) {
    if (i < outputs.size()) outputs[i] = infer_head(i, feature);
    for (std::size_t level = 0; level < i; ++level) sources[level][i] = feature;
    if (i == 1) break;
    feature = nodes_[i - 1]->infer(sources[i - 1]);
    sources.pop_back();
  }
  feature.reset();
  outputs[0] = infer_top(std::exchange(sources[0], {}));
  if (!presence.defined()) return outputs;
  for (at::Tensor& logits : outputs) logits = guided(logits, presence);
  if (all && gives_presence_) outputs.push_back(presence);
  return outputs;
}

at::Tensor UNet3PlusImpl::infer_head(std::size_t level, const at::Tensor& map) const {
  const nn::Conv2d& head = heads_[level];
  return layers::to_channels_first(layers::convolve(map, head->weight, 1)) + head->bias.view({1, -1, 1, 1});
}

at::Tensor UNet3PlusImpl::infer_top(const std::vector<at::Tensor>& sources) const {
  const nn::Conv2d& head = heads_[0];
  const std::int64_t images = sources[0].size(0), height = sources[0].size(1), width = sources[0].size(2);
  const std::int64_t classes = head->weight.size(0), band = nodes_[0]->rows_at_once(width);
  at::Tensor logits = head->bias.view({1, classes, 1, 1}).repeat({images, 1, height, width});
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t begin = 0; begin < height; begin += band) {
      const std::int64_t end = std::min(height, begin + band);
      const at::Tensor rows = nodes_[0]->infer_rows(sources, n, begin, end).unsqueeze(0);
      // A band also has its share in the rows next to it: [begin - 1, end + 1).
      const at::Tensor share = layers::convolve(rows, head->weight, /*row_padding=*/2, /*column_padding=*/1)[0];
      const std::int64_t top = std::max<std::int64_t>(0, begin - 1), bottom = std::min(height, end + 1);
      logits[n].narrow(1, top, bottom - top).add_(share.narrow(0, top - (begin - 1), bottom - top).permute({2, 0, 1}));
    }
  return logits;
}

}  // namespace osteon::models

OSTEON_PLUGIN("unet3plus", "1.0.0",
              osteon::sdk::torch_model<osteon::models::UNet3PlusImpl>(
                  {"unet3plus", "1.0.0", "UNet 3+: full-scale skips, deep supervision, classification guidance.",
                   "Huang et al.: UNet 3+, ICASSP 2020, arXiv:2004.08790"}))
