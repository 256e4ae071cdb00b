// SPDX-License-Identifier: Apache-2.0
// The training loss over several heads and losses against one expression in LibTorch, differentiated by autograd.
#include "train/objective.hpp"

#include <cmath>
#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "base/error.hpp"
#include "support/found_plugins.hpp"
#include "support/program.hpp"
#include "support/rounding.hpp"

namespace osteon::train {
namespace {

constexpr std::int64_t kN = 2, kK = 3, kSide = 12;
constexpr double kScale = 8, kBceWeight = 0.3, kDiceWeight = 2;

recipe::LossTerm term(const std::string& plugin, double weight) {
  recipe::LossTerm loss;
  loss.component.plugin = plugin;
  loss.component.parameters = test::default_parameters(*test::registry().find(plugin::Kind::kLoss, plugin));
  loss.weight = weight;
  return loss;
}

recipe::Recipe two_losses() {
  recipe::Recipe recipe;
  recipe.loss = {term("bce", kBceWeight), term("dice", kDiceWeight)};
  return recipe;
}

std::vector<plugin::ModelOutput> three_heads() {
  std::vector<plugin::ModelOutput> outputs(3);
  outputs[0].name = "main";
  outputs[1].name = "half";
  outputs[1].stride = 2;
  outputs[1].align_corners = true;
  outputs[1].loss_weight = 0.4;
  outputs[2].name = "off";
  outputs[2].loss_weight = 0;
  return outputs;
}

at::Tensor logits(std::int64_t side, double phase) {
  return at::sin(at::arange(kN * kK * side * side, at::kFloat) * 0.37 + phase).view({kN, kK, side, side}) * 2;
}

sdk::OwnedTensor owned(const at::Tensor& tensor) {
  sdk::OwnedTensor out;
  sdk::give(tensor, out.out());
  return out;
}

TEST(Objective, IsTheWeightedSumOverLossesAndHeads) {
  const plugin::Call call;
  const plugin::ClassContext classes{false, {"a", "b", "c"}, {}};
  const Objective objective(two_losses(), test::registry(), classes, three_heads(), call);
  const at::Tensor planes =
      (at::arange(kN * kSide * kSide, at::kInt) * 5 / 3 % 8).to(at::kInt).view({kN, 1, kSide, kSide});

  std::vector<sdk::OwnedTensor> outputs;
  std::vector<at::Tensor> leaves;
  for (const auto& [side, phase] : {std::pair<std::int64_t, double>{kSide, 0}, {kSide / 2, 1}, {kSide / 4, 2}}) {
    outputs.push_back(owned(logits(side, phase)));
    leaves.push_back(logits(side, phase).to(at::kDouble).requires_grad_());
  }
  const Objective::Result result =
      objective.evaluate(call, std::move(outputs), {planes, {}, {}, {}, {}, {}, {}}, kScale);

  std::vector<at::Tensor> dense;
  for (std::int64_t c = 0; c < kK; ++c) dense.push_back(planes.bitwise_right_shift(c).bitwise_and(1));
  const at::Tensor target = at::cat(dense, 1).to(at::kDouble);
  const auto bce = [&](const at::Tensor& x) { return at::binary_cross_entropy_with_logits(x, target); };
  const auto dice = [&](const at::Tensor& x) {  // the seed's, with smoothing 1
    const at::Tensor p = at::sigmoid(x);
    const at::Tensor both = (p * target).sum({2, 3}), sum = p.sum({2, 3}) + target.sum({2, 3});
    return (1 - (2 * both + 1) / (sum + 1)).mean();
  };
  const auto both = [&](const at::Tensor& x) { return kBceWeight * bce(x) + kDiceWeight * dice(x); };
  const at::Tensor half = at::upsample_bilinear2d(leaves[1], at::IntArrayRef({kSide, kSide}), true);
  const at::Tensor expected = both(leaves[0]) + 0.4 * both(half);
  // Sums over all logits, of losses by exponentials and logarithms.
  const double tolerance = test::rounding(512 + static_cast<double>(leaves[0].numel()));
  EXPECT_NEAR(result.value, expected.item<double>(), tolerance);

  const auto grads = torch::autograd::grad({expected}, {leaves[0], leaves[1]});
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(result.grads[i].sizes(), leaves[i].sizes());
    const at::Tensor difference = (result.grads[i].to(at::kDouble) - kScale * grads[i]).abs().max();
    EXPECT_LT(difference.item<double>(), tolerance * kScale * grads[i].abs().max().item<double>() + 1e-9)
        << "head " << i;
  }
  EXPECT_FALSE(result.grads[2].defined()) << "a head of weight 0 does not count";
}

std::string not_finite(const Objective& objective, const plugin::Call& call, const at::Tensor& logits, bool by_model) {
  Target target;
  target.planes = at::ones({logits.size(0), 1, logits.size(2), logits.size(3)}, at::kInt);
  for (std::int64_t i = 0; i < logits.size(0); ++i) target.names.push_back("image" + std::to_string(i));
  std::vector<sdk::OwnedTensor> outputs;
  outputs.push_back(owned(logits));
  try {
    objective.evaluate(call, std::move(outputs), target, 1);
  } catch (const NotFinite& e) {
    EXPECT_EQ(e.by_model(), by_model);
    return e.what();
  }
  return "finite";
}

TEST(Objective, NamesTheLossTheClassAndTheImageOfAValueThatIsNotFinite) {
  const test::TemporaryFolder folder;
  std::filesystem::copy_file(OSTEON_FIXTURE_PLUGINS "/unruly.so", folder / "unruly.so");
  plugin::RegistryOptions options;
  options.folders = {folder.path()};
  options.scanner = OSTEON_PROGRAM;
  plugin::Registry registry(options);
  recipe::Recipe recipe;
  recipe.loss.resize(1);
  recipe.loss[0].component.plugin = "bounded";
  recipe.loss[0].component.parameters = {std::vector<double>{10}};
  recipe.loss[0].weight = 1;
  const plugin::Call call;
  const plugin::ClassContext classes{false, {"a", "b", "c"}, {}};
  const Objective objective(recipe, registry, classes, {three_heads()[0]}, call);
  at::Tensor own = logits(kSide, 0);
  EXPECT_EQ(not_finite(objective, call, own, false), "finite");
  own[1][2][5][6] = 11;
  EXPECT_EQ(not_finite(objective, call, own, false),
            "loss 'bounded', evaluate: gives nan for finite logits (output 'main', class 'c', image 'image1')");
  own[0][1][0][3] = INFINITY;
  EXPECT_EQ(not_finite(objective, call, own, true),
            "gives logits that are not finite (output 'main', class 'b', image 'image0')");
}

// As a network gives that has almost diverged.
TEST(Objective, OfAnyLossIsFiniteForAnyFiniteLogits) {
  const plugin::Call call;
  for (const char* plugin : {"bce", "dice", "focal", "iou", "lovasz", "ms_ssim", "tversky", "cross_entropy"}) {
    recipe::Recipe recipe;
    recipe.loss = {term(plugin, 1)};
    const plugin::ClassContext classes{std::string(plugin) == "cross_entropy", {"a", "b", "c"}, {}};
    const Objective objective(recipe, test::registry(), classes, {three_heads()[0]}, call);
    const std::int64_t side = std::string(plugin) == "ms_ssim" ? 176 : kSide;  // the least for its five scales
    for (const float size : {1e4f, 1e30f})
      EXPECT_EQ(not_finite(objective, call, at::sign(logits(side, 0.5)) * size, false), "finite")
          << plugin << " at " << size;
  }
}

std::vector<plugin::ModelOutput> main_and_presence() {
  std::vector<plugin::ModelOutput> outputs(2);
  outputs[0].name = "main";
  outputs[1].name = "presence";
  outputs[1].role = OSTEON_OUTPUT_PRESENCE;
  outputs[1].stride = 0;
  outputs[1].loss_weight = 0;
  return outputs;
}

const plugin::ClassContext kClasses{false, {"a", "b", "c"}, {}};

/// Logits of the main output, and of whether each class is there.
std::vector<sdk::OwnedTensor> main_and_presence_logits() {
  std::vector<sdk::OwnedTensor> outputs;
  outputs.push_back(owned(logits(kSide, 0)));
  outputs.push_back(owned(logits(1, 3)));
  return outputs;
}

// Class 0 is in image 0 alone, under an invalid pixel too; class 1 in both; class 2 nowhere but under an invalid pixel.
Target two_images() {
  Target target;
  target.planes = at::zeros({kN, 1, kSide, kSide}, at::kInt);
  target.valid = at::ones({kN, kSide, kSide}, at::kByte);
  target.planes[0][0][1][2] = 1 | 2;
  target.planes[1][0][11][11] = 2;
  target.planes[0][0][3][4] = 4;
  target.valid[0][3][4] = 0;
  target.planes[1][0][5][6] = 1;
  target.valid[1][5][6] = 0;
  return target;
}

TEST(Objective, ALossThatNamesAnOutputIsForThatOneAlone) {
  const plugin::Call call;
  recipe::Recipe recipe;
  recipe.loss = {term("dice", kDiceWeight), term("bce", kBceWeight)};
  recipe.loss[1].output = "presence";
  const Objective objective(recipe, test::registry(), kClasses, main_and_presence(), call);
  const Objective::Result result = objective.evaluate(call, main_and_presence_logits(), two_images(), kScale);

  const at::Tensor x = logits(1, 3).to(at::kDouble).requires_grad_();
  const at::Tensor there = at::tensor({1.0, 1.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).view({kN, kK, 1, 1});
  const at::Tensor expected = at::binary_cross_entropy_with_logits(x, there);
  recipe::Recipe main_alone;
  main_alone.loss = {recipe.loss[0]};
  const double of_main = Objective(main_alone, test::registry(), kClasses, main_and_presence(), call)
                             .evaluate(call, main_and_presence_logits(), two_images(), kScale)
                             .value;
  EXPECT_NEAR(result.value, of_main + kBceWeight * expected.item<double>(), 1e-6)
      << "a named output counts 1, whatever the model says";
  const at::Tensor slope = torch::autograd::grad({expected}, {x})[0] * kScale * kBceWeight;
  EXPECT_LT((result.grads[1].to(at::kDouble) - slope).abs().max().item<double>(), 1e-6);

  recipe.train.head_weights = {{"presence", 0.5}};
  const Objective half(recipe, test::registry(), kClasses, main_and_presence(), call);
  EXPECT_NEAR(half.evaluate(call, main_and_presence_logits(), two_images(), kScale).value,
              of_main + 0.5 * kBceWeight * expected.item<double>(), 1e-6);
}

TEST(Objective, PresenceDoesNotCountWhereNoLossNamesIt) {
  const plugin::Call call;
  const Objective objective(two_losses(), test::registry(), kClasses, main_and_presence(), call);
  const Objective::Result result = objective.evaluate(call, main_and_presence_logits(), two_images(), kScale);
  EXPECT_TRUE(result.grads[0].defined());
  EXPECT_FALSE(result.grads[1].defined());
  recipe::Recipe other = two_losses();
  for (recipe::LossTerm& loss : other.loss) loss.output = "presence";
  const Objective reversed(other, test::registry(), kClasses, main_and_presence(), call);
  const Objective::Result turned = reversed.evaluate(call, main_and_presence_logits(), two_images(), kScale);
  EXPECT_FALSE(turned.grads[0].defined());
  EXPECT_TRUE(turned.grads[1].defined());
}

TEST(Objective, PassesAllOnThatATargetSays) {
  const plugin::Call call;
  recipe::Recipe recipe;
  recipe.loss = {term("bce", 1)};
  const Objective objective(recipe, test::registry(), kClasses, {main_and_presence()[0]}, call);
  Target target = two_images();
  target.sample_weight = at::tensor({0.5f, 2.0f});
  target.pixel_weight = at::cos(at::arange(kN * kSide * kSide, at::kFloat)).abs().view({kN, kSide, kSide});
  target.class_valid = at::tensor({1, 0, 1, 1, 1, 1}, at::kByte).view({kN, kK});
  target.soft = at::sin(at::arange(kN * kK * kSide * kSide, at::kFloat)).abs().view({kN, kK, kSide, kSide});
  target.planes.reset();
  std::vector<sdk::OwnedTensor> outputs;
  outputs.push_back(owned(logits(kSide, 0)));
  const double value = objective.evaluate(call, std::move(outputs), target, 1).value;

  const at::Tensor x = logits(kSide, 0).to(at::kDouble), t = target.soft.to(at::kDouble);
  const at::Tensor each = at::binary_cross_entropy_with_logits(x, t, {}, {}, at::Reduction::None);
  const at::Tensor weight = (target.pixel_weight * target.valid).to(at::kDouble).unsqueeze(1) *
                            target.class_valid.to(at::kDouble).view({kN, kK, 1, 1});
  const at::Tensor by_image = target.sample_weight.to(at::kDouble).view({kN, 1, 1, 1});
  EXPECT_NEAR(value, ((each * weight * by_image).sum() / weight.sum()).item<double>(), 1e-5);
}

std::string refusal(const recipe::Recipe& recipe, const std::vector<plugin::ModelOutput>& outputs,
                    plugin::Registry& registry = test::registry()) {
  try {
    Objective(recipe, registry, kClasses, outputs, plugin::Call());
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    return e.where() + ": " + e.what();
  }
  ADD_FAILURE() << "was made";
  return {};
}

TEST(Objective, RefusesOutputsThatAreNotThereWithTheirPlace) {
  recipe::Recipe recipe = two_losses();
  recipe.train.head_weights = {{"quarter", 1.0}};
  recipe.origins.push_back({"train.head_weights.\"quarter\"", "1.0", "wrist.toml:9:4", {}});
  EXPECT_EQ(refusal(recipe, three_heads()),
            "wrist.toml:9:4: train.head_weights names 'quarter', but the model's outputs are: main, half, off");
  recipe.train.head_weights = {{"presence", 1.0}};
  EXPECT_EQ(refusal(recipe, main_and_presence()),
            ": train.head_weights names 'presence', which no loss is for; a [[loss]] with output = \"presence\" is");
  recipe.train.head_weights.clear();
  recipe.loss[1].output = "presense";
  recipe.origins.push_back({"loss[1].output", "\"presense\"", "wrist.toml:20:10", {}});
  EXPECT_EQ(refusal(recipe, main_and_presence()),
            "wrist.toml:20:10: loss[1].output names 'presense', but the model's outputs are: main, presence");
}

// Found out before the first step, with the sentence of the loss.
TEST(Objective, RefusesALossThatDoesNotKnowWhatTheDataWillSay) {
  const test::TemporaryFolder folder;
  std::filesystem::copy_file(std::filesystem::path(OSTEON_FIXTURE_PLUGINS) / "good.so", folder / "good.so");
  plugin::RegistryOptions options;
  options.folders = {folder.path()};
  options.scanner = OSTEON_PROGRAM;
  plugin::Registry registry(options);
  recipe::Recipe recipe;
  recipe.loss.resize(1);
  recipe.loss[0].component.plugin = "constant";
  recipe.loss[0].component.parameters = {std::vector<double>{2}};
  recipe.origins.push_back({"loss[0].plugin", "\"constant\"", "wrist.toml:30:10", {}});
  Objective(recipe, registry, kClasses, three_heads(), plugin::Call());
  recipe.data.absent = "unknown";
  EXPECT_EQ(refusal(recipe, three_heads(), registry),
            "wrist.toml:30:10: loss 'constant' cannot be trained with on this data: a constant loss knows nothing but "
            "bits");
}

}  // namespace
}  // namespace osteon::train
