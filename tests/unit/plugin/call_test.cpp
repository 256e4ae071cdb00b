// SPDX-License-Identifier: Apache-2.0
#include "plugin/call.hpp"

#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

#include <osteon/sdk/tensor.hpp>

#include "plugin/pool.hpp"

namespace osteon::plugin {
namespace {

bool aligned(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % 64 == 0; }

constexpr osteon_dtype kFloat = {OSTEON_DTYPE_FLOAT, 32, 1};

osteon_status allocate(const Call& call, const std::vector<std::int64_t>& shape, osteon_tensor* out,
                       osteon_error* error = nullptr) {
  return call.raw()->allocate(call.raw(), kFloat, static_cast<std::int32_t>(shape.size()), shape.data(), out, error);
}

TEST(Call, CarriesItsOptions) {
  CallOptions options;
  options.threads = 7;
  options.stream = &options;
  const Call call(options);
  EXPECT_EQ(call.raw()->struct_size, sizeof(osteon_call));
  EXPECT_EQ(call.raw()->threads, 7u);
  EXPECT_EQ(call.raw()->stream, &options);
  EXPECT_EQ(call.raw()->device.type, OSTEON_DEVICE_CPU);
  options.threads = 0;
  EXPECT_EQ(Call(options).raw()->threads, 1u) << "the ABI promises at least one";
}

TEST(Call, AllocatesContiguousAlignedTensorsThatOutliveIt) {
  sdk::OwnedTensor tensor;
  {
    const Call call;
    ASSERT_EQ(allocate(call, {2, 3, 5}, tensor.out()), OSTEON_OK);
  }
  const osteon_tensor_view& view = tensor.view();
  EXPECT_EQ(sdk::shape_text(view), "[2, 3, 5]");
  EXPECT_TRUE(sdk::is_contiguous(view));
  EXPECT_TRUE(aligned(view.data));
  EXPECT_EQ(view.byte_offset, 0u);
  EXPECT_EQ(view.strides[0], 15);
  std::memset(view.data, 0, 30 * sizeof(float));
}

TEST(Call, AllocatesScalarsAndEmptyTensors) {
  const Call call;
  sdk::OwnedTensor scalar, empty;
  ASSERT_EQ(allocate(call, {}, scalar.out()), OSTEON_OK);
  EXPECT_EQ(scalar.view().ndim, 0);
  ASSERT_EQ(allocate(call, {4, 0, 2}, empty.out()), OSTEON_OK);
  EXPECT_EQ(sdk::element_count(empty.view()), 0);
}

TEST(Call, RefusesTensorsThatAreNone) {
  const Call call;
  char text[200] = "";
  osteon_error error{sizeof error, sizeof text, text};
  sdk::OwnedTensor tensor;
  EXPECT_EQ(allocate(call, {2, -1}, tensor.out(), &error), OSTEON_INVALID_ARGUMENT);
  EXPECT_STRNE(text, "");
  EXPECT_EQ(allocate(call, std::vector<std::int64_t>(9, 1), tensor.out()), OSTEON_INVALID_ARGUMENT);
  EXPECT_EQ(allocate(call, {INT64_MAX, INT64_MAX}, tensor.out()), OSTEON_OUT_OF_MEMORY);
  EXPECT_EQ(allocate(call, {INT64_MAX / 4}, tensor.out()), OSTEON_OUT_OF_MEMORY);
  EXPECT_TRUE(tensor.empty());
  CallOptions elsewhere;
  elsewhere.device = {OSTEON_DEVICE_CUDA, 0};
  EXPECT_EQ(allocate(Call(elsewhere), {1}, tensor.out()), OSTEON_UNSUPPORTED);
}

TEST(Call, GivesScratchMemoryThatItTakesBackItself) {
  void* block = nullptr;
  std::size_t kept = 0;
  {
    const Call call;
    block = call.raw()->scratch(call.raw(), 300000);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(aligned(block));
    std::memset(block, 1, 300000);
    EXPECT_NE(call.raw()->scratch(call.raw(), 300000), block);
    EXPECT_EQ(call.raw()->scratch(call.raw(), UINT64_MAX), nullptr);
    kept = host_pool().kept();
  }
  EXPECT_EQ(host_pool().kept(), kept + 2 * MemoryPool::block_size(300000));
}

TEST(Call, StopsWhenAskedTo) {
  std::atomic<bool> cancel{false};
  CallOptions options;
  options.cancel = &cancel;
  const Call call(options);
  EXPECT_EQ(call.raw()->cancelled(call.raw()), 0);
  EXPECT_EQ(call.raw()->time_left(call.raw()), INT64_MAX);
  cancel = true;
  EXPECT_NE(call.raw()->cancelled(call.raw()), 0);
  EXPECT_TRUE(call.cancelled());
}

TEST(Call, StopsAtItsDeadline) {
  CallOptions options;
  options.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  const Call late(options);
  EXPECT_FALSE(late.cancelled());
  EXPECT_GT(late.raw()->time_left(late.raw()), 0);
  EXPECT_LE(late.raw()->time_left(late.raw()), std::int64_t{3600} * 1000000000);
  options.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const Call over(options);
  EXPECT_TRUE(over.cancelled());
  EXPECT_LE(over.raw()->time_left(over.raw()), 0);
}

TEST(Call, PassesProgressOnAndSurvivesAListenerThatThrows) {
  double seen = 0;
  CallOptions options;
  options.progress = [&seen](double fraction) {
    seen = fraction;
    throw std::runtime_error("a broken terminal");
  };
  const Call call(options);
  call.raw()->progress(call.raw(), 0.25);
  EXPECT_EQ(seen, 0.25);
  const Call silent;
  silent.raw()->progress(silent.raw(), 0.5);
  silent.raw()->log(silent.raw(), OSTEON_LOG_DEBUG, "{} is no format here");
}

TEST(Call, FindsServicesByTheirId) {
  static const osteon_device service = {1, 2};
  const Call call;
  EXPECT_EQ(call.raw()->service(call.raw(), "osteon.test/1"), nullptr);
  install_service("osteon.test/1", &service);
  EXPECT_EQ(call.raw()->service(call.raw(), "osteon.test/1"), &service);
  EXPECT_EQ(call.raw()->service(call.raw(), "osteon.test/2"), nullptr);
}

TEST(Call, TakesTheMemoryOfAcceleratorsFromTheAllocatorThatWasInstalled) {
  CallOptions options;
  options.device = {OSTEON_DEVICE_CUDA, 1};
  const Call call(options);
  sdk::OwnedTensor tensor;
  EXPECT_EQ(allocate(call, {3}, tensor.out()), OSTEON_UNSUPPORTED);
  install_device_allocator(
      [](osteon_device device, osteon_dtype, const std::vector<std::int64_t>& shape, osteon_tensor*, osteon_error*) {
        EXPECT_EQ(device.type, OSTEON_DEVICE_CUDA);
        EXPECT_EQ(device.id, 1);
        EXPECT_EQ(shape, std::vector<std::int64_t>({3}));
        return osteon_status{OSTEON_OUT_OF_DEVICE_MEMORY};
      });
  EXPECT_EQ(allocate(call, {3}, tensor.out()), OSTEON_OUT_OF_DEVICE_MEMORY);
  EXPECT_EQ(allocate(Call(), {3}, tensor.out()), OSTEON_OK) << "the host's memory is the pool's";
  install_device_allocator([](auto...) -> osteon_status { throw std::bad_alloc(); });
  EXPECT_EQ(allocate(call, {3}, tensor.out()), OSTEON_OUT_OF_MEMORY) << "nothing may be thrown across the boundary";
  install_device_allocator({});
}

}  // namespace
}  // namespace osteon::plugin
