// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/steered_call.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include <osteon/sdk/error.hpp>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/tensor.hpp>

#include "plugin/call.hpp"
#include "validate/check.hpp"
#include "validate/harness/sent.hpp"

namespace osteon::validate {
namespace {

using Clock = std::chrono::steady_clock;

// What lies about memory that is given out: as much as the widest store that a loop may overrun by.
constexpr std::size_t kFence = 64;
constexpr unsigned char kFenceByte = 0xe1;
// Filling more than this would be most of what a large call does.
constexpr std::size_t kFilled = std::size_t{4} << 20;

std::atomic<std::int64_t> g_bytes_out{0};
// Tensors outlive the call that made them, so what was done to them is no call's.
std::mutex g_mutex;
std::string& tensor_misuse() {
  static std::string misuse;
  return misuse;
}

// Memory between two fences.
class Fenced {
 public:
  explicit Fenced(std::size_t bytes)
      : bytes_(bytes),
        memory_(static_cast<unsigned char*>(std::aligned_alloc(64, (bytes + 2 * kFence + 63) / 64 * 64))) {
    if (memory_ == nullptr) throw std::bad_alloc();
    std::memset(memory_, kFenceByte, kFence);
    if (bytes <= kFilled) std::memset(data(), 0xff, bytes);
    std::memset(memory_ + kFence + bytes, kFenceByte, kFence);
  }
  ~Fenced() { std::free(memory_); }
  Fenced(Fenced&& other) noexcept : bytes_(other.bytes_), memory_(other.memory_) { other.memory_ = nullptr; }
  Fenced& operator=(Fenced&&) = delete;
  void* data() const noexcept { return memory_ + kFence; }
  std::size_t bytes() const noexcept { return bytes_; }
  bool whole() const noexcept {
    const auto intact = [](const unsigned char* fence) {
      return std::all_of(fence, fence + kFence, [](unsigned char byte) { return byte == kFenceByte; });
    };
    return intact(memory_) && intact(memory_ + kFence + bytes_);
  }

