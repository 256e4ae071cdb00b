// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/pages.hpp>

/// For tests of plugins: a call without a host. Not for plugins.
namespace osteon::sdk::testing {

/// A call whose memory comes from the heap, that nobody cancels unless `cancel` is set, and whose log and notes are
/// kept. Services are those that were given to it. Calls derived from it share all of this but threads and device. For
/// one thread.
class TestCall {
 public:
  explicit TestCall(std::uint32_t threads = 1) : raw_(functions()) {
    raw_.threads = threads;
    raw_.device = {OSTEON_DEVICE_CPU, 0};
    raw_.host = this;
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;

  const osteon_call* raw() const noexcept { return &raw_; }
  Call get() const { return Call(&raw_); }

  bool cancel = false;
  mutable std::vector<std::string> lines;
  mutable std::map<std::string, std::string> notes;  ///< "image/key" to the JSON text that was said last
  std::map<std::string, const void*> services;
  mutable int derived = 0;  ///< calls that were derived and are not ended yet

 private:
  static const TestCall& self(const osteon_call* c) { return *static_cast<const TestCall*>(c->host); }
  static void* aligned(std::uint64_t bytes) { return allocate_pages(bytes + 1); }

  static osteon_call functions() {
    auto raw = sized<osteon_call>();
    raw.cancelled = [](const osteon_call* c) { return self(c).cancel ? 1 : 0; };
    raw.time_left = [](const osteon_call*) { return INT64_MAX; };
    raw.progress = [](const osteon_call*, double) {};
    raw.log = [](const osteon_call* c, std::int32_t, const char* text) { self(c).lines.emplace_back(text); };
    raw.allocate = allocate;
    raw.scratch = [](const osteon_call* c, std::uint64_t bytes) -> void* {
      self(c).scratch_.emplace_back(aligned(bytes), std::free);
      return self(c).scratch_.back().get();
    };
    raw.service = [](const osteon_call* c, const char* id) -> const void* {
      const auto found = self(c).services.find(id);
      return found == self(c).services.end() ? nullptr : found->second;
    };
    raw.derive = derive;
    raw.end = [](const osteon_call* c) {
      if (c == nullptr) return;
      --self(c).derived;
      delete c;
    };
    raw.note = [](const osteon_call* c, const char* image, const char* key, const char* value) {
      self(c).notes[std::string(image != nullptr ? image : "") + "/" + key] = value;
    };
    return raw;
  }

  static osteon_status derive(const osteon_call* call, const osteon_call_options* options, const osteon_call** out,
                              osteon_error* error) {
    return detail::guard(error, [&] {
      const osteon_call_options wanted =
          known(options, "the options of a call", OSTEON_DERIVE_DEVICE | OSTEON_DERIVE_DEADLINE);
      if (wanted.threads > call->threads) throw InvalidArgument("a derived call has no more threads than its parent");
      auto made = std::make_unique<osteon_call>(*call);
      if (wanted.threads > 0) made->threads = wanted.threads;
      if ((wanted.flags & OSTEON_DERIVE_DEVICE) != 0) {
        made->device = wanted.device;
        made->stream = wanted.stream;
      }
      ++self(call).derived;
      *out = made.release();
    });
  }

  struct Owner {
    std::unique_ptr<void, decltype(&std::free)> memory;
    BorrowedTensor view;
  };
  static osteon_status allocate(const osteon_call*, std::uint32_t memory_kind, osteon_dtype dtype, std::int32_t ndim,
                                const std::int64_t* shape, osteon_tensor* out, osteon_error* error) {
    return detail::guard(error, [&] {
      if (memory_kind > OSTEON_MEMORY_PINNED) throw Unsupported("a test call has no such memory");
      std::uint64_t bytes = dtype.bits / 8u * dtype.lanes;
      for (std::int32_t i = 0; i < ndim; ++i) bytes *= static_cast<std::uint64_t>(shape[i]);
      std::unique_ptr<void, decltype(&std::free)> memory(aligned(bytes), std::free);
      if (!memory) throw std::bad_alloc();
      void* data = memory.get();
      auto owner = std::make_unique<Owner>(
          Owner{std::move(memory), BorrowedTensor(data, dtype, std::vector<std::int64_t>(shape, shape + ndim))});
      out->view = owner->view.view();
      out->owner = owner.release();
      out->release = [](osteon_tensor* tensor) { delete static_cast<Owner*>(tensor->owner); };
    });
  }

  osteon_call raw_;
  mutable std::vector<std::unique_ptr<void, decltype(&std::free)>> scratch_;
};

}  // namespace osteon::sdk::testing
