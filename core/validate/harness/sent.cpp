// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/sent.hpp"

#include <algorithm>
#include <cstring>

namespace osteon::validate {
namespace {

// What a later version might have behind today's fields.
constexpr std::size_t kLonger = 40;
constexpr std::uint64_t kGarbage = 0xa7a7a7a7a7a7a7a7;

const Manner kUsual;
const Manner* g_manner = &kUsual;

// What every growing struct begins with.
struct Head {
  std::uint32_t struct_size, flags;
};

}  // namespace

const Manner& manner() noexcept { return *g_manner; }

InManner::InManner(const Manner& wanted) noexcept : before_(g_manner) { g_manner = &wanted; }
InManner::~InManner() { g_manner = before_; }

namespace detail {

std::uint32_t note(const char* name) {
  if (manner().seen != nullptr) manner().seen->insert(name);
  return manner().flagged == name ? manner().bit : 0;
}

std::vector<std::uint64_t> lay_out(const void* content, std::size_t size, std::size_t least, const char* name) {
  const Manner& now = manner();
  const std::size_t sent = now.length == Manner::Length::kLonger     ? size + kLonger
                           : now.length == Manner::Length::kShortest ? least
                                                                     : size;
  std::vector<std::uint64_t> memory((size + kLonger + 7) / 8, kGarbage);
  std::memcpy(memory.data(), content, std::min(size, sent));
  Head head;
  std::memcpy(&head, memory.data(), sizeof head);
  head.struct_size = static_cast<std::uint32_t>(sent);
  head.flags |= note(name);
  std::memcpy(memory.data(), &head, sizeof head);
  return memory;
}

}  // namespace detail
}  // namespace osteon::validate