 private:
  std::size_t bytes_;
  unsigned char* memory_;
};

struct HostTensor {
  Fenced memory;
  std::vector<std::int64_t> shape, strides;
};

void release_tensor(osteon_tensor* self) {
  auto* tensor = static_cast<HostTensor*>(self->owner);
  g_bytes_out -= static_cast<std::int64_t>(tensor->memory.bytes());
  if (!tensor->memory.whole()) {
    const std::lock_guard<std::mutex> lock(g_mutex);
    tensor_misuse() = fmt::format("something wrote beyond a tensor of {} bytes", tensor->memory.bytes());
  }
  delete tensor;
}

bool is_key(const char* text) {
  if (text == nullptr || *text < 'a' || *text > 'z') return false;
  return std::all_of(text, text + std::strlen(text),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

/// All of one call, and of those derived from it.
struct SteeredCall::Book {
  struct Node {
    Book* book = nullptr;
    Node* parent = nullptr;
    bool ended = false;
    std::optional<Clock::time_point> deadline;
    std::vector<Fenced> scratch;
    std::optional<Sent<osteon_call>> call;
  };

  mutable std::mutex mutex;
  std::deque<Node> nodes;  // they stay where they are; the first is the root
  std::string misuse;      // the first that was seen
  std::atomic<std::int64_t> polls{0};
  std::int64_t cancel_at = kNever;
  plugin::Call host;  // whose services these are

  static Node& node_of(const osteon_call* call) { return *static_cast<Node*>(call->host); }

  void note_misuse(const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (misuse.empty()) misuse = what;
  }
  // The node of a call that is used; an ended one is written down.
  static Node& used(const osteon_call* call, const char* function) {
    Node& node = node_of(call);
    bool ended = false;
    {
      const std::lock_guard<std::mutex> lock(node.book->mutex);
      ended = node.ended;
    }
    if (ended) node.book->note_misuse(fmt::format("it used `{}` of a derived call that it had ended", function));
    return node;
  }

  Node& add(Node* parent, std::uint32_t threads) {
    osteon_call raw{};
    raw.struct_size = sizeof raw;
    raw.threads = threads;
    raw.device = {OSTEON_DEVICE_CPU, 0};
    raw.cancelled = cancelled;
    raw.time_left = time_left;
    raw.progress = progress;
    raw.log = log;
    raw.allocate = allocate;
    raw.scratch = scratch;
    raw.service = service;
    raw.derive = derive;
    raw.end = end;
    raw.note = note;
    const std::lock_guard<std::mutex> lock(mutex);
    Node& node = nodes.emplace_back();
    node.book = this;
    node.parent = parent;
    if (parent != nullptr) node.deadline = parent->deadline;
    raw.host = &node;
    node.call.emplace(raw);
    return node;
  }

  static std::int32_t cancelled(const osteon_call* call) {
    Node& node = used(call, "cancelled");
    if (node.deadline && Clock::now() >= *node.deadline) return 1;
    return node.book->polls.fetch_add(1) >= node.book->cancel_at ? 1 : 0;
  }

  static std::int64_t time_left(const osteon_call* call) {
    const Node& node = used(call, "time_left");
    if (!node.deadline) return INT64_MAX;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(*node.deadline - Clock::now()).count();
  }

  static void progress(const osteon_call* call, double fraction) {
    constexpr double kRounding = 1e-6;
    Node& node = used(call, "progress");
    if (!(fraction >= -kRounding && fraction <= 1 + kRounding))
      node.book->note_misuse(fmt::format("it said that its progress is {}, expected 0..1", fraction));
  }

  static void log(const osteon_call* call, std::int32_t level, const char* text) {
    Node& node = used(call, "log");
    if (text == nullptr) node.book->note_misuse("it logged NULL");
    if (level < OSTEON_LOG_DEBUG || level > OSTEON_LOG_WARNING)
      node.book->note_misuse(fmt::format("it logged at level {}, which is none", level));
  }

  static osteon_status allocate(const osteon_call* call, std::uint32_t memory, osteon_dtype dtype, std::int32_t ndim,
                                const std::int64_t* shape, osteon_tensor* out, osteon_error* error) {
    return sdk::detail::guard(error, [&] {
      used(call, "allocate");
      if (memory > OSTEON_MEMORY_PINNED) throw sdk::Unsupported("the checks' host has no such memory");
      if (ndim < 0 || ndim > 8) throw sdk::InvalidArgument("a tensor has 0 to 8 dimensions");
      if (dtype.bits == 0 || dtype.lanes == 0 || dtype.bits * dtype.lanes % 8 != 0)
        throw sdk::Unsupported("elements are whole bytes");
      std::size_t bytes = static_cast<std::size_t>(dtype.bits) * dtype.lanes / 8;
      for (std::int32_t i = 0; i < ndim; ++i) {
        if (shape[i] < 0) throw sdk::InvalidArgument("a tensor's size is negative");
        if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(shape[i]), &bytes)) throw std::bad_alloc();
      }
      auto tensor = std::make_unique<HostTensor>(HostTensor{Fenced(bytes), {shape, shape + ndim}, {}});
      tensor->strides.resize(tensor->shape.size());
      std::int64_t stride = 1;
      for (std::size_t i = tensor->shape.size(); i-- > 0;) {
        tensor->strides[i] = stride;
        stride *= std::max<std::int64_t>(1, tensor->shape[i]);
      }
      g_bytes_out += static_cast<std::int64_t>(bytes);
      out->flags = 0;
      out->view = {bytes > 0 ? tensor->memory.data() : nullptr,
                   {OSTEON_DEVICE_CPU, 0},
                   ndim,
                   dtype,
                   tensor->shape.data(),
                   tensor->strides.data(),
                   0};
      out->release = release_tensor;
      out->owner = tensor.release();
    });
  }

  static void* scratch(const osteon_call* call, std::uint64_t bytes) {
    Node& node = used(call, "scratch");
    try {
      Fenced memory(bytes);
      const std::lock_guard<std::mutex> lock(node.book->mutex);
      node.scratch.push_back(std::move(memory));
      return node.scratch.back().data();
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static const void* service(const osteon_call* call, const char* id) {
    const osteon_call* host = used(call, "service").book->host.raw();
    return host->service(host, id);
  }

  static osteon_status derive(const osteon_call* call, const osteon_call_options* options, const osteon_call** out,
                              osteon_error* error) {
    return sdk::detail::guard(error, [&] {
      Node& node = used(call, "derive");
      const osteon_call_options wanted =
          sdk::known(options, "the options of a call", OSTEON_DERIVE_DEVICE | OSTEON_DERIVE_DEADLINE);
      if (wanted.threads > call->threads)
        throw sdk::InvalidArgument(
            fmt::format("a call with {} threads has no {} to give", call->threads, wanted.threads));
      if (!(wanted.progress_begin >= 0 && wanted.progress_end <= 1 && wanted.progress_begin <= wanted.progress_end))
        throw sdk::InvalidArgument("a part of the progress is within 0..1");
      if ((wanted.flags & OSTEON_DERIVE_DEVICE) != 0 && wanted.device.type != OSTEON_DEVICE_CPU)
        throw sdk::Unsupported("the checks' host has the CPU alone");
      Node& made = node.book->add(&node, wanted.threads > 0 ? wanted.threads : call->threads);
      if ((wanted.flags & OSTEON_DERIVE_DEADLINE) != 0) {
        const auto deadline = Clock::now() + std::chrono::nanoseconds(wanted.time_left);
        made.deadline = made.deadline ? std::min(*made.deadline, deadline) : deadline;
      }
      *out = made.call->get();
    });
  }

  static void end(const osteon_call* derived) {
    if (derived == nullptr) return;
    Node& node = node_of(derived);
    if (node.parent == nullptr) return node.book->note_misuse("it ended a call that it had not derived");
    bool again = false, children = false, whole = true;
    {
      const std::lock_guard<std::mutex> lock(node.book->mutex);
      again = node.ended;
      for (const Node& other : node.book->nodes) children = children || (other.parent == &node && !other.ended);
      for (const Fenced& memory : node.scratch) whole = whole && memory.whole();
      node.ended = true;
      node.scratch.clear();
    }
    if (again) node.book->note_misuse("it ended a derived call twice");
    if (children) node.book->note_misuse("it ended a derived call before one that was derived from it");
    if (!whole) node.book->note_misuse("it wrote beyond scratch memory");
  }

  static void note(const osteon_call* call, const char*, const char* key, const char* value) {
    Node& node = used(call, "note");
    if (!is_key(key))
      return node.book->note_misuse(
          fmt::format("it noted something under '{}', which is not [a-z][a-z0-9_]*", key != nullptr ? key : "NULL"));
    if (value == nullptr || !nlohmann::json::accept(value))
      node.book->note_misuse(fmt::format("what it noted under '{}' is not the text of a JSON value: {}", key,
                                         value != nullptr ? value : "NULL"));
  }
};

SteeredCall::SteeredCall(int threads, std::int64_t cancel_at) : book_(std::make_unique<Book>()) {
  book_->cancel_at = cancel_at;
  book_->add(nullptr, static_cast<std::uint32_t>(threads));
}

SteeredCall::~SteeredCall() = default;

const osteon_call* SteeredCall::raw() const noexcept { return book_->nodes.front().call->get(); }

std::int64_t SteeredCall::polls() const noexcept { return book_->polls.load(); }

int SteeredCall::derived() const {
  const std::lock_guard<std::mutex> lock(book_->mutex);
  return static_cast<int>(book_->nodes.size()) - 1;
}

void SteeredCall::expect_settled(const std::string& what) const {
  {
    const std::lock_guard<std::mutex> lock(g_mutex);
    expect(tensor_misuse().empty(), "{}: {}", what, tensor_misuse());
  }
  const std::lock_guard<std::mutex> lock(book_->mutex);
  expect(book_->misuse.empty(), "{}: {}", what, book_->misuse);
  const auto open =
      std::count_if(book_->nodes.begin() + 1, book_->nodes.end(), [](const Book::Node& node) { return !node.ended; });
  expect(open == 0, "{} returned and left {} derived call(s) that it did not end", what, open);
  for (const Fenced& memory : book_->nodes.front().scratch)
    expect(memory.whole(), "{}: it wrote beyond scratch memory", what);
}

std::int64_t SteeredCall::bytes_out() noexcept { return g_bytes_out.load(); }

}  // namespace osteon::validate
