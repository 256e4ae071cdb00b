// SPDX-License-Identifier: Apache-2.0
#include "segformer.hpp"

namespace osteon::models {
namespace {

using Rules = std::vector<sdk::Rename>;

std::string encoder(const std::string& name) { return "segformer.encoder." + name; }
std::string head(const std::string& name) { return "decode_head." + name; }

std::string text(std::int64_t number) { return std::to_string(number); }

/// The encoder as its authors name it, below `prefix`: stages count from 1, keys and values are one layer.
void add_original_encoder(Rules& rules, const std::string& prefix) {
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::string stage = text(i + 1), here = encoder("block." + text(i) + ".#.");
    const std::string block = prefix + "block" + stage + ".#.";
    rules.insert(
        rules.end(),
        {{prefix + "patch_embed" + stage + ".proj.*", {encoder("patch_embeddings." + text(i) + ".proj.*")}},
         {prefix + "patch_embed" + stage + ".norm.*", {encoder("patch_embeddings." + text(i) + ".layer_norm.*")}},
         {block + "norm1.*", {here + "layer_norm_1.*"}},
         {block + "attn.q.*", {here + "attention.self.query.*"}},
         {block + "attn.kv.*", {here + "attention.self.key.*", here + "attention.self.value.*"}},
         {block + "attn.sr.*", {here + "attention.self.sr.*"}},
         {block + "attn.norm.*", {here + "attention.self.layer_norm.*"}},
         {block + "attn.proj.*", {here + "attention.output.dense.*"}},
         {block + "norm2.*", {here + "layer_norm_2.*"}},
         {block + "mlp.fc1.*", {here + "mlp.dense1.*"}},
         {block + "mlp.dwconv.*", {here + "mlp.dwconv.*"}},
         {block + "mlp.fc2.*", {here + "mlp.dense2.*"}},
         {prefix + "norm" + stage + ".*", {encoder("layer_norm." + text(i) + ".*")}}});
  }
  rules.push_back({prefix + "head.*", {}});  // of ImageNet
}

Rules original() {
  Rules rules;
  for (const char* prefix : {"", "backbone."}) add_original_encoder(rules, prefix);
  for (std::int64_t i = 0; i < 4; ++i)
    rules.push_back({head("linear_c" + text(i + 1) + ".*"), {head("linear_c." + text(i) + ".*")}});
  rules.insert(rules.end(), {{head("linear_fuse.conv.*"), {head("linear_fuse.*")}},
                             {head("linear_fuse.bn.*"), {head("batch_norm.*")}},
                             {head("linear_pred.*"), {head("classifier.*")}},
                             {head("conv_seg.*"), {}}});  // there, but never run
  return rules;
}

/// Projections from the deepest feature on.
Rules smp() {
  Rules rules;
  add_original_encoder(rules, "encoder.");
  for (std::int64_t i = 0; i < 4; ++i)
    rules.push_back({"decoder.mlp_stage." + text(3 - i) + ".linear.*", {head("linear_c." + text(i) + ".proj.*")}});
  rules.insert(rules.end(), {{"decoder.fuse_stage.0.*", {head("linear_fuse.*")}},
                             {"decoder.fuse_stage.1.*", {head("batch_norm.*")}},
                             {"segmentation_head.0.*", {head("classifier.*")}}});
  return rules;
}

/// Queries, keys and values are one layer, the linear layers of the feed-forward 1x1 convolutions. Its decoder is
/// another architecture, so no name of that is known here.
Rules mmsegmentation() {
  Rules rules;
  for (const std::string prefix : {"", "backbone."})
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::string stage = prefix + "layers." + text(i) + ".", block = stage + "1.#.";
      const std::string here = encoder("block." + text(i) + ".#."), self = here + "attention.self.";
      const auto stacked = [&](const std::string& kind) -> sdk::Rename {
        return {block + "attn.attn.in_proj_" + kind,
                {self + "query." + kind, self + "key." + kind, self + "value." + kind}};
      };
      rules.insert(rules.end(), {{stage + "0.projection.*", {encoder("patch_embeddings." + text(i) + ".proj.*")}},
                                 {stage + "0.norm.*", {encoder("patch_embeddings." + text(i) + ".layer_norm.*")}},
                                 {block + "norm1.*", {here + "layer_norm_1.*"}},
                                 stacked("weight"),
                                 stacked("bias"),
                                 {block + "attn.attn.out_proj.*", {here + "attention.output.dense.*"}},
                                 {block + "attn.sr.*", {self + "sr.*"}},
                                 {block + "attn.norm.*", {self + "layer_norm.*"}},
                                 {block + "norm2.*", {here + "layer_norm_2.*"}},
                                 {block + "ffn.layers.0.*", {here + "mlp.dense1.*"}},
                                 {block + "ffn.layers.1.*", {here + "mlp.dwconv.dwconv.*"}},
                                 {block + "ffn.layers.4.*", {here + "mlp.dense2.*"}},
                                 {stage + "2.*", {encoder("layer_norm." + text(i) + ".*")}}});
    }
  return rules;
}

}  // namespace

std::vector<sdk::WeightDialect> SegformerImpl::weight_names() {
  return {{"Hugging Face", {{"classifier.*", {}}}},  // of ImageNet; the rest are this model's own names
          {"NVlabs", original()},
          {"segmentation_models.pytorch", smp()},
          {"mmsegmentation", mmsegmentation()}};
}

}  // namespace osteon::models
