// SPDX-License-Identifier: Apache-2.0
#include "plugin/call.hpp"

#include <limits>
#include <map>
#include <mutex>
#include <set>

#include <spdlog/spdlog.h>

#include <osteon/sdk/known.hpp>

#include "plugin/allocate.hpp"
#include "plugin/notes.hpp"
#include "plugin/pool.hpp"

namespace osteon::plugin {
namespace {

using Clock = std::chrono::steady_clock;

std::mutex g_install_mutex;
std::map<std::string, const void*>& services() {
  static auto* map = new std::map<std::string, const void*>();
  return *map;
}

}  // namespace

/// What stands behind one osteon_call. Its root has the request's options; one that was derived asks its parent for
/// what it does not have itself.
struct CallState {
  osteon_call call{};
  CallOptions options;
  const osteon_call* parent = nullptr;  // nullptr: this is the root
  double progress_begin = 0, progress_end = 0;
  std::shared_ptr<Notes> notes;
  std::mutex mutex;
  std::vector<void*> scratch;
  std::set<CallState*> derived;  // those that a plugin made and has not ended

  explicit CallState(CallOptions given) : options(std::move(given)), notes(std::make_shared<Notes>()) { set_up(); }

  // The parent may be a copy of a call of ours with functions of its own, so what it can do itself it is asked for.
  CallState(const osteon_call* above, const DeriveOptions& wanted) : parent(above), notes(of(above).notes) {
    const auto threads = static_cast<int>(above->threads);
    if (wanted.threads < 0 || wanted.threads > threads)
      throw sdk::InvalidArgument("a derived call has 1 to " + std::to_string(threads) +
                                 " threads, as its parent, not " + std::to_string(wanted.threads));
    const double begin = wanted.progress_begin, end = wanted.progress_end;
    if (!(begin >= 0 && begin <= end && end <= 1))
      throw sdk::InvalidArgument("a derived call's part of the progress is within 0..1 and runs upwards");
    options.threads = wanted.threads > 0 ? wanted.threads : threads;
    options.device = wanted.device ? *wanted.device : above->device;
    options.stream = wanted.device ? wanted.stream : above->stream;
    options.deadline = wanted.deadline;
    options.who = wanted.who.empty() ? of(above).options.who : wanted.who;
    options.quiet = of(above).options.quiet;
    progress_begin = begin;
    progress_end = end;
    set_up();
  }

  ~CallState() {
    for (CallState* child : derived) {
      spdlog::warn("{}{}a call that was derived from another was not ended; it is now", options.who,
                   options.who.empty() ? "" : ": ");
      delete child;
    }
    for (void* block : scratch) host_pool().give_back(block);
  }
  CallState(const CallState&) = delete;
  CallState& operator=(const CallState&) = delete;

  void set_up() {
    call.struct_size = sizeof call;
    call.threads = static_cast<std::uint32_t>(std::max(1, options.threads));
    call.device = options.device;
    call.stream = options.stream;
    call.host = this;
    call.cancelled = cancelled;
    call.time_left = time_left;
    call.progress = show_progress;
    call.log = log;
    call.allocate = allocate_for;
    call.scratch = take_scratch;
    call.service = service;
    call.derive = derive;
    call.end = end;
    call.note = note;
  }

  static CallState& of(const osteon_call* call) { return *static_cast<CallState*>(call->host); }

  static std::int32_t cancelled(const osteon_call* call) {
    const CallState& state = of(call);
    if (state.options.cancel != nullptr && state.options.cancel->load(std::memory_order_relaxed)) return 1;
    if (state.options.deadline && Clock::now() >= *state.options.deadline) return 1;
    return state.parent != nullptr ? state.parent->cancelled(state.parent) : 0;
  }

  static std::int64_t time_left(const osteon_call* call) {
    const CallState& state = of(call);
    std::int64_t left =
        state.parent != nullptr ? state.parent->time_left(state.parent) : std::numeric_limits<std::int64_t>::max();
    if (state.options.deadline)
      left = std::min<std::int64_t>(
          left, std::chrono::duration_cast<std::chrono::nanoseconds>(*state.options.deadline - Clock::now()).count());
    return left;
  }

