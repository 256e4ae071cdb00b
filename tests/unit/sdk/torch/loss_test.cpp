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
  static constexpr std::uint32_t kUnderstands =
      OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;
  Focal(const Params& params, const LossRequest&) : gamma_(params.gamma) {}
  at::Tensor forward(const at::Tensor& logits, const TorchTarget& target) const {
    if (target.multiclass())
      return target.mean(-(target.dense() * target.log_softmax(logits)).sum(1, /*keepdim=*/true));
    const auto ce = at::binary_cross_entropy_with_logits(logits, target.dense(), {}, {}, at::Reduction::None);
    return target.mean((1 - (-ce).exp()).pow(gamma_) * ce);
  }

 private:
  double gamma_;
};

double focal(const LossBatch& b, const std::vector<double>& x) {
  double sum = 0, total = 0;
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t c = 0; c < b.k; ++c)
      for (std::int64_t p = 0; p < b.pixels(); ++p) {
        if (b.weight(i, p) == 0 || !b.knows(i, c)) continue;
        const double z = x[b.at(i, c, p)], t = b.target(i, c, p);
        const double entropy = (1 - t) * std::log1p(std::exp(z)) + t * std::log1p(std::exp(-z));
        sum += b.weight(i) * b.weight(i, p) * std::pow(1 - std::exp(-entropy), 2) * entropy;
        total += b.weight(i, p);
      }
  return sum / total;
}

double cross_entropy(const LossBatch& b, const std::vector<double>& x) {
  double sum = 0, total = 0;
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t p = 0; p < b.pixels(); ++p) {
      if (b.weight(i, p) == 0) continue;
      total += b.weight(i, p);
      double partition = 0;
      for (std::int64_t c = 0; c < b.k; ++c)
        if (b.knows(i, c)) partition += std::exp(x[b.at(i, c, p)]);
      for (std::int64_t c = 0; c < b.k; ++c)
        if (b.knows(i, c))
          sum += b.weight(i) * b.weight(i, p) * b.target(i, c, p) * (std::log(partition) - x[b.at(i, c, p)]);
    }
  return sum / total;
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

TEST(TorchLoss, UnderstandsAllThatDataCanSayThroughWhatTheTargetGives) {
  for (std::uint32_t flags = 2; flags < 16; flags += 2) {
    SCOPED_TRACE("flags " + std::to_string(flags));
    for (const bool multiclass : {false, true}) {
      const LossUnderTest loss(multiclass, 35);
      const LossBatch batch = LossBatch(2, 35, 9, 7, multiclass, true, 7).with(flags, multiclass, 8);
      expect_keeps_the_rules_of_a_torch_loss(loss, batch, multiclass ? cross_entropy : focal);
      expect_unknown_classes_are_ignored(loss, batch);
    }
  }
  for (const bool multiclass : {false, true}) {
    const LossUnderTest loss(multiclass, 3);
    expect_says_nothing_new(loss, LossBatch(2, 3, 5, 7, multiclass, true, 9));
    expect_nothing_known_gives_zero(loss, LossBatch(2, 3, 5, 7, multiclass, true, 10));
  }
}

/// As an author would write it who knows nothing of weights.
struct SumOfSquares {
  struct Params {
    static void schema(Schema<Params>&) {}
  };
  SumOfSquares(const Params&, const LossRequest&) {}
  at::Tensor forward(const at::Tensor& logits, const TorchTarget& target) const {
    return target.kept(logits * logits).sum();
  }
};

TEST(TorchLoss, RefusesWhatItsClassDoesNotList) {
  const osteon_component component = torch_loss<SumOfSquares>({"squares", "1.0.0", "Test."});
  for (const bool multiclass : {false, true})
    expect_refuses_what_it_does_not_know(LossUnderTest(component, multiclass, 3),
                                         LossBatch(1, 3, 2, 2, multiclass, false, 11), multiclass);
}

TEST(TorchLoss, RefusesWeightsThatAreNone) {
  for (const float wrong : {-1.0f, std::nanf(""), HUGE_VALF}) {
    LossBatch batch = LossBatch(1, 3, 4, 4, false, false, 12).with(OSTEON_LOSS_PIXEL_WEIGHT, false, 1);
    batch.valid.assign(16, 1);
    batch.valid[5] = 0;
    batch.pixel_weight[5] = wrong;  // under an invalid pixel it means nothing
    EXPECT_NO_THROW(batch.run(LossUnderTest(false, 3)));
    batch.pixel_weight[6] = wrong;
    EXPECT_EQ(status_of([&] { batch.run(LossUnderTest(false, 3)); }), OSTEON_INVALID_ARGUMENT);
  }
}

TEST(TorchTarget, GivesNoClassOfAPixelWhereItMayHaveSeveralOrNone) {
  LossBatch batch(1, 3, 2, 2, true, false, 13);
  const auto target_of = [](LossBatch& b) {
    const BorrowedTensor x(b.logits.data(), {1, 3, 2, 2}), s(b.soft.data(), {1, 3, 2, 2});
    auto input = sized<osteon_loss_input>();
    input.flags = b.flags();
    input.logits = x;
    input.soft_target = s;
    return TorchTarget(input, true).class_index();
  };
  LossBatch soft = batch.with(OSTEON_LOSS_SOFT_TARGET, true, 1);
  EXPECT_THROW(target_of(soft), Unsupported);
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
  auto input = sized<osteon_loss_input>();
  input.logits = x;
  input.target = t;
  input.grad_scale = 1;
  try {
    LossUnderTest(false, 3).evaluate(input, TestCall());
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
