// SPDX-License-Identifier: Apache-2.0
#include "convnext_upernet.hpp"

#include <malloc.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/model_checks.hpp"
#include "support/peak_memory.hpp"
#include "support/weight_names.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::random_tensor;

ModelUnderTest::Values narrow(bool random = false) {
  ModelUnderTest::Values values;
  values.floats = {
      {"width", 0.0625}, {"drop_path", random ? 0.3 : 0.0}, {"dropout", random ? 0.2 : 0.0}, {"layer_scale", 0.5}};
  values.ints = {{"decoder_channels", {16}}, {"auxiliary_channels", {8}}};
  return values;
}

struct Published {
  const char* variant;
  std::int64_t encoder, with_150, with_29;
};

class ConvNextSizes : public testing::TestWithParam<Published> {};

// The papers' and the published weights' counts; the encoder's are without any norm of its outputs.
TEST_P(ConvNextSizes, AreThePublishedOnesAndRun) {
  ConvNextUperNetImpl::Params params;
  params.variant = GetParam().variant;
  ConvNextUperNetImpl model(params, {3, 29, {}, 0});
  std::int64_t norms = 0;
  for (const char* stage : {"stage1", "stage2", "stage3", "stage4"})
    norms += 2 * model.named_parameters()["backbone.hidden_states_norms." + std::string(stage) + ".bias"].numel();
  EXPECT_EQ(test::parameter_count(*model.named_children()["backbone"]) - norms, GetParam().encoder);
  EXPECT_EQ(test::parameter_count(model), GetParam().with_29);
  EXPECT_EQ(test::parameter_count(model) + (150 - 29) * (512 + 1 + 256 + 1), GetParam().with_150);
  model.eval();
  const c10::InferenceMode inference;
  const std::vector<at::Tensor> outputs = model.forward(random_tensor({1, 3, 64, 32}, 1), sdk::Outputs::kMain);
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].sizes(), (std::vector<std::int64_t>{1, 29, 16, 8}));
  EXPECT_TRUE(outputs[0].isfinite().all().item<bool>());
}
INSTANTIATE_TEST_SUITE_P(Variants, ConvNextSizes,
                         testing::Values(Published{"tiny", 27818592, 60242636, 60149466},
                                         Published{"small", 49453152, 81877196, 81784026}),
                         [](const auto& p) { return std::string(p.param.variant); });
INSTANTIATE_TEST_SUITE_P(Long, ConvNextSizes,
                         testing::Values(Published{"base", 87564416, 122102956, 122009786},
                                         Published{"large", 196227264, 234994796, 234901626},
                                         Published{"xlarge", 348143872, 391140396, 391047226}),
                         [](const auto& p) { return std::string(p.param.variant); });

