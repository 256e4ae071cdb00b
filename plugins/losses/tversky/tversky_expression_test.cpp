// SPDX-License-Identifier: Apache-2.0
#include "tversky_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class TverskyOnTorch : public OnTorch {};

TEST_P(TverskyOnTorch, IsTheKernelsFormula) {
  for (int choice = 0; choice < 8; ++choice) {
    const auto bit = [choice](int i) { return (choice >> i & 1) != 0; };
    SCOPED_TRACE(choice);
    const bool multiclass = bit(0);
    LossBatch batch(3, 4, 19, 23, multiclass, true, 1);
    for (auto& plane : batch.planes)  // class 1 nowhere
      if ((plane & 2u) != 0) plane = multiclass ? 1u : plane & ~2u;
    expect_agreement<TverskyExpression>("tversky", device(), multiclass, 4,
                                        {{"alpha", {0.8}},
                                         {"gamma", {bit(0) == bit(1) ? 1.0 : 4.0 / 3}},
                                         {"per_image", {bit(1) ? 1.0 : 0.0}},
                                         {"ignore_empty", {bit(2) ? 1.0 : 0.0}},
                                         {"class_weight", {1, 2, 0.5, 0}}},
                                        batch);
  }
}
INSTANTIATE_TEST_SUITE_P(Devices, TverskyOnTorch, devices(), name_of);

TEST(TverskyKernel, IsTheEagerFormInFloat64) {
  for (const bool multiclass : {false, true})
    expect_is_eager("tversky", multiclass, LossBatch(2, 5, 64, 70, multiclass, false, 3),
                    [&](const at::Tensor& x, const at::Tensor& t) { return eager::tversky(x, t, multiclass); });
}

}  // namespace
}  // namespace osteon::losses
