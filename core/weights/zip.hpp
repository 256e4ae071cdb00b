// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::weights {

/// One entry of a zip archive. All views point into the file.
struct ZipEntry {
  std::string_view name;
  std::string_view stored;   ///< its bytes in the file
  std::uint64_t offset = 0;  ///< of those
  std::uint32_t crc32 = 0;   ///< of the content; 0: not recorded
  bool plain = true;         ///< neither compressed nor encrypted: `stored` is the content
};

/// The directory of a zip archive (PKWARE's APPNOTE 6.3, zip64 included) that is in memory.
///
/// Our own, because tensors are used where they lie in the mapped file: libzip hands out copies only, and minizip
/// leaves exactly what makes an archive hostile (offsets outside the file, entries over each other, a directory that
/// disagrees with the entries) to its caller. What remains beside those checks is some twenty fields. Nothing is
/// unpacked, so there is nothing that a zip bomb could make larger.
class ZipArchive {
 public:
  /// Checks the whole directory: every entry lies inside the file and apart from all others, agrees with its own
  /// header, and has a name of its own. Throws Error(kData) with `path:byte offset`; `path` is for messages.
  ZipArchive(std::string_view file, const std::string& path);

  const std::vector<ZipEntry>& entries() const noexcept { return entries_; }  ///< in the directory's order
  /// nullptr when there is none of that name.
  const ZipEntry* find(std::string_view name) const;
  /// Throws Error(kData) for an entry that is compressed or encrypted.
  std::string_view content(const ZipEntry& entry) const;

 private:
  std::string path_;
  std::vector<ZipEntry> entries_;
  std::map<std::string_view, std::size_t> by_name_;
};

/// Whether bytes have the CRC-32 that an archive recorded; true when it recorded none (0, as torch.save writes it when
/// told to).
bool has_crc32(std::string_view bytes, std::uint32_t recorded);

}  // namespace osteon::weights
