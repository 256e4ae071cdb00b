// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

// TIFF files by the specification (TIFF 6.0), uncompressed, made without the library under test.
namespace osteon::tests {

/// Tags by number; all values are written as LONG.
using TiffTags = std::map<std::uint16_t, std::vector<std::uint32_t>>;

constexpr std::uint16_t kWidth = 256, kLength = 257, kBits = 258, kCompression = 259, kPhotometric = 262,
                        kOffsets = 273, kOrientation = 274, kSamples = 277, kRows = 278, kCounts = 279, kPlanar = 284,
                        kTileWidth = 322, kTileLength = 323, kTileOffsets = 324, kTileCounts = 325, kExtra = 338,
                        kFormat = 339;

inline void put_number(std::string& to, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<char>(value >> (8 * i)));
}

/// Little-endian, one page after the other. `pieces` are strips, or tiles where the tags have a TileWidth.
inline std::string make_tiff(const std::vector<std::pair<TiffTags, std::vector<std::string>>>& pages) {
  std::string file("II*\0\0\0\0\0", 8);
  std::size_t link = 4;
  for (auto [tags, pieces] : pages) {
    const bool tiled = tags.count(kTileWidth) > 0;
    std::vector<std::uint32_t>& offsets = tags[tiled ? kTileOffsets : kOffsets];
    std::vector<std::uint32_t>& counts = tags[tiled ? kTileCounts : kCounts];
    for (const std::string& piece : pieces) {
      offsets.push_back(static_cast<std::uint32_t>(file.size()));
      counts.push_back(static_cast<std::uint32_t>(piece.size()));
      file += piece;
    }
    std::string table;
    put_number(table, static_cast<std::uint32_t>(tags.size()), 2);
    for (const auto& [tag, values] : tags) {
      put_number(table, tag, 2);
      put_number(table, 4, 2);
      put_number(table, static_cast<std::uint32_t>(values.size()), 4);
      if (values.size() == 1) {
        put_number(table, values[0], 4);
      } else {
        put_number(table, static_cast<std::uint32_t>(file.size()), 4);
        for (const std::uint32_t value : values) put_number(file, value, 4);
      }
    }
    std::string place;
    put_number(place, static_cast<std::uint32_t>(file.size()), 4);
    file.replace(link, 4, place);
    file += table;
    link = file.size();
    put_number(file, 0, 4);
  }
  return file;
}

inline std::string make_tiff(const TiffTags& tags, const std::vector<std::string>& pieces) {
  return make_tiff({{tags, pieces}});
}

}  // namespace osteon::tests
