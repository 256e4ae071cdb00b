// SPDX-License-Identifier: Apache-2.0
#include "unetplusplus.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/encoder_lists.hpp"
#include "support/model_checks.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::random_tensor;

UNetPlusPlusImpl::Params params_of(const std::string& encoder) {
  UNetPlusPlusImpl::Params params;
  params.encoder = encoder;
  if (encoder == "basic") params.decoder_channels = {512, 256, 128, 64};
  return params;
}

ModelUnderTest::Values narrow() {
  ModelUnderTest::Values values;
  values.strings["encoder"] = "resnet18";
  values.floats["width"] = 0.125;
  values.ints["decoder_channels"] = {16, 16, 8, 8, 8};
  return values;
}

/// The paper's network: no block beyond the grid, bilinear, every node of the finest level supervised.
ModelUnderTest::Values narrow_and_supervised() {
  ModelUnderTest::Values values;
  values.strings = {{"encoder", "basic"}, {"upsampling", "bilinear"}};
  values.floats["width"] = 0.125;
  values.ints = {{"decoder_channels", {16, 16, 8, 8}}, {"deep_supervision", {1}}};
  return values;
}

class UNetPlusPlusEncoders : public testing::TestWithParam<std::string> {};

TEST_P(UNetPlusPlusEncoders, AllRun) {
  UNetPlusPlusImpl model(params_of(GetParam()), {3, 29, {}, 0});
  model.eval();
  const c10::InferenceMode inference;
  const std::vector<at::Tensor> outputs = model.forward(random_tensor({1, 3, 64, 32}, 1), sdk::Outputs::kMain);
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].sizes(), (std::vector<std::int64_t>{1, 29, 64, 32}));
  EXPECT_TRUE(outputs[0].isfinite().all().item<bool>());
}
INSTANTIATE_TEST_SUITE_P(Every, UNetPlusPlusEncoders, testing::ValuesIn(test::kTypicalEncoders), test::encoder_name);
INSTANTIATE_TEST_SUITE_P(Long, UNetPlusPlusEncoders, testing::ValuesIn(test::other_encoders()), test::encoder_name);

struct Published {
  const char* encoder;
  std::int64_t decoder_parameters;
};

class UNetPlusPlusSizes : public testing::TestWithParam<Published> {};

// Counted in Python from segmentation_models.pytorch 0.3.3.
TEST_P(UNetPlusPlusSizes, AreThoseOfThePublicModels) {
  const UNetPlusPlusImpl model(params_of(GetParam().encoder), {3, 29, {}, 0});
  EXPECT_EQ(test::parameter_count(*model.named_children()["decoder"]), GetParam().decoder_parameters);
  EXPECT_EQ(test::parameter_count(*model.named_children()["segmentation_head"]), 4205);
  EXPECT_EQ(model.children().size(), 3u);
}
INSTANTIATE_TEST_SUITE_P(Decoders, UNetPlusPlusSizes,
                         testing::Values(Published{"resnet18", 4793792}, Published{"resnet34", 4793792},
                                         Published{"resnet50", 25477568}, Published{"efficientnet-b7", 4376448}),
                         [](const auto& p) { return "Case" + std::to_string(p.index); });