TEST(ConvNextUperNet, NamesWeightsAsHuggingFaceDoes) {
  const ModelUnderTest model({}, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"backbone.embeddings.patch_embeddings.weight", {96, 3, 4, 4}},
      {"backbone.embeddings.layernorm.weight", {96}},
      {"backbone.encoder.stages.1.downsampling_layer.0.weight", {96}},
      {"backbone.encoder.stages.1.downsampling_layer.1.weight", {192, 96, 2, 2}},
      {"backbone.encoder.stages.2.layers.8.dwconv.weight", {384, 1, 7, 7}},
      {"backbone.encoder.stages.2.layers.0.layernorm.bias", {384}},
      {"backbone.encoder.stages.0.layers.0.pwconv1.weight", {384, 96}},
      {"backbone.encoder.stages.3.layers.2.pwconv2.weight", {768, 3072}},
      {"backbone.encoder.stages.3.layers.2.layer_scale_parameter", {768}},
      {"backbone.hidden_states_norms.stage1.weight", {96}},
      {"backbone.hidden_states_norms.stage4.bias", {768}},
      {"decode_head.psp_modules.3.1.conv.weight", {512, 768, 1, 1}},
      {"decode_head.psp_modules.0.1.batch_norm.running_mean", {512}},
      {"decode_head.bottleneck.conv.weight", {512, 768 + 2048, 3, 3}},
      {"decode_head.lateral_convs.2.conv.weight", {512, 384, 1, 1}},
      {"decode_head.fpn_convs.0.conv.weight", {512, 512, 3, 3}},
      {"decode_head.fpn_bottleneck.batch_norm.weight", {512}},
      {"decode_head.fpn_bottleneck.conv.weight", {512, 2048, 3, 3}},
      {"decode_head.classifier.weight", {29, 512, 1, 1}},
      {"auxiliary_head.convs.0.conv.weight", {256, 384, 3, 3}},
      {"auxiliary_head.convs.0.batch_norm.bias", {256}},
      {"auxiliary_head.classifier.bias", {29}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  // 4 of the stem, 3 x 4 of the reductions, 9 per block, 4 x 2 norms; 12 x 6 and 2 of the head, 6 and 2 of the other.
  EXPECT_EQ(model.tensors().size(), 4u + 12 + 18 * 9 + 8 + 12 * 6 + 2 + 8);
  EXPECT_THROW(model.value("decode_head.bottleneck.conv.bias"), std::out_of_range);
}

TEST(ConvNextUperNet, KnowsTheNamesOfOtherImplementations) {
  const std::string block = "backbone.encoder.stages.2.layers.8.",
                    down = "backbone.encoder.stages.1.downsampling_layer.";
  EXPECT_EQ(test::translated("the paper's authors", "stages.2.8.gamma", 384), block + "layer_scale_parameter 384");
  EXPECT_EQ(test::translated("the paper's authors", "backbone.downsample_layers.0.1.bias", 96),
            "backbone.embeddings.layernorm.bias 96");
  EXPECT_EQ(test::translated("the paper's authors", "norm.weight", 768), "-");
  EXPECT_EQ(test::translated("OpenMMLab", "backbone.stages.2.8.pointwise_conv1.weight", 1536),
            block + "pwconv1.weight 1536");
  EXPECT_EQ(test::translated("OpenMMLab", "backbone.norm3.bias", 768), "backbone.hidden_states_norms.stage4.bias 768");
  EXPECT_EQ(test::translated("OpenMMLab", "decode_head.psp_modules.3.1.bn.running_var", 512),
            "decode_head.psp_modules.3.1.batch_norm.running_var 512");
  EXPECT_EQ(test::translated("OpenMMLab", "auxiliary_head.conv_seg.bias", 150), "auxiliary_head.classifier.bias 150");
  EXPECT_EQ(test::translated("timm", "stages.2.blocks.8.mlp.fc2.bias", 384), block + "pwconv2.bias 384");
  EXPECT_EQ(test::translated("timm", "stages.1.downsample.1.weight", 192), down + "1.weight 192");
  EXPECT_EQ(test::translated("torchvision", "features.5.8.block.2.bias", 384), block + "layernorm.bias 384");
  EXPECT_EQ(test::translated("torchvision", "features.2.0.weight", 96), down + "0.weight 96");
  EXPECT_EQ(test::translated("torchvision", "features.5.8.block.1.weight", 384), "") << "there is no such layer";
  EXPECT_EQ(test::translated("Hugging Face", "backbone.convnext.encoder.stages.2.layers.8.dwconv.bias", 384),
            block + "dwconv.bias 384");
  EXPECT_EQ(test::translated("Hugging Face", "backbone.hidden_states_norms.0.weight", 96),
            "backbone.hidden_states_norms.stage1.weight 96");
}

TEST(ConvNextUperNet, OwnKernelsGiveWhatAutogradGives) {
  for (const std::int64_t channels : {1, 3, 4})
    for (const auto& size : {std::pair<std::int64_t, std::int64_t>{32, 32}, {160, 96}, {224, 352}}) {
      if (channels == 1 && size.first == 224) continue;
      ConvNextUperNetImpl::Params params;
      params.width = channels == 4 ? 0.0625 : 0.25;
      params.decoder_channels = channels == 4 ? 7 : 64;
      ConvNextUperNetImpl model(params, {channels, 5, {}, 0});
      test::shake(model, 1);
      test::expect_own_kernels_agree(model, random_tensor({2, channels, size.first, size.second}, 2));
    }
}

TEST(ConvNextUperNet, GradientsAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow(), 3, 2);
  for (const auto* t : model.tensors())
    if (t->role == OSTEON_TENSOR_PARAMETER)
      sdk::borrow(t->value).add_(random_tensor(sdk::borrow(t->value).sizes().vec(), 7) - 0.5, 0.1);
  test::expect_finite_differences(
      model, random_tensor({2, 3, 64, 96}, 3),
      {"backbone.embeddings.patch_embeddings.weight", "backbone.encoder.stages.0.layers.1.dwconv.weight",
       "backbone.encoder.stages.1.downsampling_layer.1.weight", "backbone.encoder.stages.2.layers.8.pwconv1.weight",
       "backbone.encoder.stages.3.layers.0.layer_scale_parameter", "backbone.hidden_states_norms.stage2.weight",
       "decode_head.lateral_convs.0.conv.weight", "decode_head.fpn_bottleneck.conv.weight",
       "decode_head.classifier.bias", "auxiliary_head.convs.0.conv.weight", "auxiliary_head.classifier.weight"});
}

