// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace osteon::weights {

/// Throws Error(kData) at `path:offset`.
[[noreturn]] void refuse(const std::string& path, std::uint64_t offset, const std::string& message);

/// Text of a file as messages may show it: what is no printable ASCII replaced, and cut where it is long.
std::string shown(std::string_view text);

/// Walks through bytes of a file and refuses to leave them. Numbers are little-endian.
class ByteReader {
 public:
  /// `base` is where in the file the bytes begin; `what` names them in messages ("the pickle").
  ByteReader(std::string_view bytes, std::uint64_t base, const std::string& path, const char* what)
      : bytes_(bytes), base_(base), path_(path), what_(what) {}

  std::string_view take(std::uint64_t count);
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  /// Up to the next line feed, which is passed over. Refused when it is longer than `limit`.
  std::string_view line(std::size_t limit);

  std::uint64_t offset() const noexcept { return base_ + at_; }  ///< in the file, of the next byte
  std::uint64_t left() const noexcept { return bytes_.size() - at_; }
  const std::string& path() const noexcept { return path_; }

 private:
  std::uint64_t number(std::size_t size);

  std::string_view bytes_;
  std::uint64_t base_;
  const std::string& path_;
  const char* what_;
  std::size_t at_ = 0;
};

}  // namespace osteon::weights