TEST(UNetPlusPlus, NamesWeightsAsPublicCheckpointsDo) {
  const ModelUnderTest model({}, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"encoder.layer4.2.bn2.num_batches_tracked", {}},
      {"decoder.blocks.x_0_0.conv1.0.weight", {256, 768, 3, 3}},
      {"decoder.blocks.x_0_1.conv1.0.weight", {128, 512, 3, 3}},
      {"decoder.blocks.x_1_1.conv1.0.weight", {128, 384, 3, 3}},
      {"decoder.blocks.x_0_2.conv1.0.weight", {64, 320, 3, 3}},
      {"decoder.blocks.x_1_2.conv1.0.weight", {64, 256, 3, 3}},
      {"decoder.blocks.x_2_2.conv1.0.weight", {64, 192, 3, 3}},
      {"decoder.blocks.x_0_3.conv1.0.weight", {32, 320, 3, 3}},
      {"decoder.blocks.x_1_3.conv1.0.weight", {64, 256, 3, 3}},
      {"decoder.blocks.x_2_3.conv1.0.weight", {64, 192, 3, 3}},
      {"decoder.blocks.x_3_3.conv1.0.weight", {64, 128, 3, 3}},
      {"decoder.blocks.x_0_4.conv1.0.weight", {16, 32, 3, 3}},
      {"decoder.blocks.x_2_3.conv2.0.weight", {64, 64, 3, 3}},
      {"decoder.blocks.x_0_4.conv2.1.running_var", {16}},
      {"segmentation_head.0.weight", {29, 16, 3, 3}},
      {"segmentation_head.0.bias", {29}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  // 216 of the encoder, 12 for each of the 11 blocks, 2 of the head.
  EXPECT_EQ(model.tensors().size(), 216u + 11 * 12 + 2);
  EXPECT_EQ(model.info().size_multiple, 32);
  EXPECT_EQ(model.info().n_outputs, 1u);
}

TEST(UNetPlusPlus, IsThePapersNetworkOverBasic) {
  UNetPlusPlusImpl::Params params = params_of("basic");
  params.deep_supervision = true;
  const UNetPlusPlusImpl model(params, {3, 2, {}, 0});
  const auto parameters = model.named_parameters();
  // X^{i,j} sees j maps of its own level and one of the next: (j + 1 - 1) * c_i + c_{i+1} channels become c_i.
  for (int i = 0; i < 4; ++i)
    for (int j = 1; j + i <= 4; ++j) {
      const std::int64_t channels = std::int64_t{64} << i;
      const int l = 3 - i, d = l - (j - 1);
      const std::string name = "decoder.blocks.x_" + std::to_string(d) + "_" + std::to_string(l) + ".conv1.0.weight";
      EXPECT_EQ(parameters[name].sizes(), (std::vector<std::int64_t>{channels, (j + 2) * channels, 3, 3})) << name;
    }
  EXPECT_FALSE(parameters.contains("decoder.blocks.x_0_4.conv1.0.weight"));
  for (const char* head : {"x_3_3", "x_2_3", "x_1_3"})
    EXPECT_EQ(parameters["auxiliary_heads." + std::string(head) + ".weight"].sizes(),
              (std::vector<std::int64_t>{2, 64, 1, 1}));
}

TEST(UNetPlusPlus, SupervisesEveryNodeOfTheFinestLevel) {
  ModelUnderTest::Values values = narrow();
  values.ints["deep_supervision"] = {1};
  for (const auto& [wanted, stride] :
       {std::make_pair(values, std::int64_t{2}), std::make_pair(narrow_and_supervised(), std::int64_t{1})}) {
    ModelUnderTest model(wanted, 3, 2);
    ASSERT_EQ(model.info().n_outputs, 4u);
    const char* const names[] = {"main", "x_3_3", "x_2_3", "x_1_3"};
    const ModelUnderTest::Step step(model, random_tensor({2, 3, 64, 96}, 1));
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_STREQ(model.info().outputs[i]->name, names[i]);
      EXPECT_EQ(model.info().outputs[i]->loss_weight, 1);
      EXPECT_EQ(model.info().outputs[i]->stride, i == 0 ? 1 : stride);
      const std::int64_t s = model.info().outputs[i]->stride;
      EXPECT_EQ(step.output(i).sizes(), (std::vector<std::int64_t>{2, 2, 64 / s, 96 / s}));
    }
    EXPECT_EQ(model.infer(test::RecordingCall(), random_tensor({1, 3, 32, 64}, 1)).sizes(),
              (std::vector<std::int64_t>{1, 2, 32, 64}));
    test::expect_all_outputs(model, random_tensor({2, 3, 32, 64}, 1));
  }
}

TEST(UNetPlusPlus, OwnKernelsGiveWhatAutogradGives) {
  for (const char* encoder : {"resnet18", "resnet50", "basic", "efficientnet-b0"})
    for (const std::int64_t images : {1, 2}) {
      UNetPlusPlusImpl::Params params;
      params.encoder = encoder;
      params.upsampling = images == 2 ? "nearest" : "bilinear";
      params.width = images == 2 ? 0.375 : 0.5;  // channels that fill no whole vectors, and such that do
      params.decoder_channels = {48, 37, 24, 19};
      if (params.encoder != "basic") params.decoder_channels.push_back(7);
      UNetPlusPlusImpl model(params, {images, 5, {}, 0});
      test::shake_statistics(model, 1);
      test::expect_own_kernels_agree(model, random_tensor({images, images, 64, 96}, 2));
    }
}

