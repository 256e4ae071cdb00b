// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "unet_fixture.hpp"

namespace osteon::models {
namespace {

/// The loss of the gradient tests: logits weighted by fixed numbers.
at::Tensor weights_like(const at::Tensor& logits) { return random_tensor(logits.sizes().vec(), 99) - 0.5; }

/// Small, for some forty layers of normalisation over few pixels.
constexpr double kStep = 1e-4;

TEST(UNet, GradientsAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow(), 3, 2);
  test::expect_finite_differences(
      model, random_tensor({2, 3, 64, 64}, 3),
      {"encoder.conv1.weight", "encoder.layer3.0.downsample.0.weight", "encoder.layer4.1.bn2.weight",
       "decoder.blocks.0.conv1.0.weight", "decoder.blocks.4.conv2.1.bias", "segmentation_head.0.weight",
       "segmentation_head.0.bias"},
      kStep);
}

TEST(UNet, GradientsThroughEfficientNetAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow("efficientnet-b0", "bilinear"), 3, 2);
  test::expect_finite_differences(
      model, random_tensor({4, 3, 128, 128}, 3),
      {"encoder._conv_stem.weight", "encoder._blocks.1._expand_conv.weight", "encoder._blocks.2._bn1.weight",
       "encoder._blocks.3._depthwise_conv.weight", "encoder._blocks.8._se_reduce.weight",
       "encoder._blocks.8._se_expand.weight", "encoder._blocks.15._project_conv.weight",
       "decoder.blocks.0.conv1.0.weight", "segmentation_head.0.bias"},
      kStep);
}

TEST(UNet, GradientsThroughPlainConvolutionsAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow("basic", "transposed"), 3, 2);
  test::expect_finite_differences(
      model, random_tensor({2, 3, 32, 48}, 3),
      {"encoder.levels.0.0.weight", "encoder.levels.2.4.weight", "encoder.levels.4.3.weight",
       "decoder.blocks.0.up.weight", "decoder.blocks.3.up.weight", "decoder.blocks.3.conv1.0.weight",
       "segmentation_head.0.weight"},
      kStep);
}

class UNetGradients : public testing::TestWithParam<std::pair<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(And, UNetGradients,
                         testing::Values(std::pair("resnet18", "nearest"), std::pair("resnet50", "transposed"),
                                         std::pair("efficientnet-b0", "nearest"), std::pair("basic", "bilinear"),
                                         std::pair("basic", "transposed")));

TEST_P(UNetGradients, RecomputeToTheSameGradients) {
  ModelUnderTest::Values recomputing = narrow(GetParam().first, GetParam().second);
  recomputing.ints["checkpointing"] = {1};
  ModelUnderTest plain(narrow(GetParam().first, GetParam().second), 3, 2), model(recomputing, 3, 2);
  test::expect_same_training(plain, model, random_tensor({2, 3, 64, 96}, 3));
}

TEST(UNet, GradientsAreThoseOfPlainAutogradAndAddUp) {
  ModelUnderTest model(narrow(), 3, 2);
  // The same network outside the ABI, with the same weights.
  UNetImpl::Params params;
  params.encoder = "resnet18";
  params.decoder_channels = {16, 16, 8, 8, 8};
  params.width = 0.125;
  UNetImpl reference(params, {3, 2, {}, 0});
  for (auto& item : reference.named_parameters()) {
    const torch::NoGradGuard no_grad;
    item.value().copy_(model.value(item.key()));
  }
  const at::Tensor first = random_tensor({1, 3, 64, 64}, 3), second = random_tensor({1, 3, 32, 64}, 4);
  reference.train();
  at::Tensor wanted_input;
  for (const at::Tensor& x : {first, second}) {
    const at::Tensor leaf = x.clone().set_requires_grad(true);
    const at::Tensor logits = reference.forward(leaf);
    logits.backward(weights_like(logits));
    wanted_input = leaf.grad();
  }
  at::Tensor input_gradient;
  for (const at::Tensor& x : {first, second}) {
    ModelUnderTest::Step step(model, x, 0, OSTEON_FORWARD_INPUT_GRADIENT);
    const at::Tensor grad = weights_like(step.output());
    step.output().fill_(7);  // the output is ours to overwrite
    step.free_output(0);
    input_gradient = step.backward({grad}, nullptr, nullptr, true);
  }
  const double tolerance = test::rounding_of(reference.parameters(), first.numel() / 3);
  double greatest = 0;
  for (const at::Tensor& p : reference.parameters()) greatest = std::max(greatest, p.grad().abs().max().item<double>());
  for (const auto& item : reference.named_parameters())
    EXPECT_LE(test::greatest_difference(model.grad(item.key()), item.value().grad()), tolerance * greatest)
        << item.key();
  EXPECT_LE(test::greatest_difference(input_gradient, wanted_input),
            tolerance * wanted_input.abs().max().item<double>());
  EXPECT_LE(test::greatest_difference(model.value("encoder.bn1.running_mean"),
                                      reference.named_buffers()["encoder.bn1.running_mean"]),
            tolerance);
  EXPECT_EQ(model.value("encoder.bn1.num_batches_tracked").item<std::int64_t>(), 2);
}

