// SPDX-License-Identifier: Apache-2.0
// Against the definition, window by window and in double.
#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "support/stored_planes.hpp"
#include "support/watched_call.hpp"

namespace osteon::test {
namespace {

using Parameters = std::map<std::string, plugin::ParameterValue>;

/// A plane and an image, filtered as the paper has it.
class Reference {
 public:
  Reference(std::int64_t height, std::int64_t width, std::int64_t channels, const std::vector<float>& image,
            std::int64_t radius, double eps)
      : h_(height), w_(width), n_(channels), image_(image), r_(radius), eps_(eps) {}

  std::vector<double> filter(const float* p) const {
    const auto pixels = static_cast<std::size_t>(h_ * w_);
    std::vector<double> out(pixels, 0), count(pixels, 0);
    for (std::int64_t y = 0; y < h_; ++y)
      for (std::int64_t x = 0; x < w_; ++x) {
        const std::vector<double> line = fit(y, x, p);  // a, then b
        each(y, x, [&](std::int64_t at) {
          double q = line[static_cast<std::size_t>(n_)];
          for (std::int64_t c = 0; c < n_; ++c) q += line[static_cast<std::size_t>(c)] * intensity(at, c);
          out[static_cast<std::size_t>(at)] += q;
          count[static_cast<std::size_t>(at)] += 1;
        });
      }
    for (std::size_t i = 0; i < pixels; ++i) out[i] = std::min(1.0, std::max(0.0, out[i] / count[i]));
    return out;
  }

 private:
  double intensity(std::int64_t at, std::int64_t c) const {
    return static_cast<double>(image_[static_cast<std::size_t>(at * n_ + c)]);
  }
  template <class Work>
  void each(std::int64_t y, std::int64_t x, Work&& work) const {
    for (std::int64_t v = std::max<std::int64_t>(0, y - r_); v <= std::min(h_ - 1, y + r_); ++v)
      for (std::int64_t u = std::max<std::int64_t>(0, x - r_); u <= std::min(w_ - 1, x + r_); ++u) work(v * w_ + u);
  }
  // Solves (cov + eps) a = cov(I, p) by elimination.
  std::vector<double> fit(std::int64_t y, std::int64_t x, const float* p) const {
    double count = 0, mean_p = 0, mean[3] = {}, m[3][4] = {};
    each(y, x, [&](std::int64_t at) {
      ++count;
      mean_p += static_cast<double>(p[at]);
      for (std::int64_t c = 0; c < n_; ++c) mean[c] += intensity(at, c);
    });
    mean_p /= count;
    for (double& value : mean) value /= count;
    each(y, x, [&](std::int64_t at) {
      for (std::int64_t r = 0; r < n_; ++r) {
        const double apart = (intensity(at, r) - mean[r]) / count;
        for (std::int64_t c = 0; c < n_; ++c) m[r][c] += apart * (intensity(at, c) - mean[c]);
        m[r][3] += apart * (static_cast<double>(p[at]) - mean_p);
      }
    });
    for (std::int64_t r = 0; r < n_; ++r) m[r][r] += eps_;
    for (std::int64_t k = 0; k < n_; ++k)
      for (std::int64_t r = 0; r < n_; ++r) {
        if (r == k) continue;
        const double factor = m[r][k] / m[k][k];
        for (std::int64_t c = 0; c < 4; ++c) m[r][c] -= factor * m[k][c];
      }
    std::vector<double> line;
    double b = mean_p;
    for (std::int64_t r = 0; r < n_; ++r) {
      line.push_back(m[r][3] / m[r][r]);
      b -= line.back() * mean[r];
    }
    line.push_back(b);
    return line;
  }

