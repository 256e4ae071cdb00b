// SPDX-License-Identifier: Apache-2.0
#include "unet3plus.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "layers/convolve_upsampled.hpp"
#include "support/model_checks.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::random_tensor;

ModelUnderTest::Values narrow(const char* guided = "per_class", double dropout = 0, bool checkpointing = false) {
  ModelUnderTest::Values values;
  values.ints = {{"filters", {4}}, {"deep_supervision", {1}}, {"checkpointing", {checkpointing ? 1 : 0}}};
  values.strings = {{"classification_guided", guided}};
  values.floats = {{"dropout", dropout}};
  return values;
}

struct Released {
  const char* name;
  bool deep_supervision;
  const char* guided;
  std::size_t entries;
  std::int64_t parameters;
};

class UNet3PlusReleases : public testing::TestWithParam<Released> {};

// The counts of the authors' networks.
TEST_P(UNet3PlusReleases, HaveTheseEntriesAndRun) {
  UNet3PlusImpl::Params params;
  params.deep_supervision = GetParam().deep_supervision;
  params.classification_guided = GetParam().guided;
  UNet3PlusImpl model(params, {3, 29, {}, 0});
  EXPECT_EQ(model.named_parameters().size() + model.named_buffers().size(), GetParam().entries);
  EXPECT_EQ(test::parameter_count(model), GetParam().parameters);
  model.eval();
  const c10::InferenceMode inference;
  const std::vector<at::Tensor> outputs = model.forward(random_tensor({1, 3, 48, 32}, 1), sdk::Outputs::kMain);
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].sizes(), (std::vector<std::int64_t>{1, 29, 48, 32}));
  EXPECT_TRUE(outputs[0].isfinite().all().item<bool>());
}
INSTANTIATE_TEST_SUITE_P(Variants, UNet3PlusReleases,
                         testing::Values(Released{"plain", false, "none", 240, 27052445},
                                         Released{"deep", true, "none", 248, 27570385},
                                         Released{"guided", true, "any", 250, 27572435}),
                         [](const auto& p) { return std::string(p.param.name); });

