// SPDX-License-Identifier: Apache-2.0
#include "weights/state.hpp"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace {

using namespace osteon;
using namespace osteon::weights;

template <class T>
TensorData data(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
                const std::vector<T>& values) {
  return {name, dtype, std::move(shape), reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}

/// A model's tensor in memory, [2, 3] float32.
struct Weight {
  std::vector<float> values = std::vector<float>(6, -1.0f);
  sdk::BorrowedTensor tensor{values.data(), {2, 3}};
  plugin::NamedTensor named(const std::string& name) { return {name, true, &tensor.view(), nullptr}; }
};

TEST(State, LoadsEveryFloatType) {
  const std::vector<float> f32{0, 1, -2, 0.5f, 65504, 1.5f};
  const std::vector<double> f64(f32.begin(), f32.end());
  const std::vector<std::uint16_t> f16{0x0000, 0x3c00, 0xc000, 0x3800, 0x7bff, 0x3e00};
  const std::vector<std::uint16_t> bf16{0x0000, 0x3f80, 0xc000, 0x3f00, 0x4780, 0x3fc0};  // 65504 is 65536 there
  for (const TensorData& from : {data("w", "F32", {2, 3}, f32), data("w", "F64", {2, 3}, f64),
                                 data("w", "F16", {2, 3}, f16), data("w", "BF16", {2, 3}, bf16)}) {
    Weight weight;
    load_state({from}, {weight.named("w")}, "x");
    std::vector<float> expected = f32;
    if (from.dtype == "BF16") expected[4] = 65536;
    EXPECT_EQ(weight.values, expected) << from.dtype;
  }
}

TEST(State, LoadsDataThatIsNotAligned) {
  const std::vector<double> f64{1, 2, 3, 4, 5, 6};
  std::vector<char> bytes(1 + 48);
  std::memcpy(bytes.data() + 1, f64.data(), 48);
  Weight weight;
  load_state({{"w", "F64", {2, 3}, reinterpret_cast<const std::byte*>(bytes.data() + 1), 48}}, {weight.named("w")},
             "x");
  EXPECT_EQ(weight.values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(State, LoadsIntoAndCollectsFromStridedViews) {
  // [2, 3] stored column by column, as channels-last weights are.
  std::vector<float> memory(6);
  std::vector<std::int64_t> shape{2, 3}, strides{1, 2};
  const osteon_tensor_view view{memory.data(), {OSTEON_DEVICE_CPU, 0}, 2, {OSTEON_DTYPE_FLOAT, 32, 1},
                                shape.data(),  strides.data(),         0};
  const plugin::NamedTensor named{"w", true, &view, nullptr};
  const std::vector<float> rows{1, 2, 3, 4, 5, 6};
  load_state({data("w", "F32", {2, 3}, rows)}, {named}, "x");
  EXPECT_EQ(memory, (std::vector<float>{1, 4, 2, 5, 3, 6}));
  const CollectedState state = collect_state({named});
  ASSERT_EQ(state.tensors.size(), 1u);
  EXPECT_EQ(std::memcmp(state.tensors[0].data, rows.data(), 24), 0);
}

TEST(State, LoadsBoolsAsZeroOrOneAndCollectsThem) {
  std::vector<std::uint8_t> memory(3, 0);
  const sdk::BorrowedTensor mask(memory.data(), {OSTEON_DTYPE_BOOL, 8, 1}, {3});
  const plugin::NamedTensor named{"mask", false, &mask.view(), nullptr};
  load_state({data("mask", "BOOL", {3}, std::vector<std::uint8_t>{0, 1, 7})}, {named}, "x");
  EXPECT_EQ(memory, (std::vector<std::uint8_t>{0, 1, 1}));
  EXPECT_EQ(collect_state({named}).tensors.at(0).dtype, "BOOL");
  EXPECT_FALSE(compare_state({data("mask", "U8", {3}, memory)}, {named}).complete());
}

TEST(State, CollectsWithoutCopyingWhatIsContiguous) {
  Weight weight;
  std::vector<std::int64_t> count{7};
  const sdk::BorrowedTensor counter(count.data(), {});
  const CollectedState state = collect_state({weight.named("w"), {"steps", false, &counter.view(), nullptr}});
  EXPECT_EQ(static_cast<const void*>(state.tensors[0].data), weight.values.data());
  EXPECT_EQ(state.tensors[0].dtype, "F32");
  EXPECT_EQ(state.tensors[1].dtype, "I64");
  EXPECT_TRUE(state.tensors[1].shape.empty());
  EXPECT_TRUE(state.packed.empty());
}

TEST(State, ReportsWhatDoesNotFitAndLoadsTheRest) {
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> ints{1, 2, 3, 4, 5, 6};
  Weight good, absent, turned, whole;
  const LoadReport report =
      load_matching_state({data("good", "F32", {2, 3}, six), data("turned", "F32", {3, 2}, six),
                           data("whole", "I32", {2, 3}, ints), data("extra", "F32", {6}, six)},
                          {good.named("good"), absent.named("absent"), turned.named("turned"), whole.named("whole")});
  EXPECT_EQ(report.loaded, std::vector<std::string>{"good"});
  EXPECT_EQ(report.missing, std::vector<std::string>{"absent"});
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"extra"});
  ASSERT_EQ(report.misshapen.size(), 2u);
  EXPECT_EQ(report.misshapen[0].file, "F32 [3, 2]");
  EXPECT_EQ(report.misshapen[0].model, "F32 [2, 3]");
  EXPECT_EQ(report.misshapen[1].file, "I32 [2, 3]");
  EXPECT_EQ(good.values, six);
  EXPECT_EQ(turned.values, std::vector<float>(6, -1.0f));
}

TEST(State, StrictLoadingIsAllOrNothing) {
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  Weight good, absent;
  try {
    load_state({data("good", "F32", {2, 3}, six)}, {good.named("good"), absent.named("absent")}, "w.safetensors");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_EQ(e.where(), "w.safetensors");
    EXPECT_NE(std::string(e.what()).find("1 tensor of the model not in the file: absent"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(good.values, std::vector<float>(6, -1.0f));
}

TEST(State, TheReportNamesTheFirstFew) {
  LoadReport report;
  for (int i = 0; i < 8; ++i) report.missing.push_back("t" + std::to_string(i));
  EXPECT_EQ(report.text(), "8 tensors of the model not in the file: t0, t1, t2, t3, t4, and 3 more");
}

}  // namespace
