// SPDX-License-Identifier: Apache-2.0
#include "plugin/call.hpp"

#include <csignal>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <osteon/sdk/error.hpp>

#include "plugin/pool.hpp"

namespace osteon::plugin {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> g_interrupted{false};

void on_signal(int) {
  // The second one: whoever asks twice wants out now.
  if (g_interrupted.exchange(true)) ::_exit(130);
}

std::mutex g_install_mutex;
DeviceAllocator& device_allocator() {
  static auto* allocator = new DeviceAllocator();
  return *allocator;
}
std::map<std::string, const void*>& services() {
  static auto* map = new std::map<std::string, const void*>();
  return *map;
}

// A tensor of the host's pool: shape and strides lie behind its header.
struct HostTensor {
  void* data;
  std::vector<std::int64_t> shape, strides;
};

void release_host_tensor(osteon_tensor* self) {
  auto* tensor = static_cast<HostTensor*>(self->owner);
  host_pool().give_back(tensor->data);
  delete tensor;
}

osteon_status allocate_on_host(osteon_device device, osteon_dtype dtype, const std::vector<std::int64_t>& shape,
                               osteon_tensor* out, osteon_error* error) {
  std::size_t bytes = static_cast<std::size_t>(dtype.bits) * dtype.lanes / 8;
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes))
      return sdk::detail::report(error, OSTEON_OUT_OF_MEMORY, "the tensor is larger than the address space");
  auto tensor = std::make_unique<HostTensor>();
  tensor->shape = shape;
  tensor->strides.resize(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    tensor->strides[i] = stride;
    stride *= shape[i] > 0 ? shape[i] : 1;
  }
  tensor->data = host_pool().take(bytes);
  if (tensor->data == nullptr)
    return sdk::detail::report(error, OSTEON_OUT_OF_MEMORY,
                               ("no memory left for a tensor of " + std::to_string(bytes) + " bytes").c_str());
  out->flags = 0;
  out->view = {tensor->data,           device, static_cast<std::int32_t>(shape.size()), dtype, tensor->shape.data(),
               tensor->strides.data(), 0};
  out->release = release_host_tensor;
  out->owner = tensor.release();
  return OSTEON_OK;
}

}  // namespace

struct Call::State {
  osteon_call call{};
  CallOptions options;
  std::mutex mutex;
  std::vector<void*> scratch;

  static State& of(const osteon_call* call) { return *static_cast<State*>(call->host); }

  bool stopped() const {
    return (options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed)) ||
           (options.deadline && Clock::now() >= *options.deadline);
  }

  static std::int32_t cancelled(const osteon_call* call) { return of(call).stopped() ? 1 : 0; }

  static std::int64_t time_left(const osteon_call* call) {
    const State& state = of(call);
    if (!state.options.deadline) return std::numeric_limits<std::int64_t>::max();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(*state.options.deadline - Clock::now()).count();
  }

  static void progress(const osteon_call* call, double fraction) {
    try {
      if (of(call).options.progress) of(call).options.progress(fraction);
    } catch (...) {  // showing progress is no reason to fail
    }
  }

  static void log(const osteon_call* call, std::int32_t level, const char* text) {
    try {
      const std::string& who = of(call).options.who;
      const auto severity = level >= OSTEON_LOG_WARNING ? spdlog::level::warn
                            : level == OSTEON_LOG_INFO  ? spdlog::level::info
                                                        : spdlog::level::debug;
      spdlog::log(severity, "{}{}{}", who, who.empty() ? "" : ": ", text);
    } catch (...) {
    }
  }

  static osteon_status allocate(const osteon_call* call, osteon_dtype dtype, std::int32_t ndim,
                                const std::int64_t* shape, osteon_tensor* out, osteon_error* error) {
    try {
      if (ndim < 0 || ndim > 8)
        return sdk::detail::report(error, OSTEON_INVALID_ARGUMENT, "a tensor has 0 to 8 dimensions");
      for (std::int32_t i = 0; i < ndim; ++i)
        if (shape[i] < 0) return sdk::detail::report(error, OSTEON_INVALID_ARGUMENT, "a tensor's size is negative");
      if (dtype.bits == 0 || dtype.lanes == 0 || dtype.bits * dtype.lanes % 8 != 0)
        return sdk::detail::report(error, OSTEON_UNSUPPORTED, "this host's elements are whole bytes");
      const std::vector<std::int64_t> sizes(shape, shape + ndim);
      if (call->device.type == OSTEON_DEVICE_CPU) return allocate_on_host(call->device, dtype, sizes, out, error);
      if (device_allocator()) return device_allocator()(call->device, dtype, sizes, out, error);
      return sdk::detail::report(error, OSTEON_UNSUPPORTED, "this host has no memory of that device to give");
    } catch (...) {
      return sdk::detail::report_current_exception(error);
    }
  }

  static void* take_scratch(const osteon_call* call, std::uint64_t bytes) {
    State& state = of(call);
    void* block = host_pool().take(bytes);
    if (block == nullptr) return nullptr;
    try {
      const std::lock_guard<std::mutex> lock(state.mutex);
      state.scratch.push_back(block);
      return block;
    } catch (...) {
      host_pool().give_back(block);
      return nullptr;
    }
  }

  static const void* service(const osteon_call*, const char* id) {
    try {
      const std::lock_guard<std::mutex> lock(g_install_mutex);
      const auto found = services().find(id);
      return found == services().end() ? nullptr : found->second;
    } catch (...) {
      return nullptr;
    }
  }
};

Call::Call(CallOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  osteon_call& call = state_->call;
  call.struct_size = sizeof call;
  call.threads = static_cast<std::uint32_t>(std::max(1, state_->options.threads));
  call.device = state_->options.device;
  call.stream = state_->options.stream;
  call.host = state_.get();
  call.cancelled = State::cancelled;
  call.time_left = State::time_left;
  call.progress = State::progress;
  call.log = State::log;
  call.allocate = State::allocate;
  call.scratch = State::take_scratch;
  call.service = State::service;
}

Call::~Call() {
  for (void* block : state_->scratch) host_pool().give_back(block);
}

const osteon_call* Call::raw() const noexcept { return &state_->call; }
const CallOptions& Call::options() const noexcept { return state_->options; }
bool Call::cancelled() const noexcept { return state_->stopped(); }

void install_device_allocator(DeviceAllocator allocator) {
  const std::lock_guard<std::mutex> lock(g_install_mutex);
  device_allocator() = std::move(allocator);
}

void install_service(const std::string& id, const void* service) {
  const std::lock_guard<std::mutex> lock(g_install_mutex);
  services()[id] = service;
}

const std::atomic<bool>& interrupted() noexcept { return g_interrupted; }

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace osteon::plugin
