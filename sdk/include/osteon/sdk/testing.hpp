// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <osteon/sdk/call.hpp>

/// For tests of plugins: a call without a host. Not for plugins.
namespace osteon::sdk::testing {

/// A call whose memory comes from the heap, that nobody cancels unless `cancel` is set, and whose log is kept.
/// Services are those that were given to it. For one thread.
class TestCall {
 public:
  explicit TestCall(std::uint32_t threads = 1) {
    raw_.struct_size = sizeof raw_;
    raw_.threads = threads;
    raw_.device = {OSTEON_DEVICE_CPU, 0};
    raw_.host = this;
    raw_.cancelled = [](const osteon_call* c) { return self(c).cancel ? 1 : 0; };
    raw_.time_left = [](const osteon_call*) { return INT64_MAX; };
    raw_.progress = [](const osteon_call*, double) {};
    raw_.log = [](const osteon_call* c, std::int32_t, const char* text) { self(c).lines.emplace_back(text); };
    raw_.allocate = allocate;
    raw_.scratch = [](const osteon_call* c, std::uint64_t bytes) -> void* {
      self(c).scratch_.emplace_back(aligned(bytes), std::free);
      return self(c).scratch_.back().get();
    };
    raw_.service = [](const osteon_call* c, const char* id) -> const void* {
      const auto found = self(c).services.find(id);
      return found == self(c).services.end() ? nullptr : found->second;
    };
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;

  const osteon_call* raw() const noexcept { return &raw_; }
  Call get() const noexcept { return Call(&raw_); }

  bool cancel = false;
  mutable std::vector<std::string> lines;
  std::map<std::string, const void*> services;

 private:
  static const TestCall& self(const osteon_call* c) { return *static_cast<const TestCall*>(c->host); }
  static void* aligned(std::uint64_t bytes) { return std::aligned_alloc(64, (bytes + 64) / 64 * 64); }

  struct Owner {
    std::unique_ptr<void, decltype(&std::free)> memory;
    BorrowedTensor view;
  };
  static osteon_status allocate(const osteon_call*, osteon_dtype dtype, std::int32_t ndim, const std::int64_t* shape,
                                osteon_tensor* out, osteon_error*) {
    std::uint64_t bytes = dtype.bits / 8u * dtype.lanes;
    for (std::int32_t i = 0; i < ndim; ++i) bytes *= static_cast<std::uint64_t>(shape[i]);
    std::unique_ptr<void, decltype(&std::free)> memory(aligned(bytes), std::free);
    if (!memory) return OSTEON_OUT_OF_MEMORY;
    void* data = memory.get();
    auto owner = std::make_unique<Owner>(
        Owner{std::move(memory), BorrowedTensor(data, dtype, std::vector<std::int64_t>(shape, shape + ndim))});
    out->view = owner->view.view();
    out->owner = owner.release();
    out->release = [](osteon_tensor* tensor) { delete static_cast<Owner*>(tensor->owner); };
    return OSTEON_OK;
  }

  osteon_call raw_{};
  mutable std::vector<std::unique_ptr<void, decltype(&std::free)>> scratch_;
};

}  // namespace osteon::sdk::testing
