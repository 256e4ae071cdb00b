// SPDX-License-Identifier: Apache-2.0
#include "convnext_upernet.hpp"

namespace osteon::models {
namespace {

using Rules = std::vector<sdk::Rename>;

std::string backbone(const std::string& name) { return "backbone." + name; }
std::string stage(const std::string& name) { return "backbone.encoder.stages." + name; }

std::string text(std::int64_t number) { return std::to_string(number); }

/// A block's layers by other names; `block` and the place here have the numbers of stage and block in common.
void add_block(Rules& rules, const std::string& block, const std::string& here, const std::string& depthwise,
               const std::string& norm, const std::string& first, const std::string& second, const std::string& scale) {
  rules.insert(rules.end(), {{block + depthwise + ".*", {here + "dwconv.*"}},
                             {block + norm + ".*", {here + "layernorm.*"}},
                             {block + first + ".*", {here + "pwconv1.*"}},
                             {block + second + ".*", {here + "pwconv2.*"}},
                             {block + scale, {here + "layer_scale_parameter"}}});
}

/// The stem and the layers between stages, as the paper's authors and OpenMMLab name them.
void add_downsampling(Rules& rules, const std::string& prefix) {
  rules.push_back({prefix + "downsample_layers.0.0.*", {backbone("embeddings.patch_embeddings.*")}});
  rules.push_back({prefix + "downsample_layers.0.1.*", {backbone("embeddings.layernorm.*")}});
  rules.push_back({prefix + "downsample_layers.#.#.*", {stage("#.downsampling_layer.#.*")}});
}

/// Norms of the stages' outputs, numbered from 0, and OpenMMLab's heads.
void add_segmentation(Rules& rules) {
  for (std::int64_t i = 0; i < 4; ++i)
    rules.push_back({"backbone.norm" + text(i) + ".*", {backbone("hidden_states_norms.stage" + text(i + 1) + ".*")}});
  for (const std::string head : {"decode_head.", "auxiliary_head."}) {
    rules.push_back({head + "*.bn.*", {head + "*.batch_norm.*"}});
    rules.push_back({head + "conv_seg.*", {head + "classifier.*"}});
  }
}

Rules original() {
  Rules rules;
  for (const std::string prefix : {"", "backbone."}) {
    add_downsampling(rules, prefix);
    add_block(rules, prefix + "stages.#.#.", stage("#.layers.#."), "dwconv", "norm", "pwconv1", "pwconv2", "gamma");
  }
  add_segmentation(rules);
  rules.push_back({"norm.*", {}});  // after the pooling of ImageNet's classifier
  rules.push_back({"head.*", {}});
  return rules;
}

Rules open_mmlab() {
  Rules rules;
  for (const std::string prefix : {"", "backbone."}) {
    add_downsampling(rules, prefix);
    add_block(rules, prefix + "stages.#.#.", stage("#.layers.#."), "depthwise_conv", "norm", "pointwise_conv1",
              "pointwise_conv2", "gamma");
  }
  add_segmentation(rules);
  rules.push_back({"head.*", {}});
  return rules;
}

Rules timm() {
  Rules rules = {{"stem.0.*", {backbone("embeddings.patch_embeddings.*")}},
                 {"stem.1.*", {backbone("embeddings.layernorm.*")}},
                 {"stages.#.downsample.#.*", {stage("#.downsampling_layer.#.*")}},
                 {"head.*", {}}};
  add_block(rules, "stages.#.blocks.#.", stage("#.layers.#."), "conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma");
  return rules;
}

/// Stem, stages and what is between them are counted in one go.
Rules torchvision() {
  Rules rules = {{"features.0.0.*", {backbone("embeddings.patch_embeddings.*")}},
                 {"features.0.1.*", {backbone("embeddings.layernorm.*")}},
                 {"classifier.*", {}}};
  for (std::int64_t i = 0; i < 4; ++i) {
    if (i > 0) rules.push_back({"features." + text(2 * i) + ".#.*", {stage(text(i) + ".downsampling_layer.#.*")}});
    add_block(rules, "features." + text(2 * i + 1) + ".#.", stage(text(i) + ".layers.#."), "block.0", "block.2",
              "block.3", "block.5", "layer_scale");
  }
  return rules;
}

/// Its other models, and an intermediate version of this one.
Rules hugging_face() {
  Rules rules;
  for (const std::string prefix : {"", "convnext.", "backbone.convnext."}) {
    for (const char* part : {"embeddings.*", "encoder.*"}) rules.push_back({prefix + part, {backbone(part)}});
    rules.push_back({prefix + "layernorm.*", {}});  // after the pooling of ImageNet's classifier
  }
  for (std::int64_t i = 0; i < 4; ++i)
    for (const std::string prefix : {"", "backbone."})
      rules.push_back({prefix + "hidden_states_norms." + text(i) + ".*",
                       {backbone("hidden_states_norms.stage" + text(i + 1) + ".*")}});
  rules.push_back({"classifier.*", {}});
  return rules;
}

}  // namespace

std::vector<sdk::WeightDialect> ConvNextUperNetImpl::weight_names() {
  return {{"Hugging Face", hugging_face()},
          {"the paper's authors", original()},
          {"OpenMMLab", open_mmlab()},
          {"timm", timm()},
          {"torchvision", torchvision()}};
}

}  // namespace osteon::models