TEST(UNet3Plus, NamesWeightsAsTheReleaseDoes) {
  ModelUnderTest::Values values;
  values.ints["deep_supervision"] = {1};
  values.strings["classification_guided"] = "any";
  const ModelUnderTest model(values, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {{"conv1.conv1.0.weight", {64, 3, 3, 3}},
                                                                     {"conv1.conv1.1.running_var", {64}},
                                                                     {"conv3.conv2.0.bias", {256}},
                                                                     {"conv5.conv1.0.weight", {1024, 512, 3, 3}},
                                                                     {"h1_PT_hd4_conv.weight", {64, 64, 3, 3}},
                                                                     {"h3_PT_hd4_bn.weight", {64}},
                                                                     {"h4_Cat_hd4_conv.weight", {64, 512, 3, 3}},
                                                                     {"hd5_UT_hd4_conv.weight", {64, 1024, 3, 3}},
                                                                     {"conv4d_1.weight", {320, 320, 3, 3}},
                                                                     {"bn4d_1.running_mean", {320}},
                                                                     {"hd4_UT_hd3_conv.weight", {64, 320, 3, 3}},
                                                                     {"h2_PT_hd3_conv.bias", {64}},
                                                                     {"h2_Cat_hd2_bn.num_batches_tracked", {}},
                                                                     {"hd5_UT_hd2_conv.weight", {64, 1024, 3, 3}},
                                                                     {"h1_Cat_hd1_conv.weight", {64, 64, 3, 3}},
                                                                     {"hd2_UT_hd1_bn.bias", {64}},
                                                                     {"conv1d_1.bias", {320}},
                                                                     {"outconv1.weight", {29, 320, 3, 3}},
                                                                     {"outconv4.bias", {29}},
                                                                     {"outconv5.weight", {29, 1024, 3, 3}},
                                                                     {"cls.1.weight", {2, 1024, 1, 1}},
                                                                     {"cls.1.bias", {2}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  values.strings["classification_guided"] = "per_class";
  EXPECT_EQ(ModelUnderTest(values, 1, 29).value("cls.1.weight").size(0), 29);
}

TEST(UNet3Plus, LeavesOutBiasesThatNormalisationTakesOutAgain) {
  const c10::InferenceMode no_inference(false);
  ConvNormRelu layer(3, 4);
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(3, 4, 3).padding(1));
  torch::nn::BatchNorm2d norm(4);
  {
    const torch::NoGradGuard no_grad;
    layer->conv()->bias.add_(1);
    conv->weight.copy_(layer->conv()->weight);
    conv->bias.copy_(layer->conv()->bias);
  }
  const at::Tensor x = random_tensor({2, 3, 8, 8}, 1);
  // Then with frozen statistics, where the bias does count.
  for (const bool training : {true, false}) {
    layer->train(training);
    norm->train(training);
    const at::Tensor expected = at::relu(norm(conv(x)));
    const at::Tensor got = layer(x);
    // Sums over 3 x 9 products, statistics over 2 x 8 x 8 values, a quotient.
    const double tolerance = test::rounding(27 + 128, 4) * std::max(1.0, expected.abs().max().item<double>());
    EXPECT_LE(test::greatest_difference(got, expected), tolerance) << training;
    EXPECT_LE(test::greatest_difference(layer->norm()->running_mean, norm->running_mean), tolerance);
    EXPECT_LE(test::greatest_difference(layer->norm()->running_var, norm->running_var), tolerance);
    got.square().sum().backward();
    EXPECT_EQ(layer->conv()->bias.grad().defined(), !training);
  }
}

TEST(UNet3Plus, ConvolvesWhatIsResizedOnTheCoarseGrid) {
  const c10::InferenceMode no_inference(false);
  for (const std::int64_t factor : {2, 4, 16})
    for (const auto& size : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 5}, {6, 3}}) {
      const at::Tensor x = random_tensor({2, 5, size.first, size.second}, 1).to(at::kDouble).requires_grad_();
      const at::Tensor w = (random_tensor({3, 5, 3, 3}, 2) - 0.5).to(at::kDouble).requires_grad_();
      const at::Tensor b = random_tensor({3}, 3).to(at::kDouble).requires_grad_();
      // The release's way round, by its own upsampling layer.
      torch::nn::Upsample up(torch::nn::UpsampleOptions()
                                 .scale_factor(std::vector<double>(2, static_cast<double>(factor)))
                                 .mode(torch::kBilinear)
                                 .align_corners(false));
      const at::Tensor expected = at::conv2d(up(x), w, b, 1, 1);
      const at::Tensor got = layers::convolve_upsampled(x, w, b, factor);
      ASSERT_EQ(got.sizes(), expected.sizes());
      EXPECT_LE(test::greatest_difference(got, expected),
                test::rounding<double>(5 * 9, 3) * expected.abs().max().item<double>());
      const at::Tensor slope = (random_tensor(got.sizes().vec(), 4) - 0.5).to(at::kDouble);
      const auto expected_grads = torch::autograd::grad({expected}, {x, w, b}, {slope});
      const auto grads = torch::autograd::grad({got}, {x, w, b}, {slope});
      for (std::size_t i = 0; i < grads.size(); ++i)
        EXPECT_LE(test::greatest_difference(grads[i], expected_grads[i]),
                  test::rounding<double>(got.numel(), 3) * expected_grads[i].abs().max().item<double>())
            << factor << " " << i;
    }
}

// The host resizes to a size, the release by a factor.
TEST(UNet3Plus, HasAnOutputPerLevelThatTheHostResizesAsTheReleaseDoes) {
  ModelUnderTest model(narrow("any"), 3, 2);
  ASSERT_EQ(model.info().n_outputs, 5u);
  const ModelUnderTest::Step step(model, random_tensor({2, 3, 32, 48}, 1));
  for (std::int64_t i = 0; i < 5; ++i) {
    const osteon_model_output& output = *model.info().outputs[i];
    const at::Tensor logits = step.output(static_cast<std::size_t>(i));
    EXPECT_EQ(std::string(output.name), i == 0 ? "main" : "d" + std::to_string(i + 1));
    EXPECT_EQ(output.loss_weight, 1);
    EXPECT_EQ(output.stride, 1 << i);
    EXPECT_EQ(output.flags, 0u);
    EXPECT_EQ(output.role, i == 0 ? OSTEON_OUTPUT_MAIN : OSTEON_OUTPUT_AUXILIARY);
    EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 2, 32 >> i, 48 >> i}));
    torch::nn::Upsample release(torch::nn::UpsampleOptions()
                                    .scale_factor(std::vector<double>(2, static_cast<double>(1 << i)))
                                    .mode(torch::kBilinear)
                                    .align_corners(false));
    EXPECT_LE(test::greatest_difference(at::upsample_bilinear2d(logits, {32, 48}, false), release(logits)),
              test::rounding(4) * logits.abs().max().item<double>());
  }
  EXPECT_EQ(ModelUnderTest({}, 3, 2).info().n_outputs, 1u);
}

