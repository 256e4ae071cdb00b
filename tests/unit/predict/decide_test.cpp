// SPDX-License-Identifier: Apache-2.0
#include "predict/decide.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "predict/finite.hpp"
#include "predict/grid.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

class DecideTest : public ::testing::TestWithParam<int> {
 protected:
  DecideTest() {
    plugin::CallOptions options;
    options.threads = GetParam();
    call_ = std::make_unique<plugin::Call>(options);
  }
  OwnedPrediction made(std::uint32_t form, int classes, bool align_corners) const {
    OwnedPrediction prediction;
    test::fill(
        call_->raw(), form, classes, kGridHeight, kGridWidth,
        [&](std::int64_t c, std::int64_t y, std::int64_t x) {
          const double logit = 5 * std::sin(0.9 * static_cast<double>(7 * c + 3 * y) + 1.3 * static_cast<double>(x));
          return form == OSTEON_FORM_LOGITS ? logit : 1 / (1 + std::exp(-logit));
        },
        prediction);
    const AxisMap x = covering(kGridWidth, kWidth, align_corners), y = covering(kGridHeight, kHeight, align_corners);
    double* m = prediction.raw().to_image;
    m[0] = x.scale, m[2] = x.offset, m[4] = y.scale, m[5] = y.offset;
    return prediction;
  }
  static bool has(const data::Labels& labels, int c, std::int64_t y, std::int64_t x) {
    const auto word = static_cast<std::uint32_t>(
        labels.planes()[static_cast<std::size_t>(c / 32)].at<std::int32_t>(static_cast<int>(y), static_cast<int>(x)));
    return (word >> (c % 32) & 1u) != 0;
  }
  double resized(const OwnedPrediction& prediction, int c, std::int64_t y, std::int64_t x, bool align_corners) const {
    const float* in = static_cast<const float*>(prediction.view().data) + c * kGridHeight * kGridWidth;
    return test::torch_bilinear(in, kGridHeight, kGridWidth, kHeight, kWidth, y, x, align_corners);
  }

  static constexpr std::int64_t kGridHeight = 9, kGridWidth = 11, kHeight = 50, kWidth = 37;
  std::unique_ptr<plugin::Call> call_;
};

TEST_P(DecideTest, ComparesResizedValuesWithTheThresholdOfEachClass) {
  constexpr int kClasses = 34;
  Decision decision;
  for (int c = 0; c < kClasses; ++c) decision.thresholds.push_back(0.2 + 0.6 * c / kClasses);
  for (const bool align_corners : {false, true})
    for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES}) {
      const OwnedPrediction prediction = made(form, kClasses, align_corners);
      const data::Labels labels = decide(call_->raw(), prediction.raw(), kClasses, kHeight, kWidth, decision);
      ASSERT_EQ(labels.planes().size(), 2u);
      int set = 0;
      for (int c = 0; c < kClasses; ++c)
        for (std::int64_t y = 0; y < kHeight; ++y)
          for (std::int64_t x = 0; x < kWidth; ++x) {
            const double value = resized(prediction, c, y, x, align_corners);
            const double p = form == OSTEON_FORM_LOGITS ? 1 / (1 + std::exp(-value)) : value;
            const double threshold = decision.thresholds[static_cast<std::size_t>(c)];
            if (std::abs(p - threshold) < 1e-5) continue;
            ASSERT_EQ(has(labels, c, y, x), p > threshold) << c << " " << y << " " << x;
            set += p > threshold;
          }
      EXPECT_GT(set, 1000);
    }
}

// Between the rows of the grid that an image's row lies between, there are then rows that none needs.
TEST_P(DecideTest, TakesAGridFinerThanTheImage) {
  constexpr std::int64_t kRows = 61, kColumns = 47, kLow = 19, kNarrow = 13;
  OwnedPrediction prediction;
  test::fill(
      call_->raw(), OSTEON_FORM_LOGITS, 2, kRows, kColumns,
      [](std::int64_t c, std::int64_t y, std::int64_t x) {
        return 4 * std::sin(0.7 * static_cast<double>(c + y) + 1.1 * static_cast<double>(x));
      },
      prediction);
  const AxisMap x = covering(kColumns, kNarrow, false), y = covering(kRows, kLow, false);
  double* m = prediction.raw().to_image;
  m[0] = x.scale, m[2] = x.offset, m[4] = y.scale, m[5] = y.offset;
  Decision decision;
  decision.thresholds = {0.5, 0.7};
  const data::Labels labels = decide(call_->raw(), prediction.raw(), 2, kLow, kNarrow, decision);
  for (int c = 0; c < 2; ++c)
    for (std::int64_t i = 0; i < kLow; ++i)
      for (std::int64_t j = 0; j < kNarrow; ++j) {
        const float* in = static_cast<const float*>(prediction.view().data) + c * kRows * kColumns;
        const double value = test::torch_bilinear(in, kRows, kColumns, kLow, kNarrow, i, j, false);
        const double p = 1 / (1 + std::exp(-value)), threshold = decision.thresholds[static_cast<std::size_t>(c)];
        if (std::abs(p - threshold) < 1e-5) continue;
        ASSERT_EQ(has(labels, c, i, j), p > threshold) << c << " " << i << " " << j;
      }
}

