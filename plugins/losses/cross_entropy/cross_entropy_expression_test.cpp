// SPDX-License-Identifier: Apache-2.0
#include "cross_entropy_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class CrossEntropyOnTorch : public OnTorch {};

TEST_P(CrossEntropyOnTorch, IsTheKernelsFormula) {
  for (const bool holes : {false, true}) {
    expect_agreement<CrossEntropyExpression>("cross_entropy", device(), true, 3, {},
                                             LossBatch(2, 3, 37, 41, true, holes, 1));
    expect_agreement<CrossEntropyExpression>("cross_entropy", device(), true, 65, {},
                                             LossBatch(1, 65, 9, 7, true, holes, 2));
    expect_agreement<CrossEntropyExpression>("cross_entropy", device(), true, 4,
                                             {{"class_weight", {0.5, 0, 2, 1}}, {"label_smoothing", {0.1}}},
                                             LossBatch(3, 4, 11, 13, true, holes, 3));
  }
}

TEST_P(CrossEntropyOnTorch, IsZeroWhereOnlyClassesOfNoWeightAre) {
  LossBatch batch(1, 3, 4, 4, true, false, 4);
  std::fill(batch.planes.begin(), batch.planes.end(), 2u);
  static const osteon_component component = sdk::torch_loss<CrossEntropyExpression>({"expression", "1.0.0", "Test."});
  const LossUnderTest loss(component, true, 3, {{"class_weight", {1, 0, 1}}, {"label_smoothing", {0.1}}});
  const auto [value, grad] = run_on_torch(loss, batch, device());
  EXPECT_EQ(value, 0);
  EXPECT_TRUE(grad.eq(0).all().item<bool>());
}
TEST(CrossEntropyKernel, IsTheEagerFormInFloat64) {
  expect_is_eager("cross_entropy", true, LossBatch(2, 5, 64, 70, true, false, 5), eager::cross_entropy);
}
INSTANTIATE_TEST_SUITE_P(Devices, CrossEntropyOnTorch, devices(), name_of);

}  // namespace
}  // namespace osteon::losses
