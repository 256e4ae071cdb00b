// SPDX-License-Identifier: Apache-2.0
#include "segformer.hpp"

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/model_checks.hpp"
#include "support/weight_names.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::random_tensor;

ModelUnderTest::Values narrow(bool random = false) {
  ModelUnderTest::Values values;
  values.floats = {{"width", 0.25}, {"drop_path", random ? 0.3 : 0.0}, {"dropout", random ? 0.2 : 0.0}};
  values.ints["decoder_channels"] = {16};
  return values;
}

struct Published {
  const char* variant;
  std::int64_t encoder, with_150, with_29;
};

class SegformerSizes : public testing::TestWithParam<Published> {};

// The published weights' counts.
TEST_P(SegformerSizes, AreThePublishedOnesAndRun) {
  SegformerImpl::Params params;
  params.variant = GetParam().variant;
  SegformerImpl model(params, {3, 29, {}, 0});
  EXPECT_EQ(test::parameter_count(*model.named_children()["segformer"]), GetParam().encoder);
  EXPECT_EQ(test::parameter_count(model), GetParam().with_29);
  const std::int64_t width = model.named_parameters()["decode_head.classifier.weight"].size(1);
  EXPECT_EQ(test::parameter_count(model) + (150 - 29) * (width + 1), GetParam().with_150);
  model.eval();
  const c10::InferenceMode inference;
  const at::Tensor logits = model.forward(random_tensor({1, 3, 64, 32}, 1));
  EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{1, 29, 16, 8}));
  EXPECT_TRUE(logits.isfinite().all().item<bool>());
}
INSTANTIATE_TEST_SUITE_P(
    Variants, SegformerSizes,
    testing::Values(Published{"b0", 3319392, 3752694, 3721597}, Published{"b1", 13151424, 13715798, 13684701},
                    Published{"b2", 24196288, 27461974, 27368925}, Published{"b3", 44072128, 47337814, 47244765},
                    Published{"b4", 60842688, 64108374, 64015325}, Published{"b5", 81443008, 84708694, 84615645}),
    [](const auto& p) { return std::string(p.param.variant); });

TEST(Segformer, NamesWeightsAsHuggingFaceDoes) {
  const ModelUnderTest model({}, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"segformer.encoder.patch_embeddings.0.proj.weight", {32, 3, 7, 7}},
      {"segformer.encoder.patch_embeddings.3.layer_norm.bias", {256}},
      {"segformer.encoder.block.0.1.layer_norm_1.weight", {32}},
      {"segformer.encoder.block.1.0.attention.self.query.weight", {64, 64}},
      {"segformer.encoder.block.1.0.attention.self.key.bias", {64}},
      {"segformer.encoder.block.2.0.attention.self.value.weight", {160, 160}},
      {"segformer.encoder.block.0.0.attention.self.sr.weight", {32, 32, 8, 8}},
      {"segformer.encoder.block.2.1.attention.self.layer_norm.weight", {160}},
      {"segformer.encoder.block.3.1.attention.output.dense.weight", {256, 256}},
      {"segformer.encoder.block.3.0.layer_norm_2.bias", {256}},
      {"segformer.encoder.block.0.0.mlp.dense1.weight", {128, 32}},
      {"segformer.encoder.block.0.0.mlp.dwconv.dwconv.weight", {128, 1, 3, 3}},
      {"segformer.encoder.block.0.0.mlp.dense2.weight", {32, 128}},
      {"segformer.encoder.layer_norm.2.weight", {160}},
      {"decode_head.linear_c.1.proj.weight", {256, 64}},
      {"decode_head.linear_fuse.weight", {256, 1024, 1, 1}},
      {"decode_head.batch_norm.running_var", {256}},
      {"decode_head.classifier.weight", {29, 256, 1, 1}},
      {"decode_head.classifier.bias", {29}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  // Per stage 4 of the embedding, 2 of the norm, 18 per block and 4 more with a reduction; 16 of the head.
  EXPECT_EQ(model.tensors().size(), 4u * 6 + 8 * 18 + 6 * 4 + 16);
  EXPECT_THROW(model.value("segformer.encoder.block.3.0.attention.self.sr.weight"), std::out_of_range);
  EXPECT_THROW(model.value("decode_head.linear_fuse.bias"), std::out_of_range);
}

TEST(Segformer, KnowsTheNamesOfOtherImplementations) {
  const std::string block = "segformer.encoder.block.2.1.", self = block + "attention.self.";
  EXPECT_EQ(test::translated("NVlabs", "backbone.block3.1.attn.kv.bias", 320),
            self + "key.bias 160, " + self + "value.bias 160");
  EXPECT_EQ(test::translated("NVlabs", "patch_embed1.norm.weight", 32),
            "segformer.encoder.patch_embeddings.0.layer_norm.weight 32");
  EXPECT_EQ(test::translated("NVlabs", "decode_head.linear_c4.proj.weight", 256),
            "decode_head.linear_c.3.proj.weight 256");
  EXPECT_EQ(test::translated("NVlabs", "decode_head.conv_seg.weight", 150), "-");
  EXPECT_EQ(test::translated("segmentation_models.pytorch", "encoder.norm2.bias", 64),
            "segformer.encoder.layer_norm.1.bias 64");
  EXPECT_EQ(test::translated("segmentation_models.pytorch", "decoder.mlp_stage.0.linear.bias", 256),
            "decode_head.linear_c.3.proj.bias 256");
  EXPECT_EQ(test::translated("mmsegmentation", "backbone.layers.2.1.1.attn.attn.in_proj_weight", 480),
            self + "query.weight 160, " + self + "key.weight 160, " + self + "value.weight 160");
  EXPECT_EQ(test::translated("mmsegmentation", "layers.2.1.1.ffn.layers.4.weight", 160),
            block + "mlp.dense2.weight 160");
  EXPECT_EQ(test::translated("mmsegmentation", "decode_head.convs.0.conv.weight", 256), "") << "another decoder";
  EXPECT_EQ(test::translated("Hugging Face", "classifier.weight", 1000), "-");
  EXPECT_EQ(test::translated("Hugging Face", "decode_head.classifier.weight", 150), "") << "it stays";
}

TEST(Segformer, OwnKernelsGiveWhatAutogradGives) {
  for (const std::int64_t channels : {1, 3, 4})
    for (const auto& size : {std::pair<std::int64_t, std::int64_t>{32, 32}, {160, 96}, {352, 608}}) {
      if (channels == 1 && size.first == 352) continue;
      SegformerImpl::Params params;
      params.width = channels == 4 ? 0.125 : 0.5;
      SegformerImpl model(params, {channels, 5, {}, 0});
      test::shake(model, 1);
      test::expect_own_kernels_agree(model, random_tensor({2, channels, size.first, size.second}, 2));
    }
}

TEST(Segformer, GradientsAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow(), 3, 2);
  for (const auto* t : model.tensors()) {
    if (t->role != OSTEON_TENSOR_PARAMETER) continue;
    // Small queries and keys make attention flat, and their gradients too small to measure.
    const std::string name = t->name;
    const bool sharp = name.find("query") != std::string::npos || name.find("key") != std::string::npos;
    sdk::borrow(t->value).add_(random_tensor(sdk::borrow(t->value).sizes().vec(), 7) - 0.5, sharp ? 3 : 0.2);
  }
  test::expect_finite_differences(
      model, random_tensor({2, 3, 64, 96}, 3),
      {"segformer.encoder.patch_embeddings.0.proj.weight", "segformer.encoder.block.0.0.attention.self.query.weight",
       "segformer.encoder.block.1.0.attention.self.sr.weight", "segformer.encoder.block.2.1.mlp.dwconv.dwconv.weight",
       "segformer.encoder.block.3.0.attention.self.value.weight", "decode_head.linear_c.0.proj.weight",
       "decode_head.linear_c.2.proj.weight", "decode_head.linear_fuse.weight", "decode_head.classifier.bias"});
}

