// SPDX-License-Identifier: Apache-2.0
// Hysteresis against growing the mask until nothing changes.
#include <gtest/gtest.h>

#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "support/stored_planes.hpp"
#include "support/watched_call.hpp"

namespace osteon::test {
namespace {

using Parameters = std::map<std::string, plugin::ParameterValue>;

StoredPlanes<float> random_values(std::int64_t classes, std::int64_t height, std::int64_t width) {
  StoredPlanes<float> inner{classes, height, width, {}};
  sdk::Random random(5, 6);
  for (std::int64_t i = 0; i < classes * height * width; ++i)
    inner.values.push_back(static_cast<float>(random.uniform()));
  return inner;
}

/// One class's pixels, by growing from those above `high` through those above `low`.
std::vector<char> grown(const StoredPlanes<float>& of, std::int64_t c, double high, double low, bool corners) {
  const std::int64_t height = of.height, width = of.width;
  const auto value = [&](std::int64_t p) { return of.values[static_cast<std::size_t>(c * height * width + p)]; };
  std::vector<char> set(static_cast<std::size_t>(height * width), 0);
  for (std::int64_t p = 0; p < height * width; ++p)
    set[static_cast<std::size_t>(p)] = value(p) > static_cast<float>(high) ? 1 : 0;
  for (bool changed = low < high; changed;) {
    changed = false;
    for (std::int64_t p = 0; p < height * width; ++p) {
      if (set[static_cast<std::size_t>(p)] != 0 || !(value(p) > static_cast<float>(low))) continue;
      for (std::int64_t dy = -1; dy <= 1; ++dy)
        for (std::int64_t dx = -1; dx <= 1; ++dx) {
          const std::int64_t y = p / width + dy, x = p % width + dx;
          if ((!corners && dy != 0 && dx != 0) || y < 0 || y >= height || x < 0 || x >= width) continue;
          if (set[static_cast<std::size_t>(y * width + x)] == 0 || set[static_cast<std::size_t>(p)] != 0) continue;
          set[static_cast<std::size_t>(p)] = 1;
          changed = true;
        }
    }
  }
  return set;
}

bool bit(const sdk::Prediction& prediction, std::int64_t k, std::int64_t p) {
  const auto* words = sdk::data_of<const std::int32_t>(prediction.view(), "bits");
  const std::int64_t pixels = prediction.height() * prediction.width();
  return (static_cast<std::uint32_t>(words[k / 32 * pixels + p]) >> (k % 32) & 1u) != 0;
}

TEST(Threshold, SetsWhatIsGreaterAndWhatIsConnectedToIt) {
  const StoredPlanes<float> inner = random_values(33, 19, 23);
  for (const std::int64_t connectivity : {4, 8})
    for (const auto& [high, low] : {std::pair<double, double>{0.6, 1}, {0.9, 0.5}, {0.95, 0.7}, {0.5, 0.5}, {1, 0.2}}) {
      const Parameters parameters = {{"threshold", std::vector<double>{high}},
                                     {"low", std::vector<double>{low}},
                                     {"connectivity", std::vector<std::int64_t>{connectivity}}};
      const sdk::Prediction got = process("threshold", parameters, inner, OSTEON_FORM_BITS, {}, {}, 2);
      const sdk::Prediction some = process("threshold", parameters, inner, OSTEON_FORM_BITS, {}, {1, 32});
      ASSERT_EQ(got.view().shape[0], 2);
      for (std::int64_t c = 0; c < 33; ++c) {
        const std::vector<char> expected = grown(inner, c, high, low, connectivity == 8);
        for (std::int64_t p = 0; p < 19 * 23; ++p) {
          ASSERT_EQ(bit(got, c, p), expected[static_cast<std::size_t>(p)] != 0) << c << " " << p;
          if (c != 1 && c != 32) continue;
          ASSERT_EQ(bit(some, c == 1 ? 0 : 1, p), expected[static_cast<std::size_t>(p)] != 0);
        }
      }
    }
}

TEST(Threshold, HasValuesOfTheirOwnForSomeClasses) {
  const StoredPlanes<float> inner = random_values(3, 15, 15);
  Parameters parameters = {{"per_class", std::vector<std::string>{"c2", "c0"}},
                           {"thresholds", std::vector<double>{0.9, 0.3}},
                           {"lows", std::vector<double>{0.6, 1}}};
  const auto expect = [&](const double(&high)[3], const double(&low)[3]) {
    const sdk::Prediction got = process("threshold", parameters, inner, OSTEON_FORM_BITS);
    for (std::int64_t c = 0; c < 3; ++c) {
      const std::vector<char> expected = grown(inner, c, high[c], low[c], true);
      for (std::int64_t p = 0; p < 225; ++p) ASSERT_EQ(bit(got, c, p), expected[static_cast<std::size_t>(p)] != 0);
    }
  };
  expect({0.3, 0.5, 0.9}, {1, 1, 0.6});
  parameters["lows"] = std::vector<double>{};
  parameters["low"] = std::vector<double>{0.4};
  expect({0.3, 0.5, 0.9}, {0.4, 0.4, 0.4});
}

TEST(Threshold, StopsWhenItIsTold) {
  const Parameters hysteresis = {{"threshold", std::vector<double>{0.9}}, {"low", std::vector<double>{0.3}}};
  const StoredPlanes<float> small = random_values(3, 20, 30), large = random_values(1, 2048, 2048);
  expect_to_stop_at_every_look<Interrupted>(
      [&](const osteon_call* call) { process(call, "threshold", hysteresis, small, OSTEON_FORM_BITS); });
  if (!kTimesCount) GTEST_SKIP() << "a build whose times say nothing";
  const std::vector<float> image(2048 * 2048, 0.5f);
  EXPECT_LT(longest_gap([&](const osteon_call* call) {
              process(call, "threshold", hysteresis, large, OSTEON_FORM_BITS, image);
            }),
            kLongestGap);
}

TEST(Threshold, RefusesWhatDoesNotGoTogether) {
  const StoredPlanes<float> inner = random_values(3, 4, 4);
  const auto refuses = [&](const Parameters& parameters, bool multiclass = false) {
    StoredPlanes<float> other = inner;
    other.multiclass = multiclass;
    EXPECT_THROW(process("threshold", parameters, other, OSTEON_FORM_BITS), Error);
  };
  refuses({{"per_class", std::vector<std::string>{"c1"}}});
  refuses({{"thresholds", std::vector<double>{0.4}}});
  refuses({{"per_class", std::vector<std::string>{"c1", "c1"}}, {"thresholds", std::vector<double>{0.4, 0.5}}});
  refuses({{"per_class", std::vector<std::string>{"c1", "c2"}},
           {"thresholds", std::vector<double>{0.4, 0.5}},
           {"lows", std::vector<double>{0.2}}});
  refuses({{"connectivity", std::vector<std::int64_t>{5}}});
  refuses({}, true);
}

}  // namespace
}  // namespace osteon::test