// One decision for each class is one; one for all classes says nothing of each, unless there is one class.
TEST(UNet3Plus, SaysWhichClassesArePresentWhereItDecidesForEach) {
  EXPECT_EQ(ModelUnderTest(narrow("any"), 3, 2).info().n_outputs, 5u);
  EXPECT_EQ(ModelUnderTest(narrow("none"), 3, 1).info().n_outputs, 5u);
  for (const auto& [guided, classes] : {std::pair<const char*, std::int64_t>{"per_class", 2}, {"any", 1}}) {
    ModelUnderTest model(narrow(guided), 3, classes);
    ASSERT_EQ(model.info().n_outputs, 6u);
    const osteon_model_output& presence = *model.info().outputs[5];
    EXPECT_STREQ(presence.name, "presence");
    EXPECT_EQ(presence.role, OSTEON_OUTPUT_PRESENCE);
    EXPECT_EQ(presence.stride, 0);
    EXPECT_EQ(presence.channels, classes);
    EXPECT_EQ(presence.loss_weight, 0);
    const at::Tensor x = random_tensor({2, 3, 32, 48}, 1);
    test::expect_all_outputs(model, x);
    // The main output is the product of which presence is a factor, so no pixel is above it.
    const std::vector<at::Tensor> outputs = model.infer_all(test::RecordingCall(), x);
    EXPECT_TRUE((outputs[0] <= outputs[5] + 1e-5).all().item<bool>());
  }
}

TEST(UNet3Plus, TrainsItsDecisionByALossOfItsOwn) {
  ModelUnderTest model(narrow(), 3, 2);
  {
    ModelUnderTest::Step step(model, random_tensor({2, 3, 32, 32}, 1));
    ASSERT_EQ(step.output(5).sizes(), (std::vector<std::int64_t>{2, 2, 1, 1}));
    step.backward({{}, {}, {}, {}, {}, at::ones({2, 2, 1, 1})});
  }
  EXPECT_GT(model.grad("cls.1.weight").abs().max().item<float>(), 0);
  EXPECT_GT(model.grad("conv1.conv1.0.weight").abs().max().item<float>(), 0);
  EXPECT_EQ(model.grad("outconv1.weight").abs().max().item<float>(), 0);
}

TEST(UNet3Plus, KnowsItsPartsAndTheEncodersDepth) {
  const ModelUnderTest model(narrow(), 3, 2);
  const auto expect = [&](const char* name, std::uint32_t part, std::int64_t depth) {
    const osteon_named_tensor& tensor = *model.tensors()[model.index_of(name)];
    EXPECT_EQ(tensor.part, part) << name;
    EXPECT_EQ(tensor.depth, depth) << name;
  };
  expect("conv1.conv1.0.weight", OSTEON_PART_ENCODER, 0);
  expect("conv5.conv2.1.running_mean", OSTEON_PART_ENCODER, 4);
  expect("h1_PT_hd4_conv.weight", OSTEON_PART_DECODER, -1);
  expect("conv4d_1.weight", OSTEON_PART_DECODER, -1);
  expect("bn1d_1.weight", OSTEON_PART_DECODER, -1);
  expect("outconv3.weight", OSTEON_PART_HEAD, -1);
  expect("cls.1.bias", OSTEON_PART_HEAD, -1);
}

