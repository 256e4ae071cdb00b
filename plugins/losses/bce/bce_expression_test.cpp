// SPDX-License-Identifier: Apache-2.0
#include "bce_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class BceOnTorch : public OnTorch {};

TEST_P(BceOnTorch, IsTheKernelsFormula) {
  for (const bool holes : {false, true}) {
    expect_agreement<BceExpression>("bce", device(), false, 3, {}, LossBatch(2, 3, 37, 41, false, holes, 1));
    expect_agreement<BceExpression>("bce", device(), false, 65, {}, LossBatch(1, 65, 9, 7, false, holes, 2));
    expect_agreement<BceExpression>(
        "bce", device(), false, 3,
        {{"pos_weight", {1, 3, 0.5}}, {"class_weight", {0.5, 0, 2}}, {"label_smoothing", {0.1}}},
        LossBatch(3, 3, 19, 23, false, holes, 3));
  }
}
TEST(BceKernel, IsTheEagerFormInFloat64) {
  expect_is_eager("bce", false, LossBatch(2, 5, 64, 70, false, false, 4), eager::bce);
}
INSTANTIATE_TEST_SUITE_P(Devices, BceOnTorch, devices(), name_of);

}  // namespace
}  // namespace osteon::losses
