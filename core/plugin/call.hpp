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

/// Something that a plugin said of an image; see osteon_call.note.
struct Note {
  std::string image;  ///< empty: of the request
  std::string who;    ///< the component, as the call named it; may be empty
  std::string key;
  std::string value;  ///< the text of one JSON value
};

/// What a request brings to the plugins that work for it.
struct CallOptions {
  int threads = 1;  ///< threads that the callee may keep busy
  osteon_device device{OSTEON_DEVICE_CPU, 0};
  void* stream = nullptr;                     ///< cudaStream_t on CUDA
  const std::atomic<bool>* cancel = nullptr;  ///< set by whoever wants the request to stop; nullptr: nobody
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::function<void(double)> progress;  ///< gets fractions 0..1 from any thread; may be empty
  std::string who;                       ///< named in front of what the plugin logs, and beside its notes
  bool quiet = false;                    ///< a trial: what it logs is for debugging, of it and of what is derived
};

/// How a derived call differs from its parent.
struct DeriveOptions {
  int threads = 0;  ///< of the parent's, at most all of them; 0: all
  double progress_begin =
      0;  ///< 0 and 1 of its own are these fractions of the parent's progress; both 0: it shows none
  double progress_end = 0;
  std::optional<std::chrono::steady_clock::time_point>
      deadline;                         ///< one that is later than the parent's changes nothing
  std::optional<osteon_device> device;  ///< with `stream`
  void* stream = nullptr;
  std::string who;  ///< empty: as the parent's
};

/// One osteon_call and the memory behind it. Make one per request, and derive one for each part of it that has memory
/// of its own; scratch memory is given back when it dies. The call itself may be used from several threads at once.
class Call {
 public:
  explicit Call(CallOptions options = {});
  /// A call beneath `parent`, which outlives it; the host's own form of osteon_call.derive. Throws
  /// sdk::InvalidArgument.
  Call(const osteon_call* parent, const DeriveOptions& options);
  /// What a plugin derived and did not end is ended, with a warning that names who it was.
  ~Call();
  Call(Call&& other) noexcept;
  Call& operator=(Call&&) = delete;

  Call derive(const DeriveOptions& options) const { return Call(raw(), options); }

  const osteon_call* raw() const noexcept;
  bool cancelled() const noexcept;
  /// What was said so far, here and in calls derived from this one, in that order; of one image, component and key what
  /// was said last.
  std::vector<Note> notes() const;

 private:
  std::unique_ptr<struct CallState> state_;
};

/// Allocates tensors on accelerators, or for OSTEON_MEMORY_PINNED page-locked for them, for `osteon_call::allocate`;
/// the engine installs it before any call is made. The host's own memory comes from a pool of reused blocks, whatever
/// is installed.
using DeviceAllocator =
    std::function<osteon_status(osteon_device, std::uint32_t memory, osteon_dtype,
                                const std::vector<std::int64_t>& shape, osteon_tensor* out, osteon_error* error)>;
void install_device_allocator(DeviceAllocator allocator);

/// Makes `service` (a struct of the ABI that lives for ever) known to plugins under `id`.
void install_service(const std::string& id, const void* service);

}  // namespace osteon::plugin
