// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/torch/tensor.hpp>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

/// A view over `memory` with strides of the test's choice.
struct Fixture {
  alignas(64) float memory[24] = {};
  std::vector<std::int64_t> shape{2, 3}, strides{3, 1};
  osteon_tensor_view view() {
    return {memory, {OSTEON_DEVICE_CPU, 0}, 2, dtype_of<float>(), shape.data(), strides.data(), 0};
  }
};

osteon_status status_of_borrowing(const osteon_tensor_view& view) {
  return torch_guard(nullptr, [&] { borrow(view, "x"); });
}

TEST(Borrow, SharesTheMemoryBothWays) {
  Fixture f;
  f.memory[4] = 5;
  at::Tensor t = borrow(f.view());
  EXPECT_EQ(t.data_ptr(), f.memory);
  EXPECT_EQ((t[1][1].item<float>()), 5);
  t[0][2] = 7;
  EXPECT_EQ(f.memory[2], 7);
}

TEST(Borrow, TakesAnyStrideOfSizeOneDimensions) {
  Fixture f;
  f.shape = {1, 3};
  f.strides = {17, 1};
  EXPECT_EQ(borrow(f.view()).sizes(), at::IntArrayRef({1, 3}));
}

TEST(Borrow, RefusesGapsAndOverlaps) {
  Fixture f;
  for (const std::vector<std::int64_t>& strides : {std::vector<std::int64_t>{4, 1}, {1, 2}, {0, 1}, {3, 0}}) {
    f.strides = strides;
    EXPECT_EQ(status_of_borrowing(f.view()), OSTEON_INVALID_ARGUMENT);
  }
}

TEST(Borrow, SharesBoolsToo) {
  alignas(64) std::uint8_t memory[4] = {0, 1, 0, 1};
  const BorrowedTensor view(memory, {OSTEON_DTYPE_BOOL, 8, 1}, {4});
  at::Tensor t = borrow(view.view());
  EXPECT_EQ(t.scalar_type(), at::kBool);
  EXPECT_EQ(t.sum().item<std::int64_t>(), 2);
  t.logical_not_();
  EXPECT_EQ(std::vector<int>(memory, memory + 4), (std::vector<int>{1, 0, 1, 0}));
}

TEST(Borrow, RefusesWhatLibTorchWouldDieOfOrMisread) {
  Fixture f;
  f.strides = {-3, 1};
  EXPECT_EQ(status_of_borrowing(f.view()), OSTEON_INVALID_ARGUMENT);
  f.strides = {3, 1};
  osteon_tensor_view view = f.view();
  view.byte_offset = 4;
  EXPECT_EQ(status_of_borrowing(view), OSTEON_INVALID_ARGUMENT);
  view = f.view();
  view.strides = nullptr;
  EXPECT_EQ(status_of_borrowing(view), OSTEON_INVALID_ARGUMENT);
  view = f.view();
  view.data = nullptr;
  EXPECT_EQ(status_of_borrowing(view), OSTEON_INVALID_ARGUMENT);
  view = f.view();
  view.data = reinterpret_cast<char*>(f.memory) + 1;
  EXPECT_EQ(status_of_borrowing(view), OSTEON_INVALID_ARGUMENT);
  view = f.view();
  view.dtype = {OSTEON_DTYPE_UINT, 32, 1};
  EXPECT_EQ(status_of_borrowing(view), OSTEON_UNSUPPORTED);
  view = f.view();
  view.dtype.lanes = 4;
  EXPECT_EQ(status_of_borrowing(view), OSTEON_UNSUPPORTED);
  view = f.view();
  view.device.type = 10;
  EXPECT_EQ(status_of_borrowing(view), OSTEON_UNSUPPORTED);
  EXPECT_EQ(status_of_borrowing(f.view()), OSTEON_OK);
}

TEST(Borrow, TakesEmptyTensorsWithoutMemory) {
  Fixture f;
  f.shape = {0, 3};
  osteon_tensor_view view = f.view();
  view.data = nullptr;
  EXPECT_EQ(borrow(view).sizes(), at::IntArrayRef({0, 3}));
}

TEST(Borrow, KnowsEveryTypeThatItGives) {
  for (const at::ScalarType type : {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kFloat,
                                    at::kDouble, at::kBFloat16, at::kBool})
    EXPECT_EQ(to_scalar_type(to_dtype(type)), type);
  EXPECT_THROW(to_dtype(at::kComplexFloat), Unsupported);
}

OwnedTensor given(const at::Tensor& tensor) {
  OwnedTensor out;
  give(tensor, out.out());
  return out;
}

void expect_canonical_and_equal(const at::Tensor& tensor) {
  const OwnedTensor out = given(tensor);
  EXPECT_TRUE(is_contiguous(out.view()));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(out.view().data) % 64, 0u);
  EXPECT_TRUE(borrow(out.view()).equal(tensor));
}

TEST(Give, CopiesNothingThatIsCanonical) {
  const at::Tensor t = at::rand({4, 16});
  EXPECT_EQ(given(t).view().data, t.data_ptr());
}

TEST(Give, CopiesWhatIsNot) {
  const at::Tensor t = at::rand({2, 3, 8, 8});
  expect_canonical_and_equal(t.contiguous(at::MemoryFormat::ChannelsLast));
  expect_canonical_and_equal(at::ones({1}).expand({4, 4}));  // stride 0, as the gradient of a sum has
  expect_canonical_and_equal(t.flatten().slice(0, 1, 100));  // off alignment
  expect_canonical_and_equal(t.transpose(1, 2));
}

TEST(Give, TheTensorOutlivesItsSenderAndEndsOnAnyThread) {
  OwnedTensor out;
  {
    const at::Tensor t = at::full({1000}, 3.0f);
    give(t, out.out());
  }
  EXPECT_EQ(borrow(out.view()).sum().item<float>(), 3000);
  std::thread([&] { out.reset(); }).join();
}

TEST(Wall, TellsWhichMemoryRanOutAndLeavesTheStackTraceOut) {
  ErrorBuffer error;
  EXPECT_EQ(torch_guard(error.out(), [] { at::empty({std::int64_t{1} << 50}); }), OSTEON_OUT_OF_MEMORY);
  EXPECT_EQ(torch_guard(error.out(), [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory"); }),
            OSTEON_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(torch_guard(error.out(), [] { at::ones({2}).matmul(at::ones({3})); }), OSTEON_FAILED);
  EXPECT_NE(error.text().find("size"), std::string::npos) << error.text();
  EXPECT_EQ(error.text().find("frame #"), std::string::npos) << error.text();
  EXPECT_EQ(torch_guard(error.out(), [] { throw 7; }), OSTEON_FAILED);
}

}  // namespace
}  // namespace osteon::sdk
