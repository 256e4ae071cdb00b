// SPDX-License-Identifier: Apache-2.0
#include "encoder.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <osteon/sdk/torch/guards.hpp>

#include "support/encoder_lists.hpp"
#include "support/model_checks.hpp"

namespace osteon::encoders {
namespace {

using test::random_tensor;

/// Narrow, so that a test of all encoders takes seconds.
EncoderOptions narrow(std::int64_t output_stride = 32) {
  EncoderOptions options;
  options.in_channels = 2;
  options.width = 0.125;
  options.output_stride = output_stride;
  return options;
}

Encoder evaluated(const std::string& name, const EncoderOptions& options) {
  Encoder encoder = make_encoder(name, options);
  encoder->eval();
  return encoder;
}

/// Running statistics of the images at hand: with others the values of a deep encoder fade or explode from block to
/// block, and rounding errors with them.
void calibrate(EncoderImpl& encoder, const at::Tensor& images) {
  const torch::NoGradGuard no_grad;
  for (const auto& module : encoder.modules())
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) {
      norm->options.momentum(1.0);
      norm->train();
    }
  encoder.forward(images);
  encoder.eval();
}

class Encoders : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, Encoders, testing::ValuesIn(test::kTypicalEncoders), test::encoder_name);
INSTANTIATE_TEST_SUITE_P(Long, Encoders, testing::ValuesIn(test::other_encoders()), test::encoder_name);

TEST_P(Encoders, GiveTheFeaturesThatTheyPromise) {
  const torch::NoGradGuard no_grad;
  const bool plain = GetParam() == "basic";
  for (const std::int64_t output_stride : {plain ? 16 : 8, 16, 32}) {
    const Encoder encoder = evaluated(GetParam(), narrow(output_stride));
    const std::int64_t greatest = plain ? 16 : output_stride;
    EXPECT_EQ(encoder->size_multiple(), greatest);
    // No multiple of more than it must be.
    const std::int64_t height = 3 * greatest, width = greatest;
    const at::Tensor image = random_tensor({2, 2, height, width}, 1);
    const std::vector<at::Tensor> features = encoder->forward(image);
    ASSERT_EQ(features.size(), encoder->channels().size());
    EXPECT_EQ(encoder->has_full_resolution(), !features[0].is_same(image));
    for (std::size_t i = 0; i < features.size(); ++i) {
      const std::int64_t stride = std::min(std::int64_t{1} << i, greatest);
      EXPECT_EQ(features[i].sizes(),
                (std::vector<std::int64_t>{2, encoder->channels()[i], height / stride, width / stride}))
          << i;
    }
  }
}

TEST_P(Encoders, HaveTheSameWeightsAtEitherOutputStride) {
  const Encoder coarse = make_encoder(GetParam(), narrow(32)), fine = make_encoder(GetParam(), narrow(16));
  const auto expected = coarse->named_parameters();
  EXPECT_EQ(fine->named_parameters().size(), expected.size());
  for (const auto& item : fine->named_parameters())
    EXPECT_EQ(item.value().sizes(), expected[item.key()].sizes()) << item.key();
}

TEST_P(Encoders, RecomputeToTheSameGradientsAndStatistics) {
  const at::Tensor image = random_tensor({2, 2, 64, 32}, 1);
  std::vector<Encoder> encoders;
  for (const bool checkpointing : {false, true}) {
    EncoderOptions options = narrow();
    options.checkpointing = checkpointing;
    at::Tensor sum = at::zeros({});
    {
      const sdk::SeedGuard seed(at::kCPU, 4);  // going back draws under one of its own
      encoders.push_back(make_encoder(GetParam(), options));
      for (const at::Tensor& feature : encoders.back()->forward(image))
        if (feature.requires_grad()) sum = sum + (feature * random_tensor(feature.sizes().vec(), 2)).sum();
    }
    sum.backward();
  }
  double greatest = 0;
  for (const at::Tensor& parameter : encoders[0]->parameters())
    greatest = std::max(greatest, parameter.grad().abs().max().item<double>());
  EXPECT_GT(greatest, 0);
  const double allowed = test::rounding_of(encoders[0]->parameters(), image.numel() / 2) * greatest;
  const auto expected = encoders[0]->named_parameters();
  for (const auto& item : encoders[1]->named_parameters())
    EXPECT_LE(test::greatest_difference(item.value().grad(), expected[item.key()].grad()), allowed) << item.key();
  const auto statistics = encoders[0]->named_buffers();
  for (const auto& item : encoders[1]->named_buffers())
    EXPECT_TRUE(item.value().equal(statistics[item.key()])) << item.key();
}

