// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/torch/loss.hpp>

#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

/// Two losses as an author would write them, through the C entry.
namespace {

using namespace osteon::sdk;
using namespace osteon::test;

/// Focal loss for multilabel data, cross entropy for multiclass data.
class Focal {
 public:
  struct Params {
    double gamma = 2;
    static void schema(Schema<Params>& s) { s.add("gamma", &Params::gamma, "focus on hard pixels").at_least(0); }
  };
  Focal(const Params& params, const LossRequest&) : gamma_(params.gamma) {}
  at::Tensor forward(const at::Tensor& logits, const TorchTarget& target) const {
    if (target.multiclass())
      return target.mean(at::nll_loss2d(at::log_softmax(logits, 1), target.class_index(), {}, 0, -100).unsqueeze(1));
    const auto ce = at::binary_cross_entropy_with_logits(logits, target.dense(), {}, {}, at::Reduction::None);
    return target.mean((1 - (-ce).exp()).pow(gamma_) * ce);
  }

 private:
  double gamma_;
};

double focal(const LossBatch& b, const std::vector<double>& x) {
  double sum = 0, pixels = 0;
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t p = 0; p < b.pixels(); ++p) {
      if (!b.is_valid(i, p)) continue;
      ++pixels;
      for (std::int64_t c = 0; c < b.k; ++c) {
        const double q = 1 / (1 + std::exp(-x[b.at(i, c, p)])), right = b.target(i, c, p) > 0 ? q : 1 - q;
        sum -= b.weight(i) * std::pow(1 - right, 2) * std::log(right);
      }
    }
  return sum / (pixels * static_cast<double>(b.k));
}

double cross_entropy(const LossBatch& b, const std::vector<double>& x) {
  double sum = 0, pixels = 0;
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t p = 0; p < b.pixels(); ++p) {
      if (!b.is_valid(i, p)) continue;
      ++pixels;
      double partition = 0, own = 0;
      for (std::int64_t c = 0; c < b.k; ++c) {
        partition += std::exp(x[b.at(i, c, p)]);
        if (b.target(i, c, p) > 0) own = x[b.at(i, c, p)];
      }
      sum += b.weight(i) * (std::log(partition) - own);
    }
  return sum / pixels;
}

void expect_keeps_the_rules_of_a_torch_loss(const LossUnderTest& loss, const LossBatch& batch,
                                            const ReferenceLoss& reference) {
  expect_matches(loss, batch, reference);
  expect_value_only_is_the_same(loss, batch);
  expect_accumulates(loss, batch);
  expect_invalid_pixels_are_ignored(loss, batch);
  expect_no_valid_pixel_gives_zero(loss, batch);
  expect_bfloat16_works(loss, batch);
}

TEST(TorchLoss, MultilabelKeepsTheRulesOfALoss) {
  expect_keeps_the_rules_of_a_torch_loss(LossUnderTest(false, 35), LossBatch(2, 35, 17, 13, false, true, 1), focal);
}

TEST(TorchLoss, MulticlassKeepsTheRulesOfALoss) {
  expect_keeps_the_rules_of_a_torch_loss(LossUnderTest(true, 35), LossBatch(2, 35, 17, 13, true, true, 2),
                                         cross_entropy);
}

TEST(TorchLoss, WithoutHolesAndWeightsMatches) {
  expect_matches(LossUnderTest(false, 3), LossBatch(2, 3, 5, 7, false, false, 3), focal);
}

TEST(TorchLoss, TakesBit31ForAClass) {
  LossBatch batch(1, 32, 1, 1, false, false, 4);
  batch.planes = {0x80000000u};
  expect_matches(LossUnderTest(false, 32), batch, focal);
}

TEST(TorchLoss, SmallGradientsSurviveFloat16) {
  expect_small_gradients_survive_float16(LossUnderTest(false, 29), LossBatch(2, 29, 200, 200, false, false, 5));
}

TEST(TorchLoss, RefusesATargetOfAnotherSize) {
  LossBatch batch(1, 3, 4, 4, false, false, 6);
  const BorrowedTensor x(batch.logits.data(), {1, 3, 4, 4}),
      t(batch.planes.data(), dtype_of<std::int32_t>(), {1, 1, 4, 2});
  const osteon_loss_input input{sizeof input, 0, x, t, nullptr, nullptr, 1, nullptr};
  try {
    LossUnderTest(false, 3).evaluate(input, BareCall());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
    EXPECT_NE(std::string(e.what()).find("target planes has shape [1, 1, 4, 2], expected [1, 1, 4, 4]"),
              std::string::npos)
        << e.what();
  }
}

}  // namespace

OSTEON_PLUGIN("focal", "1.0.0", osteon::sdk::torch_loss<Focal>({"focal", "1.0.0", "Focal loss", "arXiv:1708.02002"}))