TEST_P(DecideTest, TakesTheGreatestOfExclusiveClasses) {
  constexpr int kClasses = 34;
  Decision decision;
  decision.multiclass = true;
  const OwnedPrediction prediction = made(OSTEON_FORM_LOGITS, kClasses, false);
  const data::Labels labels = decide(call_->raw(), prediction.raw(), kClasses, kHeight, kWidth, decision);
  for (std::int64_t y = 0; y < kHeight; ++y)
    for (std::int64_t x = 0; x < kWidth; ++x) {
      double best = -100;
      int set = 0;
      double of_set = -100;
      for (int c = 0; c < kClasses; ++c) {
        const double value = resized(prediction, c, y, x, false);
        best = std::max(best, value);
        if (!has(labels, c, y, x)) continue;
        ++set;
        of_set = value;
      }
      ASSERT_EQ(set, 1);
      ASSERT_NEAR(of_set, best, 1e-5);
    }
}

TEST_P(DecideTest, KeepsTheFirstOfEqualClasses) {
  OwnedPrediction prediction;
  test::fill(
      call_->raw(), OSTEON_FORM_LOGITS, 3, 2, 2,
      [](std::int64_t c, std::int64_t, std::int64_t) { return c == 0 ? -1.0 : 2.0; }, prediction);
  Decision decision;
  decision.multiclass = true;
  const data::Labels labels = decide(call_->raw(), prediction.raw(), 3, 2, 2, decision);
  EXPECT_EQ(labels.planes()[0].at<std::int32_t>(1, 1), 2);
}

TEST_P(DecideTest, SetsNothingAtThresholdOneAndEverythingAtLogitsOfThresholdZero) {
  const OwnedPrediction prediction = made(OSTEON_FORM_LOGITS, 2, false);
  Decision decision;
  decision.thresholds = {1, 0};
  const data::Labels labels = decide(call_->raw(), prediction.raw(), 2, kHeight, kWidth, decision);
  EXPECT_EQ(labels.areas(), (std::vector<std::int64_t>{0, kHeight * kWidth}));
}

TEST_P(DecideTest, SaysWhereAValueIsNotFinite) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()})
    for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES})
      for (const bool multiclass : {false, true}) {
        OwnedPrediction prediction = made(form, 3, false);
        float* values = static_cast<float*>(prediction.raw().values.view.data);
        values[(1 * kGridHeight + 4) * kGridWidth + 7] = values[(2 * kGridHeight) * kGridWidth] = value;
        try {
          decide(call_->raw(), prediction.raw(), 3, kHeight, kWidth, {multiclass, {0.5, 0.5, 0.5}});
          ADD_FAILURE() << "taken";
        } catch (const NotFinite& e) {
          EXPECT_EQ(e.plane, 1);
          EXPECT_EQ(e.row, 4);
          EXPECT_EQ(e.column, 7);
        }
      }
}

TEST_P(DecideTest, TakesBitsAsTheyAre) {
  const sdk::Call call(call_->raw());
  OwnedPrediction prediction;
  sdk::OwnedTensor bits = call.allocate<std::int32_t>({2, 3, 4});
  for (int i = 0; i < 24; ++i)
    bits.data<std::int32_t>()[i] = static_cast<std::int32_t>(0x80000001u * static_cast<unsigned>(i + 1));
  const std::vector<std::int32_t> expected(bits.data<std::int32_t>(), bits.data<std::int32_t>() + 24);
  prediction.raw().form = OSTEON_FORM_BITS;
  bits.move_to(&prediction.raw().values);
  const data::Labels labels = decide(call_->raw(), prediction.raw(), 40, 3, 4, {});
  for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(labels.planes()[i / 12].ptr<std::int32_t>()[i % 12], expected[i]);
  EXPECT_THROW(decide(call_->raw(), prediction.raw(), 32, 3, 4, {}), sdk::Error);
  EXPECT_THROW(decide(call_->raw(), prediction.raw(), 40, 4, 4, {}), sdk::Error);
}

TEST_P(DecideTest, RefusesAPredictionOrThresholdsThatDoNotFit) {
  const OwnedPrediction prediction = made(OSTEON_FORM_LOGITS, 3, false);
  Decision decision;
  decision.thresholds = {0.5, 0.5};
  EXPECT_THROW(decide(call_->raw(), prediction.raw(), 3, kHeight, kWidth, decision), sdk::Error);
  EXPECT_THROW(decide(call_->raw(), prediction.raw(), 2, kHeight, kWidth, decision), sdk::Error);
}
INSTANTIATE_TEST_SUITE_P(Threads, DecideTest, ::testing::Values(1, 3));

}  // namespace
}  // namespace osteon::predict