TEST(Segformer, RecomputingGivesTheSameGradients) {
  ModelUnderTest::Values recomputing = narrow(true);
  recomputing.ints["checkpointing"] = {1};
  ModelUnderTest a(narrow(true), 3, 2), b(recomputing, 3, 2);
  test::expect_same_training(a, b, random_tensor({3, 3, 64, 64}, 3));
}

TEST(Segformer, DrawsFromTheCallsSeedAlone) {
  ModelUnderTest model(narrow(true), 3, 2);
  const at::Tensor x = random_tensor({2, 3, 64, 64}, 3);
  const auto run = [&](std::uint64_t seed) { return ModelUnderTest::Step(model, x, seed).output().clone(); };
  EXPECT_TRUE(run(1).equal(run(1)));
  EXPECT_FALSE(run(1).equal(run(2)));
}

TEST(Segformer, StartsAsThePapersDo) {
  const ModelUnderTest model({}, 3, 29);
  const auto deviation = [&](const char* name) { return model.value(name).std().item<double>(); };
  EXPECT_NEAR(deviation("segformer.encoder.block.3.0.mlp.dense1.weight"), 0.02, 2e-4);
  EXPECT_NEAR(deviation("segformer.encoder.patch_embeddings.1.proj.weight"), std::sqrt(2.0 / (64 * 9)), 1e-3);
  EXPECT_NEAR(deviation("segformer.encoder.block.3.0.mlp.dwconv.dwconv.weight"), std::sqrt(2.0 / 9), 1e-2);
  EXPECT_EQ(model.value("segformer.encoder.block.3.0.mlp.dense1.bias").abs().max().item<float>(), 0);
  EXPECT_EQ(model.value("segformer.encoder.layer_norm.0.weight").std().item<float>(), 0);
}

TEST(Segformer, KnowsItsPartsAndTheEncodersDepth) {
  const ModelUnderTest model(narrow(), 3, 2);
  const auto expect = [&](const char* name, std::uint32_t part, std::int64_t depth) {
    const osteon_named_tensor& tensor = *model.tensors()[model.index_of(name)];
    EXPECT_EQ(tensor.part, part) << name;
    EXPECT_EQ(tensor.depth, depth) << name;
  };
  expect("segformer.encoder.patch_embeddings.0.proj.weight", OSTEON_PART_ENCODER, 0);
  expect("segformer.encoder.block.2.0.mlp.dense1.weight", OSTEON_PART_ENCODER, 2);
  expect("segformer.encoder.layer_norm.3.weight", OSTEON_PART_ENCODER, 3);
  expect("decode_head.linear_c.1.proj.weight", OSTEON_PART_DECODER, -1);
  expect("decode_head.classifier.weight", OSTEON_PART_HEAD, -1);
}

TEST(Segformer, RefusesSizesThatLevelsWouldCut) {
  const ModelUnderTest model(narrow(), 3, 2);
  EXPECT_EQ(model.info().size_multiple, 32);
  EXPECT_EQ(model.info().outputs[0]->stride, 4);
  EXPECT_THROW(model.infer(test::RecordingCall(), random_tensor({1, 3, 64, 68}, 1)), sdk::Error);
}

}  // namespace
}  // namespace osteon::models
