// SPDX-License-Identifier: Apache-2.0
#include "base/visible.hpp"

#include <cstddef>
#include <cstdint>

namespace osteon {
namespace {

/// One character of UTF-8.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  ///< 0: there is no character here
};

Character character_at(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xc2 && first < 0xe0   ? 2
                            : first >= 0xe0 && first < 0xf0 ? 3
                            : first < 0xf5                  ? 4
                                                            : 0;
  if (first < 0xc2 || bytes == 0 || text.size() - at < bytes) return {};
  std::uint32_t code = first & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kLeast[bytes] || code > 0x10ffff || surrogate) return {};
  return {code, bytes};
}

bool is_control(std::uint32_t code) {
  const auto within = [code](std::uint32_t first, std::uint32_t last) { return code >= first && code <= last; };
  return code < 0x20 || within(0x7f, 0x9f) || code == 0x061c || within(0x200e, 0x200f) || within(0x2028, 0x202e) ||
         within(0x2066, 0x2069);
}

std::string cleaned(const std::string& text, bool keeps_lines) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    const bool kept = keeps_lines && (text[at] == '\n' || text[at] == '\t');
    if (character.bytes == 0 || (is_control(character.code) && !kept))
      result += '?';
    else
      result.append(text, at, character.bytes);
    at += character.bytes == 0 ? 1 : character.bytes;
  }
  return result;
}

}  // namespace

std::string visible(const std::string& text) { return cleaned(text, false); }
std::string visible_lines(const std::string& text) { return cleaned(text, true); }

}  // namespace osteon
