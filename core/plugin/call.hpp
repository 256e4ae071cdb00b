// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <osteon/abi/call.h>

namespace osteon::plugin {

/// What a request brings to the plugins that work for it.
struct CallOptions {
  int threads = 1;  ///< threads that the callee may keep busy
  osteon_device device{OSTEON_DEVICE_CPU, 0};
  void* stream = nullptr;                     ///< cudaStream_t on CUDA
  const std::atomic<bool>* cancel = nullptr;  ///< set by whoever wants the request to stop; nullptr: nobody
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::function<void(double)> progress;  ///< gets fractions 0..1 from any thread; may be empty
  std::string who;                       ///< named in front of what the plugin logs
};

/// One osteon_call and the memory behind it. Make one per request (or per thread of it); scratch memory is given back
/// when it dies. The call itself may be used from several threads at once.
class Call {
 public:
  explicit Call(CallOptions options = {});
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const osteon_call* raw() const noexcept;
  const CallOptions& options() const noexcept;
  bool cancelled() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Allocates tensors on accelerators for `osteon_call::allocate`; the engine installs it before any call is made. The
/// host's own memory comes from a pool of reused blocks, whatever is installed.
using DeviceAllocator = std::function<osteon_status(osteon_device, osteon_dtype, const std::vector<std::int64_t>& shape,
                                                    osteon_tensor* out, osteon_error* error)>;
void install_device_allocator(DeviceAllocator allocator);

/// Makes `service` (a struct of the ABI that lives for ever) known to plugins under `id`.
void install_service(const std::string& id, const void* service);

/// The flag that SIGINT and SIGTERM set; pass it as CallOptions::cancel. install_signal_handlers() is called once by
/// main; a second signal ends the process at once.
const std::atomic<bool>& interrupted() noexcept;
void install_signal_handlers();

}  // namespace osteon::plugin