TEST(UNet, TrainsOnlyWhatItIsToldToAndKeepsFrozenStatistics) {
  ModelUnderTest model(narrow(), 3, 2);
  std::vector<std::uint64_t> decoder;
  for (std::size_t i = 0; i < model.tensors().size(); ++i)
    if (model.tensors()[i]->role == OSTEON_TENSOR_PARAMETER &&
        std::string(model.tensors()[i]->name).rfind("encoder.", 0) != 0)
      decoder.push_back(i);
  model.set_trainable(decoder);
  std::map<std::uint64_t, int> reports;
  {
    ModelUnderTest::Step step(model, random_tensor({1, 3, 64, 64}, 3));
    step.backward(
        {at::ones_like(step.output())},
        [](void* user, std::uint64_t index, void*) { ++(*static_cast<std::map<std::uint64_t, int>*>(user))[index]; },
        &reports);
  }
  EXPECT_FALSE(model.is_trained(model.index_of("encoder.conv1.weight")));
  EXPECT_GT(model.grad("decoder.blocks.0.conv1.0.weight").abs().max().item<float>(), 0);
  EXPECT_EQ(model.value("encoder.bn1.num_batches_tracked").item<std::int64_t>(), 0);
  EXPECT_EQ(model.value("decoder.blocks.0.conv1.1.num_batches_tracked").item<std::int64_t>(), 1);
  EXPECT_EQ(reports.size(), decoder.size());
  for (const std::uint64_t index : decoder) EXPECT_EQ(reports[index], 1) << model.tensors()[index]->name;
  // A buffer cannot be trained, and nothing changes under a tape.
  EXPECT_THROW(model.set_trainable({model.index_of("encoder.bn1.running_mean")}), sdk::Error);
  const ModelUnderTest::Step step(model, random_tensor({1, 3, 64, 64}, 3));
  EXPECT_THROW(model.set_trainable({}), sdk::Error);
}

TEST(UNet, ATapeServesOnce) {
  ModelUnderTest model(narrow(), 3, 2);
  ModelUnderTest::Step step(model, random_tensor({1, 3, 64, 64}, 3));
  const at::Tensor grad = at::ones_like(step.output());
  EXPECT_THROW(step.backward({grad, grad}), sdk::Error);
  EXPECT_THROW(step.backward({grad}), sdk::Error);
}

TEST(UNet, TrainsInBfloat16WithFloat32Gradients) {
  ModelUnderTest model(narrow(), 3, 2);
  const at::Tensor x = random_tensor({2, 3, 128, 128}, 3);
  const auto run = [&](std::uint32_t precision) {
    model.zero_grads();
    ModelUnderTest::Step step(model, x, 0, 0, precision);
    const at::Tensor logits = step.output().clone();
    step.backward({weights_like(logits).to(logits.scalar_type())});
    return std::make_pair(logits, model.grad("segmentation_head.0.weight").clone());
  };
  const auto [wanted, wanted_grad] = run(OSTEON_PRECISION_FLOAT32);
  const auto [got, got_grad] = run(OSTEON_PRECISION_BFLOAT16);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  EXPECT_EQ(got_grad.scalar_type(), at::kFloat);
  // bfloat16 keeps 8 bits. Only the last layer is compared: through some 40 layers of small batches the noise is large.
  const auto cosine = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a * b).sum() / (a.norm() * b.norm())).item<double>();
  };
  EXPECT_GT(cosine(got.to(at::kFloat), wanted), 0.99);
  EXPECT_GT(cosine(got_grad, wanted_grad), 0.98);
}

}  // namespace
}  // namespace osteon::models