TEST(UNetPlusPlus, PredictsWithTheWeightsAndStatisticsOfTheMoment) {
  ModelUnderTest model(narrow(), 3, 2), fresh(narrow(), 3, 2, /*seed=*/2);
  const at::Tensor x = random_tensor({1, 3, 64, 64}, 3);
  test::expect_new_weights_count(model, fresh, x,
                                 {"encoder.conv1.weight", "encoder.layer2.0.downsample.1.running_var",
                                  "decoder.blocks.x_1_2.conv1.0.weight", "segmentation_head.0.bias"});
}

TEST(UNetPlusPlus, GradientsAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow(), 3, 2), supervised(narrow_and_supervised(), 1, 2);
  test::expect_finite_differences(
      model, random_tensor({2, 3, 64, 96}, 3),
      {"encoder.conv1.weight", "encoder.layer3.0.downsample.0.weight", "decoder.blocks.x_0_0.conv1.0.weight",
       "decoder.blocks.x_1_1.conv2.0.weight", "decoder.blocks.x_0_2.conv1.1.weight",
       "decoder.blocks.x_2_3.conv1.0.weight", "decoder.blocks.x_0_4.conv2.1.bias", "segmentation_head.0.weight"},
      1e-4);
  test::expect_finite_differences(supervised, random_tensor({2, 1, 48, 80}, 3),
                                  {"decoder.blocks.x_0_0.conv1.0.weight", "decoder.blocks.x_3_3.conv1.0.weight",
                                   "decoder.blocks.x_0_3.conv2.0.weight", "segmentation_head.0.bias",
                                   "auxiliary_heads.x_3_3.weight", "auxiliary_heads.x_1_3.bias"},
                                  1e-4);
}

TEST(UNetPlusPlus, RecomputingGivesTheSameGradients) {
  for (ModelUnderTest::Values values : {narrow(), narrow_and_supervised()}) {
    ModelUnderTest plain(values, 3, 2);
    values.ints["checkpointing"] = {1};
    ModelUnderTest recomputing(values, 3, 2);
    test::expect_same_training(plain, recomputing, random_tensor({2, 3, 64, 64}, 3));
  }
}

TEST(UNetPlusPlus, StartsAsThePublicModelsDo) {
  ModelUnderTest::Values values;
  values.floats["prior"] = 0.02;
  const ModelUnderTest model(values, 3, 29);
  const auto largest = [&](const char* name) { return model.value(name).abs().max().item<double>(); };
  EXPECT_NEAR(largest("decoder.blocks.x_1_1.conv1.0.weight"), std::sqrt(6.0 / (384 * 9)), 1e-4);
  EXPECT_NEAR(largest("segmentation_head.0.weight"), std::sqrt(6.0 / (16 * 9 + 29 * 9)), 2e-3);
  EXPECT_NEAR(model.value("segmentation_head.0.bias").sigmoid().max().item<double>(), 0.02, 1e-6);
}

TEST(UNetPlusPlus, SaysHowManyChannelsADecoderWants) {
  for (const auto& [encoder, wanted] : {std::make_pair("basic", "4 times"), std::make_pair("resnet18", "5 times")}) {
    UNetPlusPlusImpl::Params params;
    params.encoder = encoder;
    params.decoder_channels.resize(std::string(encoder) == "basic" ? 5 : 4, 8);
    try {
      const UNetPlusPlusImpl model(params, {3, 2, {}, 0});
      FAIL();
    } catch (const sdk::InvalidArgument& e) {
      EXPECT_NE(std::string(e.what()).find(wanted), std::string::npos) << e.what();
    }
  }
}

TEST(UNetPlusPlus, HidesNoNaN) {
  const ModelUnderTest model(narrow(), 3, 2);
  at::Tensor x = random_tensor({1, 3, 64, 64}, 1);
  x[0][1][40][20] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(model.infer(test::RecordingCall(), x)[0][0][40][20].isnan().item<bool>());
  EXPECT_THROW(model.infer(test::RecordingCall(), random_tensor({1, 3, 64, 80}, 1)), sdk::Error);
}

}  // namespace
}  // namespace osteon::models