TEST(ConvNextUperNet, RecomputingGivesTheSameGradients) {
  ModelUnderTest::Values recomputing = narrow(true);
  recomputing.ints["checkpointing"] = {1};
  for (const std::int64_t images : {3, 1}) {
    ModelUnderTest a(narrow(true), 3, 2), b(recomputing, 3, 2);
    test::expect_same_training(a, b, random_tensor({images, 3, 64, 64}, 3));
  }
}

TEST(ConvNextUperNet, NormalisesOnePooledPixelOfASingleImageWithRunningStatistics) {
  ModelUnderTest model(narrow(), 3, 2);
  const std::string head = "decode_head.psp_modules.", mean = ".1.batch_norm.running_mean";
  for (const char* level : {"0", "1"}) model.value(head + level + mean).fill_(0.25);
  const auto kept = [&](const char* level) { return model.value(head + level + mean).eq(0.25).all().item<bool>(); };
  const auto train_on = [&](std::int64_t images) {
    ModelUnderTest::Step step(model, random_tensor({images, 3, 64, 96}, 3));
    step.backward({at::ones_like(step.output(0)), at::zeros_like(step.output(1))});
  };
  train_on(1);
  EXPECT_TRUE(kept("0"));
  EXPECT_FALSE(kept("1")) << "four pixels have statistics";
  EXPECT_GT(model.grad(head + "0.1.conv.weight").abs().max().item<float>(), 0);
  train_on(2);
  EXPECT_FALSE(kept("0"));
}

TEST(ConvNextUperNet, HasAnAuxiliaryOutputUnlessItIsLeftOut) {
  ModelUnderTest::Values values = narrow();
  ModelUnderTest with(values, 3, 2);
  ASSERT_EQ(with.info().n_outputs, 2u);
  EXPECT_STREQ(with.info().outputs[1]->name, "auxiliary");
  EXPECT_EQ(with.info().outputs[1]->loss_weight, 0.4);
  const ModelUnderTest::Step step(with, random_tensor({2, 3, 64, 96}, 1));
  EXPECT_EQ(step.output(0).sizes(), (std::vector<std::int64_t>{2, 2, 16, 24}));
  EXPECT_EQ(step.output(1).sizes(), (std::vector<std::int64_t>{2, 2, 4, 6}));
  test::expect_all_outputs(with, random_tensor({2, 3, 64, 96}, 1));
  values.floats["auxiliary"] = 0;
  const ModelUnderTest without(values, 3, 2);
  EXPECT_EQ(without.info().n_outputs, 1u);
  EXPECT_THROW(without.value("auxiliary_head.classifier.bias"), std::out_of_range);
}

/// MiB that this process has resident, once what was freed is given back.
long resident_mib() {
  malloc_trim(0);
  return test::forget_peak();
}

long mib_of(const ModelUnderTest& model, osteon_tensor_view osteon_named_tensor::*view) {
  std::int64_t bytes = 0;
  for (const osteon_named_tensor* t : model.tensors())
    if ((t->*view).data != nullptr) bytes += sdk::element_count(t->*view) * ((t->*view).dtype.bits / 8);
  return static_cast<long>(bytes >> 20);
}

