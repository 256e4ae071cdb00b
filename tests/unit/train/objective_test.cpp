// SPDX-License-Identifier: Apache-2.0
// The training loss over several heads and losses against one expression in LibTorch, differentiated by autograd.
#include "train/objective.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "base/error.hpp"
#include "support/found_plugins.hpp"
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
  const Objective::Result result = objective.evaluate(call, std::move(outputs), {planes, {}}, kScale);

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
  ASSERT_EQ(result.terms.size(), 2u);
  EXPECT_NEAR(result.terms[0], bce(leaves[0]).item<double>(), tolerance);
  EXPECT_NEAR(result.terms[1], dice(leaves[0]).item<double>(), tolerance);

  const auto grads = torch::autograd::grad({expected}, {leaves[0], leaves[1]});
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(result.grads[i].sizes(), leaves[i].sizes());
    const at::Tensor difference = (result.grads[i].to(at::kDouble) - kScale * grads[i]).abs().max();
    EXPECT_LT(difference.item<double>(), tolerance * kScale * grads[i].abs().max().item<double>() + 1e-9)
        << "head " << i;
  }
  EXPECT_FALSE(result.grads[2].defined()) << "a head of weight 0 does not count";
}

TEST(Objective, RefusesAHeadWeightForAHeadThatIsNotThere) {
  recipe::Recipe recipe = two_losses();
  recipe.train.head_weights = {{"quarter", 1.0}};
  try {
    Objective(recipe, test::registry(), {false, {"a", "b", "c"}, {}}, three_heads(), plugin::Call());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    EXPECT_STREQ(e.what(), "train.head_weights names 'quarter', but the model's outputs are: main, half, off");
  }
}

}  // namespace
}  // namespace osteon::train