TEST(UNet3Plus, OwnKernelsGiveWhatAutogradGives) {
  for (const char* guided : {"none", "any", "per_class"})
    for (const auto& size : {std::pair<std::int64_t, std::int64_t>{16, 16}, {80, 112}, {16, 208}}) {
      if (std::string(guided) != "any" && size.first == 80) continue;
      UNet3PlusImpl::Params params;
      params.filters = 9;
      params.classification_guided = guided;
      params.deep_supervision = true;
      UNet3PlusImpl model(params, {size.first == 16 ? 1 : 3, 5, {}, 0});
      test::shake(model, 1);
      test::expect_own_kernels_agree(model, random_tensor({2, size.first == 16 ? 1 : 3, size.first, size.second}, 2));
    }
}

// Wide enough that the finest node is done in several bands.
TEST(UNet3Plus, BandsOfRowsFitTogether) {
  UNet3PlusImpl::Params params;
  params.filters = 16;
  UNet3PlusImpl model(params, {1, 3, {}, 0});
  const FullScaleNode node(0, std::vector<std::int64_t>(5, 16), 16);
  ASSERT_LT(node->rows_at_once(2048), 64);
  test::shake(model, 1);
  test::expect_own_kernels_agree(model, random_tensor({1, 1, 80, 2048}, 2));
}

TEST(UNet3Plus, GradientsAreThoseOfFiniteDifferences) {
  for (const char* guided : {"any", "per_class"}) {
    ModelUnderTest model(narrow(guided), 3, 2);
    for (const auto* t : model.tensors()) {
      if (t->role != OSTEON_TENSOR_PARAMETER) continue;
      sdk::borrow(t->value).add_(random_tensor(sdk::borrow(t->value).sizes().vec(), 7) - 0.5, 0.1);
      // Most ReLUs open: so many in a row have too many kinks within a step otherwise.
      const std::string name = t->name;
      const bool of_norm = name.find("bn") != std::string::npos || name.find(".1.") != std::string::npos;
      if (of_norm && name.find("bias") != std::string::npos) sdk::borrow(t->value).add_(1.5);
    }
    test::expect_finite_differences(
        model, random_tensor({2, 3, 48, 64}, 3),
        {"conv1.conv1.0.weight", "conv3.conv2.1.weight", "conv5.conv1.0.weight", "h1_PT_hd4_conv.weight",
         "h2_Cat_hd2_conv.weight", "hd5_UT_hd4_conv.weight", "hd5_UT_hd1_conv.weight", "hd2_UT_hd1_conv.weight",
         "hd3_UT_hd2_bn.bias", "conv4d_1.weight", "conv1d_1.weight", "bn2d_1.weight", "outconv1.bias",
         "outconv3.weight", "outconv5.weight", "cls.1.weight", "cls.1.bias"});
  }
}

TEST(UNet3Plus, RecomputingGivesTheSameGradients) {
  for (const char* guided : {"none", "any"}) {
    ModelUnderTest a(narrow(guided, 0.3), 3, 2), b(narrow(guided, 0.3, true), 3, 2);
    test::expect_same_training(a, b, random_tensor({3, 3, 48, 64}, 3));
  }
}

TEST(UNet3Plus, DrawsFromTheCallsSeedAlone) {
  ModelUnderTest model(narrow("per_class", 0.5), 3, 2);
  const at::Tensor x = random_tensor({2, 3, 32, 32}, 3);
  const auto run = [&](std::uint64_t seed) { return ModelUnderTest::Step(model, x, seed).output().clone(); };
  EXPECT_TRUE(run(1).equal(run(1)));
  EXPECT_FALSE(run(1).equal(run(2)));
}

TEST(UNet3Plus, StartsAsTheReleaseDoes) {
  ModelUnderTest::Values values;
  values.floats["prior"] = 0.01;
  const ModelUnderTest model(values, 3, 29);
  EXPECT_NEAR(model.value("conv5.conv1.0.weight").std().item<double>(), std::sqrt(2.0 / (512 * 9)), 1e-4);
  EXPECT_NEAR(model.value("hd5_UT_hd1_conv.weight").std().item<double>(), std::sqrt(2.0 / (1024 * 9)), 1e-4);
  EXPECT_NEAR(model.value("bn1d_1.weight").mean().item<double>(), 1, 0.005);
  EXPECT_NEAR(model.value("bn1d_1.weight").std().item<double>(), 0.02, 0.003);
  EXPECT_EQ(model.value("bn1d_1.bias").abs().max().item<float>(), 0);
  EXPECT_NEAR(model.value("outconv1.bias").sigmoid().max().item<double>(), 0.01, 1e-6);
}

