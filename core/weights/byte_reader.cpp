// SPDX-License-Identifier: Apache-2.0
#include "weights/byte_reader.hpp"

#include "base/error.hpp"

namespace osteon::weights {

void refuse(const std::string& path, std::uint64_t offset, const std::string& message) {
  throw Error(ExitCode::kData, message, path + ":" + std::to_string(offset));
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string result(text.substr(0, kLongest));
  for (char& c : result)
    if (c < ' ' || c > '~') c = '?';
  return text.size() > kLongest ? result + "..." : result;
}

std::string_view ByteReader::take(std::uint64_t count) {
  if (count > left())
    refuse(path_, offset(),
           std::string(what_) + " is cut short: " + std::to_string(count) + " bytes were expected here, " +
               std::to_string(left()) + " are left");
  const std::string_view taken = bytes_.substr(at_, count);
  at_ += static_cast<std::size_t>(count);
  return taken;
}

std::string_view ByteReader::line(std::size_t limit) {
  const std::size_t end = bytes_.substr(at_, limit + 1).find('\n');
  if (end == std::string_view::npos)
    refuse(path_, offset(),
           std::string(what_) + " has a line here that does not end within " + std::to_string(limit) + " bytes");
  return take(end + 1).substr(0, end);
}

std::uint64_t ByteReader::number(std::size_t size) {
  const std::string_view digits = take(size);
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
  return value;
}

}  // namespace osteon::weights
