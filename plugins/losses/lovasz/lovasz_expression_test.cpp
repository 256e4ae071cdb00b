// SPDX-License-Identifier: Apache-2.0
#include "lovasz_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class LovaszOnTorch : public OnTorch {};

TEST_P(LovaszOnTorch, IsTheKernelsFormula) {
  for (int choice = 0; choice < 8; ++choice) {
    const auto bit = [choice](int i) { return (choice >> i & 1) != 0; };
    SCOPED_TRACE(choice);
    const bool multiclass = bit(0);
    // Few pixels: where two errors are a rounding apart their derivatives change places.
    LossBatch batch(2, 4, 5, 6, multiclass, true, 1);
    for (auto& plane : batch.planes)  // class 1 nowhere
      if ((plane & 2u) != 0) plane = multiclass ? 1u : plane & ~2u;
    expect_agreement<LovaszExpression>(
        "lovasz", device(), multiclass, 4,
        {{"per_image", {bit(1) ? 1.0 : 0.0}}, {"ignore_empty", {bit(2) ? 1.0 : 0.0}}, {"class_weight", {1, 2, 0.5, 0}}},
        batch);
  }
}
INSTANTIATE_TEST_SUITE_P(Devices, LovaszOnTorch, devices(), name_of);

TEST(LovaszKernel, IsTheEagerFormInFloat64) {
  for (const bool multiclass : {false, true})
    expect_is_eager("lovasz", multiclass, LossBatch(2, 5, 11, 12, multiclass, false, 3),
                    [&](const at::Tensor& x, const at::Tensor& t) { return eager::lovasz(x, t, multiclass); });
}

}  // namespace
}  // namespace osteon::losses
