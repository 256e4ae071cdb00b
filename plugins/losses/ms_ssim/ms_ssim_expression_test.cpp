// SPDX-License-Identifier: Apache-2.0
#include "ms_ssim_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class MsSsimOnTorch : public OnTorch {};

TEST_P(MsSsimOnTorch, IsTheKernelsFormula) {
  for (const std::int64_t side : {9, 24, 50})
    expect_agreement<MsSsimExpression>("ms_ssim", device(), false, 3, {{"class_weight", {1, 2, 0}}},
                                       LossBatch(2, 3, side, side + 1, false, true, 1));
}
INSTANTIATE_TEST_SUITE_P(Devices, MsSsimOnTorch, devices(), name_of);

TEST(MsSsimKernel, IsTheEagerFormInFloat64) {
  LossBatch batch(1, 2, 177, 190, false, false, 2);
  for (std::int64_t c = 0; c < 2; ++c)
    for (std::int64_t p = 0; p < batch.pixels(); ++p)  // right in most places: below 0 there is no gradient
      batch.logits[batch.at(0, c, p)] += batch.target(0, c, p) > 0 ? 3.0f : -3.0f;
  expect_is_eager("ms_ssim", false, batch, eager::ms_ssim);
}

}  // namespace
}  // namespace osteon::losses