  std::int64_t h_, w_, n_;
  const std::vector<float>& image_;
  std::int64_t r_;
  double eps_;
};

void expect_as_defined(std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t radius, double eps,
                       bool grey = false) {
  sdk::Random random(static_cast<std::uint64_t>(height), static_cast<std::uint64_t>(channels));
  std::vector<float> image;
  for (std::int64_t p = 0; p < height * width; ++p)
    for (std::int64_t c = 0; c < channels; ++c)
      image.push_back(static_cast<float>((p % width > width / 2 ? 0.7 : 0.2) + 0.02 * static_cast<double>(c) +
                                         0.05 * random.uniform()));
  for (std::size_t i = 0; grey && i < image.size(); ++i) image[i] = image[i - i % 3];
  StoredPlanes<float> inner{2, height, width, {}};
  for (std::int64_t i = 0; i < 2 * height * width; ++i) inner.values.push_back(static_cast<float>(random.uniform()));
  const Parameters parameters = {{"radius", std::vector<std::int64_t>{radius}}, {"eps", std::vector<double>{eps}}};
  const sdk::Prediction got = process("guided_filter", parameters, inner, OSTEON_FORM_PROBABILITIES, image, {}, 2);
  const Reference reference(height, width, channels, image, radius, eps);
  for (std::int64_t c = 0; c < 2; ++c) {
    const std::vector<double> expected = reference.filter(inner.values.data() + c * height * width);
    for (std::int64_t p = 0; p < height * width; ++p)
      ASSERT_NEAR(static_cast<double>(got.data()[c * height * width + p]), expected[static_cast<std::size_t>(p)],
                  2e-6 + 1e-8 / eps)
          << c << " " << p;
  }
}

TEST(GuidedFilter, IsWhatThePaperDefinesForAGreyImage) {
  expect_as_defined(21, 26, 1, 3, 1e-3);
  expect_as_defined(9, 30, 1, 40, 1e-4);
  expect_as_defined(1, 1, 1, 1, 1e-2);
  expect_as_defined(600, 4, 1, 2, 1e-3);  // sums are begun anew now and then
}

TEST(GuidedFilter, IsWhatThePaperDefinesForColour) {
  expect_as_defined(18, 17, 3, 2, 1e-3);
  expect_as_defined(12, 1, 3, 4, 1e-2);
  expect_as_defined(300, 5, 3, 3, 1e-3);
}

TEST(GuidedFilter, IsWhatThePaperDefinesForGreyInThreeChannels) { expect_as_defined(18, 17, 3, 2, 1e-3, true); }

TEST(GuidedFilter, GivesTheSameBitsOnAnyNumberOfThreads) {
  sdk::Random random(2, 3);
  for (const std::int64_t channels : {1, 3}) {
    const std::int64_t height = 530, width = 37;
    std::vector<float> image;
    for (std::int64_t i = 0; i < height * width * channels; ++i) image.push_back(static_cast<float>(random.uniform()));
    StoredPlanes<float> inner{3, height, width, {}};
    for (std::int64_t i = 0; i < 3 * height * width; ++i) inner.values.push_back(static_cast<float>(random.uniform()));
    const auto filtered = [&](int threads) {
      return process("guided_filter", {}, inner, OSTEON_FORM_PROBABILITIES, image, {}, threads);
    };
    const sdk::Prediction one = filtered(1);
    for (const int threads : {2, 3}) {
      const sdk::Prediction more = filtered(threads);
      EXPECT_TRUE(std::equal(one.data(), one.data() + inner.values.size(), more.data())) << threads;
    }
  }
}

TEST(GuidedFilter, RefusesWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    StoredPlanes<float> inner{1, 40, 30, std::vector<float>(1200, 0.5f)};
    std::vector<float> image(1200, 0.25f);
    image[700] = bad;
    EXPECT_THROW(process("guided_filter", {}, inner, OSTEON_FORM_PROBABILITIES, image), Error);
    image[700] = 0.25f;
    inner.values[1199] = bad;
    EXPECT_THROW(process("guided_filter", {}, inner, OSTEON_FORM_PROBABILITIES, image), Error);
  }
}

TEST(GuidedFilter, SmoothsWhereTheImageIsSmoothAndKeepsItsEdge) {
  const std::int64_t side = 32;
  StoredPlanes<float> inner{1, side, side, {}};
  std::vector<float> image;
  sdk::Random random(8, 9);
  for (std::int64_t p = 0; p < side * side; ++p) {
    const bool right = p % side >= side / 2;
    image.push_back(right ? 0.8f : 0.2f);
    const double noise = random.chance(0.1) ? 0.6 : 0;
    inner.values.push_back(static_cast<float>(right ? 0.9 - noise : 0.1 + noise));
  }
  const sdk::Prediction got =
      process("guided_filter", {{"radius", std::vector<std::int64_t>{4}}}, inner, OSTEON_FORM_PROBABILITIES, image);
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) EXPECT_EQ(got.data()[y * side + x] > 0.5f, x >= side / 2) << y << " " << x;
}

TEST(GuidedFilter, StopsWhenItIsTold) {
  for (const std::int64_t channels : {1, 3}) {
    const auto expect = [&](std::int64_t side, auto&& check) {
      const std::vector<float> image(static_cast<std::size_t>(side * side * channels), 0.5f);
      const StoredPlanes<float> inner{1, side, side, std::vector<float>(static_cast<std::size_t>(side * side), 0.25f)};
      check([&](const osteon_call* call) {
        process(call, "guided_filter", {}, inner, OSTEON_FORM_PROBABILITIES, image);
      });
    };
    expect(24, [](auto&& work) { expect_to_stop_at_every_look<Interrupted>(work); });
    if (kTimesCount) expect(2048, [](auto&& work) { EXPECT_LT(longest_gap(work), kLongestGap); });
  }
}

}  // namespace
}  // namespace osteon::test
