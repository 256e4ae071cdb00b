// SPDX-License-Identifier: Apache-2.0
#include "weights/finite_tensors.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/half.hpp>

#include "unit/weights/refusal.hpp"
#include "unit/weights/toy_model.hpp"
#include "weights/load_weights.hpp"

namespace osteon::test {
namespace {

using weights::TensorData;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

template <class T>
TensorData given(const std::string& dtype, const std::vector<T>& values, const std::string& name = "w") {
  return {name,
          dtype,
          {static_cast<std::int64_t>(values.size())},
          reinterpret_cast<const std::byte*>(values.data()),
          values.size() * sizeof(T)};
}

ToyModel model_of(std::int64_t size) { return ToyModel().add("w", {size}); }

void expect_not_finite(const TensorData& file, const std::string& part) {
  const ToyModel model = model_of(file.shape[0]);
  expect_refused([&] { weights::load_into({file}, model.weights(), {}, "file"); }, part, "file");
  EXPECT_EQ(model.values("w")[0], -1) << "nothing is loaded";
}

TEST(Finite, IsAskedOfEveryFloatType) {
  expect_not_finite(given<float>("F32", {1, kNan, 3}), "in 1 tensor: w (1 of 3 values)");
  expect_not_finite(given<float>("F32", {kInfinity, -kInfinity}), "w (2 of 2 values)");
  expect_not_finite(given<double>("F64", {1, std::nan("")}), "w (1 of 2 values)");
  expect_not_finite(given<std::uint16_t>("F16", {0x7c00, 0xfc00, 0x7e00, 0x7bff}), "w (3 of 4 values)");
  expect_not_finite(given<std::uint16_t>("BF16", {0x7f80, 0x7f7f}), "w (1 of 2 values)");
}

TEST(Finite, ValuesAreWhatTheirPlaceMakesOfThem) {
  expect_not_finite(given<double>("F64", {1e300, 1e30}), "w (1 of 2 values)");
  // The largest and the smallest numbers are numbers.
  const std::vector<float> extremes = {std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min()};
  EXPECT_NO_THROW(weights::load_into({given("F32", extremes)}, model_of(2).weights(), {}, "file"));
}

TEST(Finite, NamesTheFirstTensors) {
  ToyModel model;
  std::vector<TensorData> file;
  const std::vector<float> values = {kNan};
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    model.add(name, {1});
    file.push_back(given("F32", values, name));
  }
  expect_refused([&] { weights::load_into(file, model.weights(), {}, "file"); },
                 "in 7 tensors: a (1 of 1 values), b (1 of 1 values), c (1 of 1 values), d (1 of 1 values), e (1 of 1 "
                 "values), and 2 more");
}

TEST(Finite, WhatIsNotLoadedDoesNotMatter) {
  const std::vector<float> good = {1, 2}, bad = {kNan, kNan, kNan};
  const ToyModel model = ToyModel().add("w", {2}).add("v", {2});
  EXPECT_NO_THROW(weights::load_into({given("F32", good), given("F32", bad, "v"), given("F32", bad, "fc")},
                                     model.weights(), {}, "file"));
}

TEST(Finite, AMaskMayBeOfInfinities) {
  float mask[] = {0, -kInfinity};
  const sdk::BorrowedTensor view(mask, {2});
  const plugin::NamedTensor buffer{"mask", /*parameter=*/false, &view.view(), nullptr};
  const std::vector<float> same = {0, -kInfinity}, other = {kInfinity, -kInfinity};
  EXPECT_NO_THROW(weights::expect_finite({given("F32", same, "mask")}, {buffer}, "file"));
  expect_refused([&] { weights::expect_finite({given("F32", other, "mask")}, {buffer}, "file"); },
                 "mask (1 of 2 values)");
  const plugin::NamedTensor parameter{"mask", /*parameter=*/true, &view.view(), nullptr};
  expect_refused([&] { weights::expect_finite({given("F32", same, "mask")}, {parameter}, "file"); }, "(1 of 2 values)");
}

}  // namespace
}  // namespace osteon::test
