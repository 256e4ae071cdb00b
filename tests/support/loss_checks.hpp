// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/loss_fixture.hpp"
#include "support/rounding.hpp"

/// Rules that every loss keeps, whatever it computes. A loss's own test calls them with its reference.
namespace osteon::test {

/// Of a loss, relative: some hundreds of roundings in a value, for exponentials and logarithms by polynomials, and a
/// sum over all of them.
inline double rounding_of_loss(const LossBatch& batch) {
  return rounding(512.0 + static_cast<double>(batch.logits.size()));
}

/// Value against the reference, gradient at some places against its finite differences.
inline void expect_matches(const LossUnderTest& loss, LossBatch batch, const ReferenceLoss& reference,
                           std::size_t places = 40) {
  const double expected = reference(batch, as_double(batch.logits));
  batch.grad_scale = 3;
  EXPECT_NEAR(batch.run(loss), expected, rounding_of_loss(batch) * std::max(1.0, std::abs(expected)));
  double largest = 0;
  for (const float g : batch.grad) largest = std::max(largest, std::abs(static_cast<double>(g)));
  EXPECT_GT(largest, 0);
  const std::size_t step = std::max<std::size_t>(1, batch.grad.size() / places);
  for (std::size_t at = 0; at < batch.grad.size(); at += step)
    ASSERT_NEAR(batch.grad[at], 3 * slope(reference, batch, at), rounding_of_loss(batch) * largest + 1e-9)
        << "logit " << at;
}

inline void expect_value_only_is_the_same(const LossUnderTest& loss, LossBatch batch) {
  const double with = batch.run(loss);
  EXPECT_EQ(batch.run(loss, 1, true), with);
}

/// Bit for bit.
inline void expect_thread_count_does_not_matter(const LossUnderTest& loss, LossBatch batch) {
  const double value = batch.run(loss, 1);
  const std::vector<float> grad = batch.grad;
  for (const int threads : {2, 3, 7}) {
    std::fill(batch.grad.begin(), batch.grad.end(), 0.0f);
    EXPECT_EQ(batch.run(loss, threads), value) << threads << " threads";
    EXPECT_EQ(batch.grad, grad) << threads << " threads";
  }
}

inline void expect_accumulates(const LossUnderTest& loss, LossBatch batch) {
  batch.run(loss);
  const std::vector<float> once = batch.grad;
  std::fill(batch.grad.begin(), batch.grad.end(), 0.25f);
  batch.accumulate = true;
  batch.run(loss);
  for (std::size_t i = 0; i < once.size(); ++i) ASSERT_FLOAT_EQ(batch.grad[i], 0.25f + once[i]) << i;
}

/// NaN and huge logits under invalid pixels change nothing and get gradient 0.
inline void expect_invalid_pixels_are_ignored(const LossUnderTest& loss, LossBatch batch) {
  const double value = batch.run(loss);
  const std::vector<float> grad = batch.grad;
  for (std::int64_t i = 0; i < batch.n; ++i)
    for (std::int64_t p = 0; p < batch.pixels(); ++p)
      if (!batch.is_valid(i, p))
        for (std::int64_t c = 0; c < batch.k; ++c) {
          batch.logits[batch.at(i, c, p)] = p % 2 ? std::nanf("") : 1e30f;
          ASSERT_EQ(grad[batch.at(i, c, p)], 0.0f);
          for (std::int64_t plane = 0; plane < batch.n_planes(); ++plane)
            batch.planes[batch.plane_at(i, plane * 32, p)] = 0xdeadbeefu;
        }
  EXPECT_EQ(batch.run(loss), value);
  EXPECT_EQ(batch.grad, grad);
}

inline void expect_no_valid_pixel_gives_zero(const LossUnderTest& loss, LossBatch batch) {
  batch.valid.assign(static_cast<std::size_t>(batch.n * batch.pixels()), 0);
  EXPECT_EQ(batch.run(loss), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
}

/// What one rounding to float16 changes; tests allow four.
constexpr double kHalfUnit = 1.0 / 2048;

/// Value and gradient are finite for logits of +-1e4, +-6e4 in float16, where a class is nowhere, and where it is
/// everywhere.
inline void expect_is_finite_at_extremes(const LossUnderTest& loss, bool multiclass, std::int64_t classes) {
  const auto everywhere = [&](LossBatch batch, std::uint32_t bits) {
    std::fill(batch.planes.begin(), batch.planes.end(), bits);
    return batch;
  };
  const LossBatch usual(2, classes, 6, 7, multiclass, false, 31);
  const std::uint32_t all = multiclass ? 1u : ~0u, none = multiclass ? 2u : 0u;  // of class 0
  for (LossBatch batch : {usual, everywhere(usual, all), everywhere(usual, none)})
    for (const bool sure : {false, true}) {
      std::vector<std::uint16_t> logits16, grad16(batch.logits.size(), 0);
      for (std::int64_t at = 0; at < static_cast<std::int64_t>(batch.logits.size()); ++at) {
        const std::int64_t plane = at / batch.pixels();
        const bool set = batch.target(plane / batch.k, plane % batch.k, at % batch.pixels()) > 0;
        const bool up = sure ? set : at * 7 % 3 == 0;
        batch.logits[static_cast<std::size_t>(at)] = up ? 1e4f : -1e4f;
        logits16.push_back(sdk::half_from_float(up ? 6e4f : -6e4f));
      }
      EXPECT_TRUE(std::isfinite(batch.run(loss)));
      for (const float g : batch.grad) ASSERT_TRUE(std::isfinite(g));
      EXPECT_TRUE(std::isfinite(batch.run16(loss, logits16, grad16, {OSTEON_DTYPE_FLOAT, 16, 1})));
      for (const std::uint16_t g : grad16) ASSERT_TRUE(std::isfinite(sdk::float_from_half(g)));
    }
}

/// With the scale applied before narrowing, gradients far below float16's smallest number survive.
inline void expect_small_gradients_survive_float16(const LossUnderTest& loss, LossBatch batch) {
  std::vector<std::uint16_t> logits16, grad16(batch.logits.size(), 0);
  for (float& x : batch.logits) {
    logits16.push_back(sdk::half_from_float(x));
    x = sdk::float_from_half(logits16.back());
  }
  const double value = batch.run(loss);
  const std::vector<float> plain = batch.grad;
  double largest = 0;
  for (const float g : plain) largest = std::max(largest, std::abs(static_cast<double>(g)));
  ASSERT_GT(largest, 0);
  EXPECT_EQ(sdk::half_from_float(static_cast<float>(largest)) & 0x7c00, 0) << "the case is not small enough to show it";
  batch.grad_scale = 1024.0 / largest;
  EXPECT_EQ(batch.run16(loss, logits16, grad16, {OSTEON_DTYPE_FLOAT, 16, 1}), value);
  for (std::size_t i = 0; i < plain.size(); ++i)
    ASSERT_NEAR(sdk::float_from_half(grad16[i]), plain[i] * batch.grad_scale,
                4 * kHalfUnit * std::abs(plain[i] * batch.grad_scale) + 1e-4);
}

inline void expect_bfloat16_works(const LossUnderTest& loss, LossBatch batch) {
  std::vector<std::uint16_t> logits16, grad16(batch.logits.size(), 0);
  for (float& x : batch.logits) {
    logits16.push_back(sdk::bfloat_from_float(x));
    x = sdk::float_from_bfloat(logits16.back());
  }
  const double value = batch.run(loss);
  EXPECT_EQ(batch.run16(loss, logits16, grad16, {OSTEON_DTYPE_BFLOAT, 16, 1}), value);
  for (std::size_t i = 0; i < grad16.size(); ++i) ASSERT_EQ(grad16[i], sdk::bfloat_from_float(batch.grad[i]));
}

/// NaN in logits and targets of classes that are unknown in an image changes nothing and gets gradient 0.
inline void expect_unknown_classes_are_ignored(const LossUnderTest& loss, LossBatch batch) {
  const double value = batch.run(loss);
  const std::vector<float> grad = batch.grad;
  for (std::int64_t i = 0; i < batch.n; ++i)
    for (std::int64_t c = 0; c < batch.k; ++c)
      for (std::int64_t p = 0; p < batch.pixels() && !batch.knows(i, c); ++p) {
        ASSERT_EQ(grad[batch.at(i, c, p)], 0.0f);
        batch.logits[batch.at(i, c, p)] = p % 2 ? std::nanf("") : 1e30f;
        if (!batch.soft.empty()) batch.soft[batch.at(i, c, p)] = std::nanf("");
        batch.planes[batch.plane_at(i, c, p)] ^= 1u << (c % 32);
      }
  EXPECT_EQ(batch.run(loss), value);
  EXPECT_EQ(batch.grad, grad);
}

constexpr std::uint32_t kAllFlags = OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

/// Weights of 0 are invalid pixels, weights of 1 are none; targets of 0 and 1 are bits; classes that are all known are
/// what they were.
inline void expect_says_nothing_new(const LossUnderTest& loss, const LossBatch& batch,
                                    std::uint32_t understood = kAllFlags) {
  LossBatch plain = batch, told = batch;
  if (plain.valid.empty()) plain.valid.assign(static_cast<std::size_t>(batch.n * batch.pixels()), 1);
  for (std::size_t p = 0; p < plain.valid.size(); p += 3) plain.valid[p] = 0;
  const double expected = plain.run(loss);
  double largest = 0;
  for (const float g : plain.grad) largest = std::max(largest, std::abs(static_cast<double>(g)));
  const auto expect_the_same = [&](const char* what) {
    EXPECT_NEAR(told.run(loss), expected, 2e-6 * std::max(1.0, std::abs(expected))) << what;
    for (std::size_t i = 0; i < told.grad.size(); ++i) ASSERT_NEAR(told.grad[i], plain.grad[i], 1e-5 * largest) << what;
  };
  told.pixel_weight.assign(plain.valid.begin(), plain.valid.end());
  expect_the_same("weights");
  told.known.assign(static_cast<std::size_t>(batch.n * batch.k), 1);
  expect_the_same("weights, known classes");
  if ((understood & OSTEON_LOSS_SOFT_TARGET) == 0) return;
  for (std::int64_t i = 0; i < batch.n; ++i)
    for (std::int64_t c = 0; c < batch.k; ++c)
      for (std::int64_t p = 0; p < batch.pixels(); ++p) told.soft.push_back(static_cast<float>(batch.target(i, c, p)));
  expect_the_same("weights, known classes, targets");
}

inline void expect_nothing_known_gives_zero(const LossUnderTest& loss, LossBatch batch) {
  batch.known.assign(static_cast<std::size_t>(batch.n * batch.k), 0);
  EXPECT_EQ(batch.run(loss), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
  batch.known.clear();
  batch.pixel_weight.assign(static_cast<std::size_t>(batch.n * batch.pixels()), 0.0f);
  EXPECT_EQ(batch.run(loss), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
}

/// For losses that understand weights of pixels, unknown classes and targets between 0 and 1, or those of them that are
/// `understood`: each of them, and all that go together. `batch` has none of them.
inline void expect_understands_all(const LossUnderTest& loss, bool multiclass, const LossBatch& batch,
                                   const ReferenceLoss& reference, std::uint32_t understood = kAllFlags) {
  for (std::uint32_t flags = 0; flags < 16; flags += 2) {  // every set of the three
    if ((flags & ~understood) != 0) continue;
    SCOPED_TRACE("flags " + std::to_string(flags));
    const LossBatch rich = batch.with(flags, multiclass, 17);
    ASSERT_EQ(rich.flags(), flags);
    expect_matches(loss, rich, reference, 12);
    expect_value_only_is_the_same(loss, rich);
    expect_thread_count_does_not_matter(loss, rich);
    expect_accumulates(loss, rich);
    expect_unknown_classes_are_ignored(loss, rich);
    expect_bfloat16_works(loss, rich);
    if (!rich.valid.empty()) expect_invalid_pixels_are_ignored(loss, rich);
  }
  expect_says_nothing_new(loss, batch, understood);
  expect_nothing_known_gives_zero(loss, batch);
}

/// What `act` throws; OSTEON_OK when it throws nothing.
template <class Act>
osteon_status status_of(Act&& act) {
  try {
    act();
  } catch (const sdk::Error& e) {
    return e.status();
  }
  return OSTEON_OK;
}

/// A loss that lists none of these flags refuses each with a sentence.
inline void expect_refuses_what_it_does_not_know(const LossUnderTest& loss, const LossBatch& batch, bool multiclass) {
  const std::pair<std::uint32_t, const char*> refusals[] = {
      {OSTEON_LOSS_PIXEL_WEIGHT, "this loss does not know weights of pixels"},
      {OSTEON_LOSS_CLASS_VALID, "this loss does not know classes that are unknown in an image"},
      {OSTEON_LOSS_SOFT_TARGET, "this loss does not know targets between 0 and 1"}};
  for (const auto& [flag, sentence] : refusals) try {
      batch.with(flag, multiclass, 3).run(loss);
      ADD_FAILURE() << "took what it was to refuse: " << sentence;
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
      EXPECT_STREQ(e.what(), sentence);
    }
}

/// Everything that holds for a loss without any of these.
inline void expect_keeps_the_rules(const LossUnderTest& loss, const LossBatch& batch, const ReferenceLoss& reference) {
  expect_matches(loss, batch, reference);
  expect_value_only_is_the_same(loss, batch);
  expect_thread_count_does_not_matter(loss, batch);
  expect_accumulates(loss, batch);
  expect_invalid_pixels_are_ignored(loss, batch);
  expect_no_valid_pixel_gives_zero(loss, batch);
  expect_bfloat16_works(loss, batch);
}

}  // namespace osteon::test
