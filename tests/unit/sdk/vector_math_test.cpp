// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/vector_math.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace osteon::sdk;

/// Error in units of the last place of a float32 of that size.
double ulps(float got, double expected) {
  const auto nearest = std::abs(static_cast<float>(expected));
  const double place = static_cast<double>(std::nextafter(nearest, std::numeric_limits<float>::infinity()) - nearest);
  return std::abs(static_cast<double>(got) - expected) / place;
}

/// The largest error over about `count` floats from `low` to `high`, evenly spread over their bit patterns, so that
/// every size is met.
template <class Function, class Reference>
double worst(float low, float high, Function function, Reference reference, int count = 2000000) {
  const bool negative = high <= 0;
  std::uint32_t first = detail::as_bits(negative ? -high : low), last = detail::as_bits(negative ? -low : high);
  const std::uint32_t step = std::max<std::uint32_t>(1, (last - first) / static_cast<std::uint32_t>(count));
  double error = 0;
  for (std::uint64_t bits = first; bits <= last; bits += step) {
    const float x = (negative ? -1.0f : 1.0f) * detail::as_float(static_cast<std::uint32_t>(bits));
    error = std::max(error, ulps(function(x), reference(static_cast<double>(x))));
  }
  return error;
}

TEST(VectorMath, ExpIsWithinTwoUlp) {
  const auto own = [](float x) { return vector_exp(x); };
  const auto reference = [](double x) { return std::exp(x); };
  EXPECT_LE(worst(-87.3f, -1e-10f, own, reference), 2.0);
  EXPECT_LE(worst(1e-10f, 88.3f, own, reference), 2.0);
  EXPECT_EQ(vector_exp(0.0f), 1.0f);
}

TEST(VectorMath, ExpHoldsItsEndsAndKeepsNan) {
  EXPECT_LT(vector_exp(-1000.0f), 1.3e-38f);
  EXPECT_LT(vector_exp(-std::numeric_limits<float>::infinity()), 1.3e-38f);
  EXPECT_EQ(vector_exp(1000.0f), vector_exp(88.3f));
  EXPECT_TRUE(std::isnan(vector_exp(std::nanf(""))));
}

TEST(VectorMath, Log1pIsWithinThreeUlp) {
  const auto own = [](float x) { return vector_log1p_unit(x); };
  EXPECT_LE(worst(1e-37f, 1.0f, own, [](double x) { return std::log1p(x); }), 3.0);
  EXPECT_EQ(vector_log1p_unit(0.0f), 0.0f);
  EXPECT_TRUE(std::isnan(vector_log1p_unit(std::nanf(""))));
}

TEST(VectorMath, LogIsWithinThreeUlp) {
  const auto own = [](float x) { return vector_log(x); };
  const auto reference = [](double x) { return std::log(x); };
  EXPECT_LE(worst(1.2e-38f, 0.9999999f, own, reference), 3.0);
  EXPECT_LE(worst(1.0000001f, 3.4e38f, own, reference), 3.0);
  EXPECT_EQ(vector_log(1.0f), 0.0f);
  EXPECT_TRUE(std::isnan(vector_log(std::nanf(""))));
}

TEST(VectorMath, BothEndsOfASigmoidAreAccurate) {
  const auto p = [](double x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_LE(worst(
                -87.0f, -1e-10f, [](float x) { return vector_sigmoid(x).p; }, p),
            4.0);
  EXPECT_LE(worst(
                1e-10f, 87.0f, [](float x) { return vector_sigmoid(x).p; }, p),
            2.0);
  EXPECT_LE(worst(
                1e-10f, 87.0f, [](float x) { return vector_sigmoid(x).q; }, [&](double x) { return p(-x); }),
            4.0);
  EXPECT_EQ(vector_sigmoid(0.0f).p, 0.5f);
}

TEST(VectorMath, LogSoftmaxMatchesDoublePrecision) {
  constexpr int kClasses = 5, kCount = 37;
  std::vector<float> rows(kClasses * kCount), top(kCount), sum(kCount);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = 40 * std::sin(static_cast<float>(i * i));
  const std::vector<float> logits = rows;
  vector_log_softmax(rows.data(), kClasses, kCount, kCount, top.data(), sum.data());
  for (int i = 0; i < kCount; ++i) {
    long double partition = 0;
    for (int k = 0; k < kClasses; ++k)
      partition += std::exp(static_cast<long double>(logits[static_cast<std::size_t>(k * kCount + i)]));
    for (int k = 0; k < kClasses; ++k) {
      const auto at = static_cast<std::size_t>(k * kCount + i);
      EXPECT_NEAR(rows[at], static_cast<double>(logits[at] - std::log(partition)), 1e-5);
    }
  }
}

TEST(VectorMath, SumIsThatOfItsElements) {
  for (const int count : {0, 1, 31, 32, 33, 4096}) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 3;
    double expected = 0;
    for (const float v : values) expected += static_cast<double>(v);
    EXPECT_EQ(vector_sum(values.data(), count), expected) << count;
  }
}

}  // namespace
