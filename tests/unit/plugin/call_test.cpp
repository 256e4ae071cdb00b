// SPDX-License-Identifier: Apache-2.0
#include "plugin/call.hpp"

#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/tensor.hpp>

#include "plugin/pool.hpp"
#include "plugin/shared_memory.hpp"

namespace osteon::plugin {
namespace {

bool aligned(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % 64 == 0; }

constexpr osteon_dtype kFloat = {OSTEON_DTYPE_FLOAT, 32, 1};

osteon_status allocate(const Call& call, const std::vector<std::int64_t>& shape, osteon_tensor* out,
                       osteon_error* error = nullptr) {
  return call.raw()->allocate(call.raw(), OSTEON_MEMORY_DEVICE, kFloat, static_cast<std::int32_t>(shape.size()),
                              shape.data(), out, error);
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
  EXPECT_NO_THROW(empty.data<float>()) << "it can be read through the SDK";
  EXPECT_NO_THROW(sdk::expect_canonical(empty.view(), "it"));
}

TEST(Call, RefusesTensorsThatAreNone) {
  const Call call;
  sdk::ErrorBuffer error;
  sdk::OwnedTensor tensor;
  EXPECT_EQ(allocate(call, {2, -1}, tensor.out(), error.out()), OSTEON_INVALID_ARGUMENT);
  EXPECT_NE(error.text(), "");
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
  install_device_allocator([](osteon_device device, std::uint32_t memory, osteon_dtype,
                              const std::vector<std::int64_t>& shape, osteon_tensor*, osteon_error*) {
    EXPECT_EQ(memory, std::uint32_t{OSTEON_MEMORY_DEVICE});
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

TEST(Call, GivesMemoryOfTheKindThatIsAskedFor) {
  CallOptions elsewhere;
  elsewhere.device = {OSTEON_DEVICE_CUDA, 0};
  const Call call(elsewhere);
  const std::int64_t shape[] = {3};
  for (const std::uint32_t memory : {OSTEON_MEMORY_HOST, OSTEON_MEMORY_SHARED}) {
    sdk::OwnedTensor tensor;
    ASSERT_EQ(call.raw()->allocate(call.raw(), memory, kFloat, 1, shape, tensor.out(), nullptr), OSTEON_OK) << memory;
    EXPECT_EQ(tensor.view().device.type, OSTEON_DEVICE_CPU);
    EXPECT_EQ(shared_descriptor_of(tensor.view().data) >= 0, memory == OSTEON_MEMORY_SHARED);
    tensor.data<float>()[2] = 1;
  }
  sdk::OwnedTensor tensor;
  EXPECT_EQ(call.raw()->allocate(call.raw(), 9, kFloat, 1, shape, tensor.out(), nullptr), OSTEON_UNSUPPORTED);
  const Call here;
  EXPECT_EQ(here.raw()->allocate(here.raw(), OSTEON_MEMORY_PINNED, kFloat, 1, shape, tensor.out(), nullptr), OSTEON_OK)
      << "for the CPU all of its memory is as good";
}

sdk::Call sdk_call(const Call& call) { return sdk::Call(call.raw()); }

TEST(DerivedCall, TakesAShareOfTheThreads) {
  CallOptions options;
  options.threads = 6;
  const Call call(options);
  sdk::CallOptions wanted;
  EXPECT_EQ(sdk_call(call).derive(wanted).get().threads(), 6) << "none asked for: all";
  wanted.threads = 2;
  const sdk::DerivedCall two = sdk_call(call).derive(wanted);
  EXPECT_EQ(two.get().threads(), 2);
  wanted.threads = 3;
  EXPECT_THROW(two.get().derive(wanted), sdk::Error) << "more than its parent has";
}

TEST(DerivedCall, ShowsItsProgressAsAPartOfItsParents) {
  std::vector<double> seen;
  CallOptions options;
  options.progress = [&seen](double fraction) { seen.push_back(fraction); };
  const Call call(options);
  sdk::CallOptions half;
  half.progress_begin = 0.5;
  half.progress_end = 1;
  const sdk::DerivedCall outer = sdk_call(call).derive(half);
  outer.get().progress(0.5);
  outer.get().derive(half).get().progress(0.5);
  outer.get().derive({}).get().progress(0.5);
  EXPECT_EQ(seen, (std::vector<double>{0.75, 0.875})) << "one that was given no part shows nothing";
  half.progress_end = 0.25;
  EXPECT_THROW(outer.get().derive(half), sdk::Error);
}

TEST(DerivedCall, StopsAtTheEarlierOfTheDeadlinesAndWhenItsParentDoes) {
  std::atomic<bool> cancel{false};
  CallOptions options;
  options.cancel = &cancel;
  options.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  const Call call(options);
  sdk::CallOptions wanted;
  wanted.time_left = INT64_MAX;
  const sdk::DerivedCall later = sdk_call(call).derive(wanted);
  EXPECT_LE(later.get().time_left(), std::int64_t{3600} * 1000000000);
  wanted.time_left = -1;
  EXPECT_TRUE(sdk_call(call).derive(wanted).get().cancelled());
  EXPECT_FALSE(later.get().cancelled());
  cancel = true;
  EXPECT_TRUE(later.get().cancelled());
}

TEST(DerivedCall, GivesItsScratchMemoryBackWhenItEnds) {
  const Call call;
  const std::size_t before = host_pool().in_use();
  for (int step = 0; step < 100; ++step) {
    const sdk::DerivedCall derived = sdk_call(call).derive({});
    EXPECT_NE(derived.get().scratch<float>(1 << 20), nullptr);
  }
  EXPECT_EQ(host_pool().in_use(), before);
}

TEST(DerivedCall, MayHaveADeviceOfItsOwn) {
  const Call call;
  sdk::CallOptions wanted;
  wanted.device = osteon_device{OSTEON_DEVICE_CUDA, 1};
  wanted.stream = &wanted;
  const sdk::DerivedCall derived = sdk_call(call).derive(wanted);
  EXPECT_EQ(derived.get().device().type, OSTEON_DEVICE_CUDA);
  EXPECT_EQ(derived.get().stream(), &wanted);
  const sdk::DerivedCall below = derived.get().derive({});
  EXPECT_EQ(below.get().device().id, 1) << "as its parent's";
  EXPECT_EQ(below.get().stream(), &wanted);
}

TEST(DerivedCall, IsEndedByTheHostWhereAPluginForgotIt) {
  const std::size_t before = host_pool().in_use();
  {
    const Call call;
    auto options = sdk::sized<osteon_call_options>();
    const osteon_call* derived = nullptr;
    ASSERT_EQ(call.raw()->derive(call.raw(), &options, &derived, nullptr), OSTEON_OK);
    ASSERT_NE(derived->scratch(derived, 1000), nullptr);
    call.raw()->end(nullptr);
    call.raw()->end(call.raw());  // was not derived: nothing happens
    EXPECT_EQ(call.raw()->derive(call.raw(), nullptr, &derived, nullptr), OSTEON_INVALID_ARGUMENT);
    options.flags = 1u << 7;
    EXPECT_EQ(call.raw()->derive(call.raw(), &options, &derived, nullptr), OSTEON_UNSUPPORTED);
  }
  EXPECT_EQ(host_pool().in_use(), before);
}

TEST(Call, KeepsWhatIsNotedLastUnderImageComponentAndKey) {
  CallOptions options;
  options.who = "request";
  const Call call(options);
  sdk_call(call).note("a.png", "steps", 3);
  sdk_call(call).note("a.png", "steps", 4);
  sdk_call(call).note(nullptr, "kept", true);
  {
    DeriveOptions named;
    named.who = "post 'crf'";
    const Call derived = call.derive(named);
    sdk_call(derived).derive({}).get().note("a.png", "steps", std::string("many \"x\""));
  }
  const std::vector<Note> notes = call.notes();
  ASSERT_EQ(notes.size(), 3u);
  EXPECT_EQ(notes[0].value, "4");
  EXPECT_EQ(notes[0].who, "request");
  EXPECT_EQ(notes[1].image, "");
  EXPECT_EQ(notes[1].value, "true");
  EXPECT_EQ(notes[2].who, "post 'crf'");
  EXPECT_EQ(notes[2].value, R"("many \"x\"")");
}

}  // namespace
}  // namespace osteon::plugin