TEST_P(Encoders, InferWhatTheyAreTrainedFor) {
  const std::int64_t finest = GetParam() == "basic" ? 16 : 8;
  for (const std::int64_t output_stride : {finest, std::int64_t{16}, std::int64_t{32}}) {
    const sdk::SeedGuard seed(at::kCPU, 4);
    const Encoder encoder = evaluated(GetParam(), narrow(output_stride));
    const at::Tensor image = random_tensor({2, 2, 96, 64}, 1);
    calibrate(*encoder, image);
    const c10::InferenceMode inference;
    const std::vector<at::Tensor> features = encoder->infer(image), plain = encoder->forward(image);
    const double tolerance = test::rounding_of(encoder->parameters());
    encoder->to(at::kDouble);
    const std::vector<at::Tensor> expected = encoder->forward(image.to(at::kDouble));
    ASSERT_EQ(features.size(), expected.size());
    for (std::size_t i = 0; i < features.size(); ++i) {
      const at::Tensor feature = features[i].permute({0, 3, 1, 2});
      ASSERT_EQ(feature.sizes(), expected[i].sizes()) << i;
      EXPECT_TRUE(features[i].is_contiguous()) << i;
      const double range = (expected[i].max() - expected[i].min()).item<double>();
      EXPECT_GT(range, 0.1) << i;
      // Rounding errors grow from block to block, in some faster than they would by chance; LibTorch's own say how far.
      const double allowed = 20 * test::greatest_difference(plain[i], expected[i]) + tolerance * range;
      EXPECT_LT(allowed, 0.1 * range) << i;
      EXPECT_LE(test::greatest_difference(feature, expected[i]), allowed) << i;
    }
  }
}

TEST(Encoder, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(make_encoder("resnet20", {}), std::invalid_argument);
  EXPECT_THROW(make_encoder("efficientnet-b8", {}), std::invalid_argument);
  EXPECT_THROW(make_encoder("resnet18", narrow(4)), std::invalid_argument);
  EXPECT_THROW(make_encoder("basic", narrow(8)), std::invalid_argument);
}

TEST(Encoder, HasThePublicChannels) {
  const std::map<std::string, std::vector<std::int64_t>> expected = {{"resnet18", {3, 64, 64, 128, 256, 512}},
                                                                     {"resnet50", {3, 64, 256, 512, 1024, 2048}},
                                                                     {"efficientnet-b0", {3, 32, 24, 40, 112, 320}},
                                                                     {"efficientnet-b3", {3, 40, 32, 48, 136, 384}},
                                                                     {"efficientnet-b5", {3, 48, 40, 64, 176, 512}},
                                                                     {"efficientnet-b7", {3, 64, 48, 80, 224, 640}},
                                                                     {"basic", {64, 128, 256, 512, 1024}}};
  for (const auto& [name, channels] : expected) EXPECT_EQ(make_encoder(name, {})->channels(), channels) << name;
}

// The stage of a tensor is that of the first feature that it changes, counted from the stem's.
TEST_P(Encoders, CountTheStagesOfTheirTensorsFromTheImage) {
  const torch::NoGradGuard no_grad;
  const Encoder encoder = evaluated(GetParam(), narrow());
  const at::Tensor image = random_tensor({1, 2, 64, 64}, 1);
  const std::vector<at::Tensor> before = encoder->forward(image);
  const std::size_t first = encoder->has_full_resolution() ? 0 : 1;
  // Of the deepest ones every few layers, which no stage is without.
  const std::size_t every = encoder->named_parameters().size() / 150 + 1;
  std::size_t seen = 0;
  for (const auto& item : encoder->named_parameters()) {
    if (item.value().dim() < 4 || ++seen % every != 0) continue;
    const at::Tensor kept = item.value().clone();
    item.value().add_(1);
    const std::vector<at::Tensor> after = encoder->forward(image);
    item.value().copy_(kept);
    std::size_t changed = first;
    while (changed < after.size() && after[changed].equal(before[changed])) ++changed;
    ASSERT_EQ(encoder->stage_of(item.key()), static_cast<std::int64_t>(changed - first)) << item.key();
  }
}

