// SPDX-License-Identifier: Apache-2.0
#include "deeplabv3plus.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/encoder_lists.hpp"
#include "support/model_checks.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::random_tensor;

ModelUnderTest::Values narrow(std::int64_t output_stride = 16, double dropout = 0) {
  ModelUnderTest::Values values;
  values.strings["encoder"] = "resnet18";
  values.floats = {{"width", 0.125}, {"dropout", dropout}};
  values.ints = {{"decoder_channels", {16}}, {"output_stride", {output_stride}}, {"atrous_rates", {1, 2, 3}}};
  return values;
}

class DeepLabEncoders : public testing::TestWithParam<std::string> {};

TEST_P(DeepLabEncoders, AllRunAtEitherStride) {
  for (const std::int64_t output_stride : {16, 8}) {
    DeepLabV3PlusImpl::Params params;
    params.encoder = GetParam();
    params.output_stride = output_stride;
    if (params.encoder == "basic" && output_stride == 8) {
      EXPECT_THROW(DeepLabV3PlusImpl(params, {3, 29, {}, 0}), std::invalid_argument);
      continue;
    }
    DeepLabV3PlusImpl model(params, {3, 29, {}, 0});
    EXPECT_EQ(model.traits().size_multiple, output_stride);
    model.eval();
    const c10::InferenceMode inference;
    const at::Tensor logits = model.forward(random_tensor({1, 3, 5 * output_stride, 3 * output_stride}, 1));
    EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{1, 29, 5 * output_stride / 4, 3 * output_stride / 4}));
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
  }
}
INSTANTIATE_TEST_SUITE_P(Every, DeepLabEncoders, testing::ValuesIn(test::kTypicalEncoders), test::encoder_name);
INSTANTIATE_TEST_SUITE_P(Long, DeepLabEncoders, testing::ValuesIn(test::other_encoders()), test::encoder_name);

struct Published {
  const char* encoder;
  std::int64_t decoder_parameters;
};

class DeepLabSizes : public testing::TestWithParam<Published> {};

// Counted in Python from segmentation_models.pytorch 0.3.3.
TEST_P(DeepLabSizes, AreThoseOfThePublicModels) {
  DeepLabV3PlusImpl::Params params;
  params.encoder = GetParam().encoder;
  const DeepLabV3PlusImpl model(params, {3, 29, {}, 0});
  EXPECT_EQ(test::parameter_count(*model.named_children()["decoder"]), GetParam().decoder_parameters);
  EXPECT_EQ(test::parameter_count(*model.named_children()["segmentation_head"]), 29 * 257);
}
INSTANTIATE_TEST_SUITE_P(Decoders, DeepLabSizes,
                         testing::Values(Published{"resnet18", 1152528}, Published{"resnet34", 1152528},
                                         Published{"resnet50", 3169296}, Published{"resnet101", 3169296}),
                         [](const auto& p) { return std::string(p.param.encoder); });

