// SPDX-License-Identifier: Apache-2.0
#include "focal_expression.hpp"

#include "support/loss_on_torch.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::test;

class FocalOnTorch : public OnTorch {};

TEST_P(FocalOnTorch, IsTheKernelsFormula) {
  const std::vector<double> weight{1, 0.5, 2};
  for (const char* mode : {"pixel", "batch"})
    for (const auto& [alpha, gamma] : {std::pair{0.25, 2.0}, {-1.0, 0.5}, {0.7, 0.0}, {1.0, 3.0}}) {
      SCOPED_TRACE(std::string(mode) + ", gamma " + std::to_string(gamma));
      expect_agreement<FocalExpression>("focal", device(), false, 3,
                                        {{"alpha", {alpha}}, {"gamma", {gamma}}, {"class_weight", weight}},
                                        LossBatch(2, 3, 19, 23, false, true, 1), {{"mode", mode}});
    }
}
INSTANTIATE_TEST_SUITE_P(Devices, FocalOnTorch, devices(), name_of);

TEST(FocalKernel, IsTheEagerFormInFloat64) {
  const LossBatch batch(2, 5, 64, 70, false, false, 4);
  expect_is_eager("focal", false, batch, eager::focal);
  expect_is_eager("focal", false, batch, eager::focal_of_batch, {{"mode", "batch"}});
}

}  // namespace
}  // namespace osteon::losses