  static void show_progress(const osteon_call* call, double fraction) {
    const CallState& state = of(call);
    if (state.parent != nullptr) {
      const double part = state.progress_end - state.progress_begin;
      if (part > 0)
        state.parent->progress(state.parent, state.progress_begin + part * std::min(1.0, std::max(0.0, fraction)));
      return;
    }
    try {
      if (state.options.progress) state.options.progress(fraction);
    } catch (...) {  // showing progress is no reason to fail
    }
  }

  static void log(const osteon_call* call, std::int32_t level, const char* text) {
    try {
      const std::string& who = of(call).options.who;
      const auto severity = of(call).options.quiet        ? spdlog::level::debug
                            : level >= OSTEON_LOG_WARNING ? spdlog::level::warn
                            : level == OSTEON_LOG_INFO    ? spdlog::level::info
                                                          : spdlog::level::debug;
      spdlog::log(severity, "{}{}{}", who, who.empty() ? "" : ": ", text);
    } catch (...) {
    }
  }

  static osteon_status allocate_for(const osteon_call* call, std::uint32_t memory, osteon_dtype dtype,
                                    std::int32_t ndim, const std::int64_t* shape, osteon_tensor* out,
                                    osteon_error* error) {
    return allocate(call->device, memory, dtype, ndim, shape, out, error);
  }

  static void* take_scratch(const osteon_call* call, std::uint64_t bytes) {
    CallState& state = of(call);
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

  static osteon_status derive(const osteon_call* call, const osteon_call_options* options, const osteon_call** out,
                              osteon_error* error) {
    return sdk::detail::guard(error, [&] {
      const osteon_call_options given =
          sdk::known(options, "the options of a derived call", OSTEON_DERIVE_DEVICE | OSTEON_DERIVE_DEADLINE);
      DeriveOptions wanted;
      wanted.threads = static_cast<int>(std::min<std::uint32_t>(given.threads, std::numeric_limits<int>::max()));
      wanted.progress_begin = given.progress_begin;
      wanted.progress_end = given.progress_end;
      if ((given.flags & OSTEON_DERIVE_DEADLINE) != 0) {
        // Whoever asks for centuries gets a deadline that a clock can hold.
        const auto most = std::chrono::hours(24 * 365);
        wanted.deadline =
            Clock::now() + std::min<std::chrono::nanoseconds>(std::chrono::nanoseconds(given.time_left), most);
      }
      if ((given.flags & OSTEON_DERIVE_DEVICE) != 0) {
        wanted.device = given.device;
        wanted.stream = given.stream;
      }
      auto made = std::make_unique<CallState>(call, wanted);
      CallState& state = of(call);
      const std::lock_guard<std::mutex> lock(state.mutex);
      state.derived.insert(made.get());
      *out = &made.release()->call;
    });
  }

  static void end(const osteon_call* derived) {
    if (derived == nullptr) return;
    CallState* state = &of(derived);
    if (state->parent == nullptr) return;
    CallState& above = of(state->parent);
    {
      const std::lock_guard<std::mutex> lock(above.mutex);
      if (above.derived.erase(state) == 0) return;  // not a plugin's to end, or ended before
    }
    delete state;
  }

  static void note(const osteon_call* call, const char* image, const char* key, const char* value) {
    try {
      const CallState& state = of(call);
      state.notes->put({image != nullptr ? image : "", state.options.who, key, value});
    } catch (...) {  // a note is no reason to fail
    }
  }
};

Call::Call(CallOptions options) : state_(std::make_unique<CallState>(std::move(options))) {}
Call::Call(const osteon_call* parent, const DeriveOptions& options)
    : state_(std::make_unique<CallState>(parent, options)) {}
Call::~Call() = default;
Call::Call(Call&& other) noexcept = default;

const osteon_call* Call::raw() const noexcept { return &state_->call; }
bool Call::cancelled() const noexcept { return CallState::cancelled(&state_->call) != 0; }
std::vector<Note> Call::notes() const { return state_->notes->all(); }

void install_service(const std::string& id, const void* service) {
  const std::lock_guard<std::mutex> lock(g_install_mutex);
  services()[id] = service;
}

}  // namespace osteon::plugin