TEST(DeepLabV3Plus, NamesWeightsAsPublicCheckpointsDo) {
  const ModelUnderTest model({}, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"encoder.layer4.2.bn2.num_batches_tracked", {}},
      {"decoder.aspp.0.convs.0.0.weight", {256, 512, 1, 1}},
      {"decoder.aspp.0.convs.0.1.running_mean", {256}},
      {"decoder.aspp.0.convs.1.0.0.weight", {512, 1, 3, 3}},
      {"decoder.aspp.0.convs.3.0.1.weight", {256, 512, 1, 1}},
      {"decoder.aspp.0.convs.3.1.bias", {256}},
      {"decoder.aspp.0.convs.4.1.weight", {256, 512, 1, 1}},
      {"decoder.aspp.0.convs.4.2.num_batches_tracked", {}},
      {"decoder.aspp.0.project.0.weight", {256, 1280, 1, 1}},
      {"decoder.aspp.0.project.1.weight", {256}},
      {"decoder.aspp.1.0.weight", {256, 1, 3, 3}},
      {"decoder.aspp.1.1.weight", {256, 256, 1, 1}},
      {"decoder.aspp.2.running_var", {256}},
      {"decoder.block1.0.weight", {48, 64, 1, 1}},
      {"decoder.block1.1.weight", {48}},
      {"decoder.block2.0.0.weight", {304, 1, 3, 3}},
      {"decoder.block2.0.1.weight", {256, 304, 1, 1}},
      {"decoder.block2.1.bias", {256}},
      {"segmentation_head.0.weight", {29, 256, 1, 1}},
      {"segmentation_head.0.bias", {29}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  // 216 of the encoder; 1 and 5, 3 x 7, 6 and 6 of the pyramid, 7 after it, 6 and 7 of the blocks, 2 of the head.
  EXPECT_EQ(model.tensors().size(), 216u + 6 + 3 * 7 + 6 + 6 + 7 + 6 + 7 + 2);
}

TEST(DeepLabV3Plus, SaysHowItsLogitsAreToBeResized) {
  const ModelUnderTest model(narrow(), 3, 2);
  ASSERT_EQ(model.info().n_outputs, 1u);
  EXPECT_EQ(model.info().outputs[0]->stride, 4);
  EXPECT_EQ(model.info().outputs[0]->flags, OSTEON_OUTPUT_ALIGN_CORNERS);
  EXPECT_EQ(model.info().size_multiple, 16);
  EXPECT_EQ(ModelUnderTest(narrow(8), 3, 2).info().size_multiple, 8);
  EXPECT_THROW(model.infer(test::RecordingCall(), random_tensor({1, 3, 64, 72}, 1)), sdk::Error);
  EXPECT_THROW(ModelUnderTest(narrow(12), 3, 2), sdk::Error);
}

void expect_agreement(const std::string& encoder, std::int64_t output_stride, std::int64_t height, std::int64_t width,
                      double model_width = 1) {
  SCOPED_TRACE(encoder);
  DeepLabV3PlusImpl::Params params;
  params.encoder = encoder;
  params.output_stride = output_stride;
  params.width = model_width;
  if (output_stride == 8) {  // channels that fill no whole vectors
    params.width = 0.375;
    params.decoder_channels = 23;
    params.atrous_rates = {1, 5};
  }
  DeepLabV3PlusImpl model(params, {1, 5, {}, 0});
  test::shake_statistics(model, 1);
  test::expect_own_kernels_agree(model, random_tensor({2, 1, height, width}, 2));
}

TEST(DeepLabV3Plus, OwnKernelsGiveWhatAutogradGives) {
  for (const char* encoder : {"resnet18", "resnet50", "basic", "efficientnet-b0"})
    expect_agreement(encoder, 16, 16, 80);
  for (const char* encoder : {"resnet18", "resnet50", "efficientnet-b0"}) expect_agreement(encoder, 8, 72, 40);
}

// Several bands of rows, and pixels that every tap of every dilation sees.
TEST(DeepLabV3Plus, OwnKernelsJoinTheirBandsOfRows) { expect_agreement("resnet18", 16, 448, 624, 0.25); }
TEST(LongDeepLabV3Plus, OwnKernelsJoinTheirBandsOfRowsAtFullWidth) { expect_agreement("resnet18", 16, 448, 624); }

TEST(DeepLabV3Plus, PredictsWithTheWeightsAndStatisticsOfTheMoment) {
  ModelUnderTest model(narrow(), 3, 2), fresh(narrow(), 3, 2, /*seed=*/2);
  test::expect_new_weights_count(
      model, fresh, random_tensor({1, 3, 64, 64}, 3),
      {"encoder.conv1.weight", "encoder.layer2.0.downsample.1.running_var", "decoder.aspp.0.convs.2.0.0.weight",
       "decoder.aspp.0.convs.4.2.running_mean", "decoder.aspp.0.project.1.weight", "decoder.aspp.1.1.weight",
       "decoder.block1.0.weight", "decoder.block2.1.bias", "segmentation_head.0.bias"});
}

TEST(DeepLabV3Plus, GradientsAreThoseOfFiniteDifferences) {
  for (const std::int64_t output_stride : {16, 8}) {
    ModelUnderTest model(narrow(output_stride), 3, 2);
    test::expect_finite_differences(
        model, random_tensor({3, 3, 80, 112}, 3),
        {"encoder.conv1.weight", "encoder.layer3.0.downsample.0.weight", "encoder.layer4.1.conv2.weight",
         "decoder.aspp.0.convs.0.0.weight", "decoder.aspp.0.convs.2.0.0.weight", "decoder.aspp.0.convs.3.0.1.weight",
         "decoder.aspp.0.convs.4.1.weight", "decoder.aspp.0.project.0.weight", "decoder.aspp.1.0.weight",
         "decoder.aspp.2.weight", "decoder.block1.0.weight", "decoder.block2.0.1.weight", "segmentation_head.0.bias"},
        1e-4);
  }
}

TEST(DeepLabV3Plus, RecomputingGivesTheSameGradients) {
  for (const std::int64_t images : {3, 1}) {
    ModelUnderTest::Values values = narrow(16, /*dropout=*/0.3);
    ModelUnderTest plain(values, 3, 2);
    values.ints["checkpointing"] = {1};
    ModelUnderTest recomputing(values, 3, 2);
    test::expect_same_training(plain, recomputing, random_tensor({images, 3, 64, 64}, 3));
  }
}

TEST(DeepLabV3Plus, NormalisesTheAverageOfASingleImageWithRunningStatistics) {
  ModelUnderTest model(narrow(), 3, 2);
  const std::string norm = "decoder.aspp.0.convs.4.2.";
  model.value(norm + "running_mean").fill_(0.25);
  const auto train_on = [&](std::int64_t images) {
    ModelUnderTest::Step step(model, random_tensor({images, 3, 64, 64}, 3));
    step.backward({at::ones_like(step.output())});
  };
  train_on(1);
  EXPECT_TRUE(model.value(norm + "running_mean").eq(0.25).all().item<bool>());
  EXPECT_EQ(model.value(norm + "num_batches_tracked").item<std::int64_t>(), 0);
  EXPECT_GT(model.grad("decoder.aspp.0.convs.4.1.weight").abs().max().item<float>(), 0);
  EXPECT_EQ(model.value("decoder.aspp.2.num_batches_tracked").item<std::int64_t>(), 1);
  train_on(2);
  EXPECT_FALSE(model.value(norm + "running_mean").eq(0.25).all().item<bool>());
  EXPECT_EQ(model.value(norm + "num_batches_tracked").item<std::int64_t>(), 1);
}

TEST(DeepLabV3Plus, DrawsFromTheCallsSeedAlone) {
  ModelUnderTest model(narrow(16, /*dropout=*/0.3), 3, 2);
  const at::Tensor x = random_tensor({2, 3, 64, 64}, 3);
  const auto run = [&](std::uint64_t seed) { return ModelUnderTest::Step(model, x, seed).output().clone(); };
  EXPECT_TRUE(run(1).equal(run(1)));
  EXPECT_FALSE(run(1).equal(run(2)));
}

TEST(DeepLabV3Plus, StartsAsThePublicModelsDo) {
  ModelUnderTest::Values values;
  values.floats["prior"] = 0.02;
  const ModelUnderTest model(values, 3, 29);
  const auto largest = [&](const char* name) { return model.value(name).abs().max().item<double>(); };
  EXPECT_NEAR(largest("decoder.aspp.0.project.0.weight"), std::sqrt(6.0 / 1280), 1e-4);
  EXPECT_NEAR(largest("decoder.block2.0.0.weight"), std::sqrt(6.0 / 9), 5e-3);
  EXPECT_NEAR(largest("segmentation_head.0.weight"), std::sqrt(6.0 / (256 + 29)), 1e-3);
  EXPECT_NEAR(model.value("segmentation_head.0.bias").sigmoid().max().item<double>(), 0.02, 1e-6);
}

TEST(DeepLabV3Plus, HidesNoNaN) {
  const ModelUnderTest model(narrow(), 3, 2);
  at::Tensor x = random_tensor({1, 3, 64, 64}, 1);
  x[0][1][40][20] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(model.infer(test::RecordingCall(), x)[0][0][10][5].isnan().item<bool>());
}

}  // namespace
}  // namespace osteon::models