// The published tiny one. What the process holds is compared with what the tensors take.
TEST(ConvNextUperNet, HoldsItsWeightsOnceWhileItPredicts) {
  const long before = resident_mib();
  ModelUnderTest model({}, 3, 29);
  model.infer(test::RecordingCall(), random_tensor({1, 3, 64, 64}, 1), 0);
  const long predicting = resident_mib() - before, weights = mib_of(model, &osteon_named_tensor::value);
  EXPECT_GT(weights, 220);
  EXPECT_GT(predicting, weights * 9 / 10);
  EXPECT_LT(predicting, weights * 13 / 10);
  EXPECT_EQ(mib_of(model, &osteon_named_tensor::grad), 0);

  std::vector<std::uint64_t> head;
  for (std::size_t i = 0; i < model.tensors().size(); ++i)
    if (std::string(model.tensors()[i]->name).rfind("auxiliary_head.", 0) == 0 &&
        model.tensors()[i]->role == OSTEON_TENSOR_PARAMETER)
      head.push_back(i);
  model.set_trainable(head);
  const long gradients = mib_of(model, &osteon_named_tensor::grad);
  EXPECT_EQ(gradients, 3);  // 256 x 384 x 9 floats, and some
  EXPECT_LT(resident_mib() - before - predicting, gradients + weights / 20);
  model.train_all();
  EXPECT_GT(resident_mib() - before - predicting, weights * 9 / 10);
  model.set_trainable({});
  EXPECT_EQ(mib_of(model, &osteon_named_tensor::grad), 0);
  EXPECT_LT(resident_mib() - before - predicting, weights / 20);
}

TEST(ConvNextUperNet, KnowsItsPartsAndTheEncodersDepth) {
  const ModelUnderTest model(narrow(), 3, 2);
  const auto expect = [&](const char* name, std::uint32_t part, std::int64_t depth) {
    const osteon_named_tensor& tensor = *model.tensors()[model.index_of(name)];
    EXPECT_EQ(tensor.part, part) << name;
    EXPECT_EQ(tensor.depth, depth) << name;
  };
  expect("backbone.embeddings.patch_embeddings.weight", OSTEON_PART_ENCODER, 0);
  expect("backbone.encoder.stages.0.layers.0.dwconv.weight", OSTEON_PART_ENCODER, 0);
  expect("backbone.encoder.stages.3.layers.2.layer_scale_parameter", OSTEON_PART_ENCODER, 3);
  expect("backbone.hidden_states_norms.stage2.weight", OSTEON_PART_ENCODER, 1);
  expect("decode_head.fpn_bottleneck.conv.weight", OSTEON_PART_DECODER, -1);
  expect("decode_head.classifier.weight", OSTEON_PART_HEAD, -1);
  expect("auxiliary_head.convs.0.conv.weight", OSTEON_PART_HEAD, -1);
}

TEST(ConvNextUperNet, DrawsFromTheCallsSeedAlone) {
  ModelUnderTest model(narrow(true), 3, 2);
  const at::Tensor x = random_tensor({2, 3, 64, 64}, 3);
  const auto run = [&](std::uint64_t seed) { return ModelUnderTest::Step(model, x, seed).output().clone(); };
  EXPECT_TRUE(run(1).equal(run(1)));
  EXPECT_FALSE(run(1).equal(run(2)));
}

TEST(ConvNextUperNet, StartsAsThePapersDo) {
  const ModelUnderTest model({}, 3, 29);
  EXPECT_NEAR(model.value("backbone.encoder.stages.3.layers.0.pwconv1.weight").std().item<double>(), 0.02, 1e-4);
  EXPECT_EQ(model.value("backbone.encoder.stages.3.layers.0.pwconv1.bias").abs().max().item<float>(), 0);
  EXPECT_FLOAT_EQ(model.value("backbone.encoder.stages.0.layers.0.layer_scale_parameter").max().item<float>(), 1e-6f);
  EXPECT_NEAR(model.value("decode_head.classifier.weight").std().item<double>(), 0.01, 5e-4);
}

}  // namespace
}  // namespace osteon::models
