// SPDX-License-Identifier: Apache-2.0
#include "base/file_name.hpp"

#include <cctype>

#include "base/file.hpp"

namespace osteon {
namespace {

bool is_hex(const std::string& text, std::size_t at) {
  return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
}

bool has_to_be_encoded(const std::string& name, std::size_t at) {
  const auto c = static_cast<unsigned char>(name[at]);
  if (c == '%') return is_hex(name, at + 1) && is_hex(name, at + 2);
  return c < 0x20 || c == 0x7f || c == '/' || c == '\\' || (c == '.' && at == 0);
}

}  // namespace

std::string file_name_of(const std::string& name) {
  static const char* const kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (has_to_be_encoded(name, i))
      encoded += {'%', kDigits[c >> 4], kDigits[c & 15]};
    else
      encoded += name[i];
  }
  return bounded_file_name(encoded);
}

std::string bounded_file_name(const std::string& name) {
  constexpr std::size_t kMost = 240, kDigest = 16;
  if (name.size() <= kMost) return name;
  std::size_t kept = kMost - kDigest - 1;
  // Not through a character of UTF-8.
  while (kept > 0 && (static_cast<unsigned char>(name[kept]) & 0xc0) == 0x80) --kept;
  return name.substr(0, kept) + '~' + sha256(name).substr(0, kDigest);
}

}  // namespace osteon