TEST(Encoder, SaysTheDepthOfItsOwnTensorsAlone) {
  const Encoder encoder = make_encoder("resnet18", narrow());
  const sdk::TensorTraits usual;
  EXPECT_EQ(with_depth(*encoder, "encoder.conv1.weight", usual).depth, 0);
  EXPECT_EQ(with_depth(*encoder, "encoder.layer4.1.bn2.bias", usual).depth, 4);
  EXPECT_EQ(with_depth(*encoder, "decoder.layer4.1.bn2.bias", usual).depth, -1);
  EXPECT_EQ(make_encoder("efficientnet-b0", narrow())->stage_of("_conv_head.weight"), -1);
}

TEST(Encoder, StartsEfficientNetAsItsAuthorsDo) {
  const sdk::SeedGuard seed(at::kCPU, 4);
  const Encoder encoder = make_encoder("efficientnet-b0", {});
  const auto parameters = encoder->named_parameters();
  const auto deviation = [&](const char* name) { return parameters[name].std().item<double>(); };
  EXPECT_NEAR(deviation("_conv_stem.weight"), std::sqrt(2.0 / (32 * 9)), 5e-3);
  // A depthwise kernel leads to one channel.
  EXPECT_NEAR(deviation("_blocks.12._depthwise_conv.weight"), std::sqrt(2.0 / 25), 5e-3);
  EXPECT_NEAR(deviation("_blocks.12._expand_conv.weight"), std::sqrt(2.0 / 1152), 1e-3);
  EXPECT_NEAR(deviation("_blocks.12._se_reduce.weight"), std::sqrt(2.0 / 48), 3e-3);
  EXPECT_EQ(deviation("_blocks.12._se_reduce.bias"), 0);
  EXPECT_EQ(parameters["_blocks.12._se_expand.bias"].abs().max().item<float>(), 0);
}

TEST(Encoder, StartsPlainConvolutionsAsThePaperDoes) {
  const sdk::SeedGuard seed(at::kCPU, 4);
  const Encoder encoder = make_encoder("basic", {});
  const auto parameters = encoder->named_parameters();
  EXPECT_NEAR(parameters["levels.2.0.weight"].std().item<double>(), std::sqrt(2.0 / (128 * 9)), 5e-4);
  EXPECT_EQ(parameters["levels.2.0.bias"].abs().max().item<float>(), 0);
}

// B0's first feature after the stem has seen one block that may be skipped, the third of sixteen.
TEST(Encoder, SkipsBlocksOfEfficientNetAsOftenAsPublished) {
  constexpr std::int64_t kImages = 4096;
  constexpr double kRate = 0.2 * 2 / 16;
  const torch::NoGradGuard no_grad;
  const Encoder encoder = make_encoder("efficientnet-b0", narrow());
  for (const auto& module : encoder->modules())
    if (module->as<torch::nn::BatchNorm2d>() != nullptr) module->eval();
  const sdk::SeedGuard seed(at::kCPU, 4);
  const at::Tensor image = random_tensor({1, 2, 32, 32}, 1);
  const at::Tensor feature = encoder->forward(image.expand({kImages, 2, 32, 32}))[2].flatten(1);
  encoder->eval();
  const at::Tensor whole = encoder->forward(image)[2].flatten(1);
  // The same image takes one of two values: without the branch, or with it raised to keep the mean.
  const at::Tensor distance = (feature - whole).norm(2, {1});
  const at::Tensor skipped = distance > (distance.max() + distance.min()) / 2;
  EXPECT_NEAR(skipped.to(at::kDouble).mean().item<double>(), kRate, 4 * std::sqrt(kRate / kImages));
  EXPECT_NEAR((distance.max() / distance.min()).item<double>(), (1 - kRate) / kRate, 0.05 * (1 - kRate) / kRate);
}

}  // namespace
}  // namespace osteon::encoders
