// SPDX-License-Identifier: Apache-2.0
#include "dice_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class DiceOnTorch : public OnTorch {};

TEST_P(DiceOnTorch, IsTheKernelsFormula) {
  for (int choice = 0; choice < 32; ++choice) {
    const auto bit = [choice](int i) { return (choice >> i & 1) != 0; };
    SCOPED_TRACE(choice);
    const bool multiclass = bit(0);
    LossBatch batch(3, 4, 19, 23, multiclass, bit(1), 1);
    for (auto& plane : batch.planes)  // class 1 nowhere
      if ((plane & 2u) != 0) plane = multiclass ? 1u : plane & ~2u;
    expect_agreement<DiceExpression>("dice", device(), multiclass, 4,
                                     {{"smooth", {0.5}},
                                      {"squared", {bit(2) ? 1.0 : 0.0}},
                                      {"per_image", {bit(3) ? 1.0 : 0.0}},
                                      {"ignore_empty", {bit(4) ? 1.0 : 0.0}}},
                                     batch);
  }
}

TEST_P(DiceOnTorch, IsFiniteWithoutSmoothingAndDoesNotCountImagesWithoutAValidPixel) {
  LossBatch batch(2, 3, 8, 8, false, true, 2);
  std::fill(batch.planes.begin(), batch.planes.end(), 0u);
  std::fill_n(batch.valid.begin(), 64, std::uint8_t{0});
  for (const double per_image : {0.0, 1.0})
    expect_agreement<DiceExpression>("dice", device(), false, 3, {{"smooth", {0}}, {"per_image", {per_image}}}, batch);
}
TEST(DiceKernel, IsTheEagerFormInFloat64) {
  for (const bool multiclass : {false, true})
    expect_is_eager("dice", multiclass, LossBatch(2, 5, 64, 70, multiclass, false, 3),
                    [&](const at::Tensor& x, const at::Tensor& t) { return eager::dice(x, t, multiclass); });
}
INSTANTIATE_TEST_SUITE_P(Devices, DiceOnTorch, devices(), name_of);

}  // namespace
}  // namespace osteon::losses
