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
  char text[256] = "";
  osteon_error error{sizeof error, sizeof text, text};
  return torch_guard(&error, [&] { borrow(view, "x"); });
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

TEST(Borrow, KeepsStridesAlsoOfSizeOneDimensions) {
  Fixture f;
  f.shape = {1, 3};
  f.strides = {17, 2};
  const at::Tensor t = borrow(f.view());
  EXPECT_EQ(t.strides(), at::IntArrayRef({17, 2}));
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
  for (const at::ScalarType type :
       {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kFloat, at::kDouble, at::kBFloat16})
    EXPECT_EQ(to_scalar_type(to_dtype(type)), type);
  EXPECT_THROW(to_dtype(at::kBool), Unsupported);
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
  std::vector<char> text(100000);
  osteon_error error{sizeof error, static_cast<std::uint32_t>(text.size()), text.data()};
  EXPECT_EQ(torch_guard(&error, [] { at::empty({std::int64_t{1} << 50}); }), OSTEON_OUT_OF_MEMORY);
  EXPECT_EQ(torch_guard(&error, [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory"); }),
            OSTEON_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(torch_guard(&error, [] { at::ones({2}).matmul(at::ones({3})); }), OSTEON_FAILED);
  EXPECT_NE(std::string(text.data()).find("size"), std::string::npos) << text.data();
  EXPECT_EQ(std::string(text.data()).find("frame #"), std::string::npos) << text.data();
  EXPECT_EQ(torch_guard(&error, [] { throw 7; }), OSTEON_FAILED);
}

}  // namespace
}  // namespace osteon::sdk
