// SPDX-License-Identifier: Apache-2.0
#include "archive_check.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <zlib.h>

#include <osteon/sdk/error.hpp>

namespace osteon::models {
namespace {

// PKWARE's APPNOTE.TXT: records begin with these, numbers are little-endian.
constexpr std::uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50, kCentral = 0x02014b50,
                        kLocal = 0x04034b50;
constexpr std::uint64_t kEndSize = 22, kCentralSize = 46, kLocalSize = 30, kLocatorSize = 20, kEnd64Size = 56;
constexpr std::uint64_t kGreatestComment = 0xffff, kIn64 = 0xffffffff;
constexpr std::uint16_t kStored = 0, kDeflated = 8, kExtra64 = 1;
constexpr std::uint32_t kFolder = 0x10;         // DOS's attribute
constexpr std::uint64_t kGreatestRatio = 1032;  // of deflate
constexpr std::size_t kPiece = 1 << 16;

[[noreturn]] void refuse(const std::string& why) { throw sdk::InvalidArgument(why); }

/// Some bytes of the file, read as numbers.
class Record {
 public:
  explicit Record(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept { return bytes_.size(); }
  const std::string& bytes() const noexcept { return bytes_; }
  std::uint64_t number(std::uint64_t at, std::uint64_t width) const {
    if (at + width > bytes_.size()) refuse("a record of the archive is cut");
    std::uint64_t value = 0;
    for (std::uint64_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
    return value;
  }
  std::uint16_t u16(std::uint64_t at) const { return static_cast<std::uint16_t>(number(at, 2)); }
  std::uint32_t u32(std::uint64_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }

 private:
  std::string bytes_;
};

struct Entry {
  std::string name;
  std::uint16_t method = kStored;
  std::uint32_t checksum = 0;
  bool folder = false;
  std::uint64_t packed = 0, size = 0, header = 0;
};

class Archive {
 public:
  explicit Archive(const std::filesystem::path& file)
      : stream_(file, std::ios::binary), size_(std::filesystem::file_size(file)) {}

  void check() {
    for (const Entry& entry : entries()) check(entry);
  }

 private:
  Record read(std::uint64_t at, std::uint64_t count) {
    if (at > size_ || count > size_ - at) refuse("the archive is cut");
    std::string bytes(count, '\0');
    stream_.seekg(static_cast<std::streamoff>(at));
    stream_.read(bytes.data(), static_cast<std::streamsize>(count));
    if (!stream_) refuse("the archive cannot be read");
    return Record(std::move(bytes));
  }

  std::vector<Entry> entries() {
    if (size_ < kEndSize) refuse("it is no zip archive");
    const std::uint64_t tail_size = std::min(size_, kEndSize + kGreatestComment), start = size_ - tail_size;
    const Record tail = read(start, tail_size);
    std::uint64_t at = tail_size - kEndSize + 1;
    do {
      if (at-- == 0) refuse("it is no zip archive, or its end is missing");
    } while (tail.u32(at) != kEnd);
    std::uint64_t count = tail.u16(at + 10), length = tail.u32(at + 12), offset = tail.u32(at + 16);
    if (offset == kIn64 || length == kIn64 || count == 0xffff) {
      if (start + at < kLocatorSize) refuse("the archive's index is damaged");
      const Record locator = read(start + at - kLocatorSize, kLocatorSize);
      const Record end = read(locator.number(8, 8), kEnd64Size);
      if (locator.u32(0) != kLocator64 || end.u32(0) != kEnd64) refuse("the archive's index is damaged");
      count = end.number(32, 8);
      length = end.number(40, 8);
      offset = end.number(48, 8);
    }
    return read_index(read(offset, length), count);
  }

  static std::vector<Entry> read_index(const Record& index, std::uint64_t count) {
    std::vector<Entry> entries;
    for (std::uint64_t at = 0, i = 0; i < count; ++i) {
      if (index.u32(at) != kCentral) refuse("the archive's index is damaged");
      const std::uint64_t name = index.u16(at + 28), extra = index.u16(at + 30), comment = index.u16(at + 32);
      if (at + kCentralSize + name + extra + comment > index.size()) refuse("the archive's index is cut");
      Entry entry;
      entry.name = index.bytes().substr(at + kCentralSize, name);
      entry.method = index.u16(at + 10);
      entry.checksum = index.u32(at + 16);
      entry.packed = index.u32(at + 20);
      entry.size = index.u32(at + 24);
      entry.folder = (index.u32(at + 38) & kFolder) != 0;
      entry.header = index.u32(at + 42);
      widen(entry, Record(index.bytes().substr(at + kCentralSize + name, extra)));
      entries.push_back(std::move(entry));
      at += kCentralSize + name + extra + comment;
    }
    return entries;
  }

  /// Numbers that did not fit into 32 bits stand in an extra field.
  static void widen(Entry& entry, const Record& extra) {
    for (std::uint64_t at = 0; at + 4 <= extra.size(); at += 4 + extra.u16(at + 2)) {
      if (extra.u16(at) != kExtra64) continue;
      std::uint64_t field = at + 4;
      for (std::uint64_t* number : {&entry.size, &entry.packed, &entry.header})
        if (*number == kIn64) {
          *number = extra.number(field, 8);
          field += 8;
        }
    }
  }

  void check(const Entry& entry) {
    // A reader would leave its content out, without a word.
    if (entry.folder && entry.size > 0) refuse("its entry '" + entry.name + "' is a folder with content");
    const Record header = read(entry.header, kLocalSize);
    if (header.u32(0) != kLocal) refuse("its entry '" + entry.name + "' is not where the index says");
    const std::uint64_t start = entry.header + kLocalSize + header.u16(26) + header.u16(28);
    if (start > size_ || entry.packed > size_ - start) refuse("its entry '" + entry.name + "' is cut");
    if (entry.method == kStored ? entry.size != entry.packed : entry.size / kGreatestRatio > entry.packed)
      refuse("its entry '" + entry.name + "' claims " + std::to_string(entry.size) + " bytes in " +
             std::to_string(entry.packed));
    if (entry.method != kStored && entry.method != kDeflated)
      refuse("its entry '" + entry.name + "' is packed by method " + std::to_string(entry.method));
    const std::uint32_t found =
        entry.method == kStored ? checksum_of(start, entry.packed) : inflated_checksum(start, entry);
    if (found != entry.checksum) refuse("its entry '" + entry.name + "' is damaged: the checksum does not match");
  }

  std::uint32_t checksum_of(std::uint64_t start, std::uint64_t count) {
    uLong sum = ::crc32(0, nullptr, 0);
    for (std::uint64_t done = 0; done < count;) {
      const Record piece = read(start + done, std::min<std::uint64_t>(kPiece, count - done));
      sum = ::crc32(sum, reinterpret_cast<const Bytef*>(piece.bytes().data()), static_cast<uInt>(piece.size()));
      done += piece.size();
    }
    return static_cast<std::uint32_t>(sum);
  }

  std::uint32_t inflated_checksum(std::uint64_t start, const Entry& entry) {
    z_stream stream{};
    if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    uLong sum = ::crc32(0, nullptr, 0);
    std::uint64_t size = 0, done = 0;
    int status = Z_OK;
    std::vector<Bytef> out(kPiece);
    try {
      while (status == Z_OK && done < entry.packed && size <= entry.size) {
        Record piece = read(start + done, std::min<std::uint64_t>(kPiece, entry.packed - done));
        done += piece.size();
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.bytes().data()));
        stream.avail_in = static_cast<uInt>(piece.size());
        do {
          stream.next_out = out.data();
          stream.avail_out = static_cast<uInt>(out.size());
          status = ::inflate(&stream, Z_NO_FLUSH);
          const std::size_t got = out.size() - stream.avail_out;
          sum = ::crc32(sum, out.data(), static_cast<uInt>(got));
          size += got;
        } while (status == Z_OK && stream.avail_out == 0 && size <= entry.size);
      }
    } catch (...) {
      ::inflateEnd(&stream);
      throw;
    }
    ::inflateEnd(&stream);
    if (status != Z_STREAM_END || size != entry.size) refuse("its entry '" + entry.name + "' is damaged");
    return static_cast<std::uint32_t>(sum);
  }

  std::ifstream stream_;
  std::uint64_t size_;
};

}  // namespace

void check_archive(const std::filesystem::path& file) { Archive(file).check(); }

}  // namespace osteon::models
