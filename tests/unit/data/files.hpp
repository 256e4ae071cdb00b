// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.hpp"
#include "support/temporary_folder.hpp"

// Files for tests, made byte by byte and without the library under test.
namespace osteon::tests {

using test::TemporaryFolder;

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(crc));
}

/// A PNG by the specification. `rows` are packed as the bit depth asks; colour types: 0 grey, 2 RGB, 3 palette, 4 grey
/// and alpha, 6 RGB and alpha.
inline std::string make_png(std::uint32_t width, const std::vector<std::string>& rows, int bit_depth, int color_type,
                            const std::string& palette = {}) {
  std::string raw;
  for (const std::string& row : rows) raw += '\0' + row;
  std::string packed(compressBound(raw.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(&packed[0]), &size, reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  packed.resize(size);
  std::string header = big_endian(width) + big_endian(static_cast<std::uint32_t>(rows.size()));
  header += {static_cast<char>(bit_depth), static_cast<char>(color_type), 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + (palette.empty() ? "" : png_chunk("PLTE", palette)) +
         png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

/// The osteon::Error that `act` throws; a failed test if it throws none.
template <typename Act>
Error error_of(Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ExitCode::kDone, "");
}

}  // namespace osteon::tests