TEST(UNet3Plus, RefusesSizesThatLevelsWouldCut) {
  const ModelUnderTest model(narrow(), 3, 2);
  EXPECT_EQ(model.info().size_multiple, 16);
  EXPECT_THROW(model.infer(test::RecordingCall(), random_tensor({1, 3, 64, 68}, 1)), sdk::Error);
}

TEST(ClassGuide, MultipliesProbabilities) {
  const at::Tensor logits = (random_tensor({2, 3, 4, 5}, 1) - 0.5) * 30;
  for (const std::int64_t classes : {1, 3}) {
    const at::Tensor presence = (random_tensor({2, classes, 1, 1}, 2) - 0.5) * 30;
    const at::Tensor expected =
        (logits.to(at::kDouble).sigmoid() * presence.to(at::kDouble).sigmoid()).logit().to(at::kFloat);
    EXPECT_LE(test::greatest_difference(guided(logits, presence), expected), 30 * test::rounding(16));
  }
}

TEST(ClassGuide, StaysFiniteAtTheEndsOfTheRange) {
  const c10::InferenceMode no_inference(false);
  const at::Tensor logits = at::tensor({-200.f, 0.f, 200.f}).view({1, 3, 1, 1}).requires_grad_();
  for (const float presence : {-200.f, 0.f, 200.f}) {
    const at::Tensor b = at::full({1, 1, 1, 1}, presence).requires_grad_();
    const at::Tensor result = guided(logits, b);
    EXPECT_TRUE(result.isfinite().all().item<bool>());
    for (const at::Tensor& grad : torch::autograd::grad({result.sum()}, {logits, b}))
      EXPECT_TRUE(grad.isfinite().all().item<bool>()) << presence;
  }
}

// At the usual threshold the product lets no pixel through where the publication's arg max multiplies by 0.
TEST(ClassGuide, LetsNothingThroughThatIsProbablyAbsent) {
  const at::Tensor logits = (random_tensor({1, 1, 64, 64}, 1) - 0.5) * 100;
  EXPECT_LT(guided(logits, at::full({1, 1, 1, 1}, -0.01)).max().item<float>(), 0);
  EXPECT_LE(test::greatest_difference(guided(logits, at::full({1, 1, 1, 1}, 60.0)), logits.clamp_max(50)),
            std::exp(-10.0) + 50 * test::rounding(16));  // 60 lets through what 50 leaves of it
}

// Two classes, each in half of the images; features show which, and the segmentation says "here" in every image.
// Nothing but a loss over pixels tells the branch.
TEST(ClassGuide, LearnsPresenceFromALossOverPixels) {
  const c10::InferenceMode no_inference(false);
  const sdk::SeedGuard seed(at::kCPU, 1);
  ClassGuide guide(8, 2, ClassGuideImpl::Kind::kPerClass, 0.0);
  at::Tensor feature = random_tensor({4, 8, 3, 3}, 1), target = at::zeros({4, 2, 12, 12});
  at::Tensor logits = at::full_like(target, -6);
  const auto spot = [](const at::Tensor& images) { return images.narrow(-2, 4, 4).narrow(-1, 8, 2); };
  spot(logits).fill_(3);
  const auto present = [](std::int64_t n, std::int64_t c) { return ((n >> c) & 1) != 0; };
  for (std::int64_t n = 0; n < 4; ++n)
    for (std::int64_t c = 0; c < 2; ++c) {
      if (!present(n, c)) continue;
      feature[n][c][1][2].add_(2);
      spot(target[n][c]).fill_(1);
    }
  for (int step = 0; step < 300; ++step) {
    guide->zero_grad();
    at::binary_cross_entropy_with_logits(guided(logits, guide(feature)), target).backward();
    const torch::NoGradGuard no_grad;
    for (at::Tensor& p : guide->parameters()) p.sub_(p.grad(), 20);
  }
  const at::Tensor presence = guide(feature).view({4, 2});
  for (std::int64_t n = 0; n < 4; ++n)
    for (std::int64_t c = 0; c < 2; ++c)
      EXPECT_EQ(presence[n][c].item<float>() > 0, present(n, c)) << "image " << n << " class " << c;
}

}  // namespace
}  // namespace osteon::models
