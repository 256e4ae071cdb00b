// SPDX-License-Identifier: Apache-2.0
#include "weights/zip.hpp"

#include <algorithm>
#include <optional>

#include <zlib.h>

#include "weights/byte_reader.hpp"

namespace osteon::weights {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::size_t kEndSize = 22, kEnd64Size = 56, kEnd64LocatorSize = 20;
constexpr std::uint32_t kSee64 = 0xffffffff;   // in a field of 32 bits: the value stands in the zip64 field
constexpr std::uint16_t kSee64Short = 0xffff;  // the same for one of 16
constexpr std::uint16_t kExtra64 = 1;          // the extra field that holds those values
constexpr std::uint64_t kMaxEntries = 1'000'000;
constexpr std::size_t kMaxComment = 0xffff;
constexpr std::uint16_t kEncrypted = 1, kStored = 0;

/// Where the directory is.
struct Directory {
  std::uint64_t offset = 0, size = 0, count = 0;
};

/// A directory's entry with where it and its header stand, for messages and for the check of overlaps.
struct Listed {
  ZipEntry entry;
  std::uint64_t listed_at = 0, begin = 0, end = 0;
};

class ZipReader {
 public:
  ZipReader(std::string_view file, const std::string& path) : file_(file), path_(path) {}

  std::vector<ZipEntry> read() {
    const Directory directory = find_directory();
    ByteReader in(file_.substr(directory.offset, directory.size), directory.offset, path_, "the zip directory");
    if (directory.count > kMaxEntries)
      refuse(path_, directory.offset,
             "the zip archive has " + std::to_string(directory.count) + " entries, far beyond any of torch.save");
    std::vector<Listed> listed;
    for (; listed.size() < directory.count && in.left() > 0;) listed.push_back(read_entry(in, directory.offset));
    if (listed.size() < directory.count || in.left() > 0)
      refuse(path_, in.offset(),
             "the zip directory has another number of entries than the " + std::to_string(directory.count) +
                 " that its end says");
    refuse_overlaps(listed);
    std::vector<ZipEntry> entries;
    for (const Listed& one : listed) entries.push_back(one.entry);
    return entries;
  }

 private:
  ByteReader at(std::uint64_t offset, std::uint64_t size, const char* what) const {
    return {file_.substr(offset, size), offset, path_, what};
  }

  /// The end record: the last bytes of the file, except for a comment whose length it gives. Some transfers pad files,
  /// so that more may follow: zeros, or as much else as a comment may have. That is passed over as Python does.
  std::uint64_t find_end() const {
    const std::size_t filled = file_.find_last_not_of('\0') + 1;  // 0 when all are zeros
    const std::size_t last = std::min(filled + kEndSize, file_.size());
    std::optional<std::uint64_t> padded;
    for (std::size_t back = kEndSize; back <= kEndSize + kMaxComment && back <= last; ++back) {
      const std::uint64_t offset = last - back;
      ByteReader in = at(offset, kEndSize, "the end of the zip archive");
      if (in.u32() != kEnd) continue;
      in.take(kEndSize - 6);
      const std::uint64_t after = offset + kEndSize + in.u16();
      if (after == file_.size()) return offset;
      if (after < file_.size() && !padded && follows_directory(offset)) padded = offset;
    }
    if (padded) return *padded;
    refuse(path_, file_.size(), "a zip archive ends with its directory, and this file does not; it is cut short");
  }

  /// Whether the directory that an end record speaks of lies before it, as in an archive and in no text that looks like
  /// one.
  bool follows_directory(std::uint64_t end) const {
    if (has_locator(end)) return true;
    ByteReader in = at(end, kEndSize, "the end of the zip archive");
    in.take(12);
    const std::uint64_t size = in.u32(), offset = in.u32();
    return offset + size == end;
  }

  Directory find_directory() const {
    const std::uint64_t end = find_end();
    ByteReader in = at(end, kEndSize, "the end of the zip archive");
    in.take(4);
    const std::uint16_t disk = in.u16(), first_disk = in.u16(), count_here = in.u16();
    Directory directory;
    directory.count = in.u16();
    directory.size = in.u32();
    directory.offset = in.u32();
    std::uint64_t limit = end;
    if (has_locator(end)) {
      limit = read_end64(end, directory);
    } else if (disk != 0 || first_disk != 0 || count_here != directory.count) {
      refuse(path_, end, "the zip archive has several parts; only archives of one file are read");
    }
    if (directory.offset > limit || directory.size > limit - directory.offset)
      refuse(path_, end,
             "the zip directory is said to have " + std::to_string(directory.size) + " bytes at " +
                 std::to_string(directory.offset) + ", beyond where it ends, at " + std::to_string(limit));
    return directory;
  }

  bool has_locator(std::uint64_t end) const {
    return end >= kEnd64LocatorSize && at(end - kEnd64LocatorSize, 4, "the zip64 locator").u32() == kEnd64Locator;
  }

  /// Replaces what the end record leaves to its zip64 twin and checks the rest against it. Returns the twin's offset.
  std::uint64_t read_end64(std::uint64_t end, Directory& directory) const {
    const std::uint64_t locator = end - kEnd64LocatorSize;
    ByteReader pointer = at(locator, kEnd64LocatorSize, "the zip64 locator");
    pointer.take(8);
    const std::uint64_t offset = pointer.u64();
    if (locator < kEnd64Size || offset > locator - kEnd64Size)
      refuse(path_, locator, "the zip64 end is said to be at " + std::to_string(offset) + ", where it has no room");
    ByteReader in = at(offset, kEnd64Size, "the zip64 end");
    if (in.u32() != kEnd64) refuse(path_, offset, "the zip64 end was expected here");
    in.take(12);
    const std::uint32_t disk = in.u32(), first_disk = in.u32();
    const std::uint64_t count_here = in.u64(), count = in.u64(), size = in.u64(), begin = in.u64();
    if (disk != 0 || first_disk != 0 || count_here != count)
      refuse(path_, offset, "the zip archive has several parts; only archives of one file are read");
    const auto agree = [&](std::uint64_t value, std::uint64_t see64, std::uint64_t value64) {
      if (value != see64 && value != value64) refuse(path_, offset, "the two ends of the zip archive disagree");
    };
    agree(directory.count, kSee64Short, count);
    agree(directory.size, kSee64, size);
    agree(directory.offset, kSee64, begin);
    directory = {begin, size, count};
    return offset;
  }

  Listed read_entry(ByteReader& in, std::uint64_t directory) const {
    Listed listed;
    listed.listed_at = in.offset();
    if (in.u32() != kDirectoryEntry) refuse(path_, listed.listed_at, "an entry of the zip directory was expected here");
    in.take(4);
    const std::uint16_t flags = in.u16(), method = in.u16();
    in.take(4);
    listed.entry.crc32 = in.u32();
    std::uint64_t packed = in.u32(), size = in.u32();
    const std::uint16_t name_size = in.u16(), extra_size = in.u16(), comment_size = in.u16(), disk = in.u16();
    in.take(6);
    listed.begin = in.u32();
    listed.entry.name = in.take(name_size);
    const std::uint64_t extra_at = in.offset();
    ByteReader extra(in.take(extra_size), extra_at, path_, "the extra field of a zip entry");
    in.take(comment_size);
    read_extra64(extra, size, packed, listed.begin);
    if (disk != 0 && disk != kSee64Short)
      refuse(path_, listed.listed_at, "the zip archive has several parts; only archives of one file are read");
    listed.entry.plain = method == kStored && (flags & kEncrypted) == 0;
    if (listed.entry.plain && packed != size)
      refuse(path_, listed.listed_at,
             "zip entry '" + shown(listed.entry.name) + "' is not compressed, yet has " + std::to_string(packed) +
                 " bytes in the file and " + std::to_string(size) + " outside it");
    locate(listed, packed, method, directory);
    return listed;
  }

  static void read_extra64(ByteReader& extra, std::uint64_t& size, std::uint64_t& packed, std::uint64_t& begin) {
    while (extra.left() > 0) {
      const std::uint16_t id = extra.u16(), length = extra.u16();
      const std::uint64_t at = extra.offset();
      ByteReader field(extra.take(length), at, extra.path(), "the zip64 field of a zip entry");
      if (id != kExtra64) continue;
      for (std::uint64_t* value : {&size, &packed, &begin})
        if (*value == kSee64) *value = field.u64();
    }
  }

  /// Finds the bytes of an entry behind its own header, which has to agree with the directory.
  void locate(Listed& listed, std::uint64_t packed, std::uint16_t method, std::uint64_t directory) const {
    const std::string name = "zip entry '" + shown(listed.entry.name) + "'";
    if (listed.begin > directory)
      refuse(path_, listed.listed_at,
             name + " is said to be at " + std::to_string(listed.begin) + ", behind the directory, which begins at " +
                 std::to_string(directory));
    ByteReader in = at(listed.begin, directory - listed.begin, "a zip entry");
    if (in.u32() != kLocalHeader) refuse(path_, listed.begin, "the header of " + name + " was expected here");
    in.take(4);
    const std::uint16_t local_method = in.u16();
    in.take(16);
    const std::uint16_t name_size = in.u16(), extra_size = in.u16();
    if (in.take(name_size) != listed.entry.name || local_method != method)
      refuse(path_, listed.begin, "the header here and the directory's " + name + " disagree");
    in.take(extra_size);
    if (packed > in.left())
      refuse(path_, listed.listed_at,
             name + " has " + std::to_string(packed) + " bytes; only " + std::to_string(in.left()) +
                 " follow before the directory");
    listed.entry.offset = in.offset();
    listed.entry.stored = in.take(packed);
    listed.end = in.offset();
  }

  void refuse_overlaps(std::vector<Listed> listed) const {
    std::sort(listed.begin(), listed.end(), [](const Listed& a, const Listed& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < listed.size(); ++i)
      if (listed[i].begin < listed[i - 1].end)
        refuse(path_, listed[i].begin,
               "zip entries '" + shown(listed[i - 1].entry.name) + "' and '" + shown(listed[i].entry.name) +
                   "' lie over each other");
  }

  std::string_view file_;
  const std::string& path_;
};

}  // namespace

ZipArchive::ZipArchive(std::string_view file, const std::string& path)
    : path_(path), entries_(ZipReader(file, path).read()) {
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (!by_name_.emplace(entries_[i].name, i).second)
      refuse(path_, entries_[i].offset, "the zip archive has two entries named '" + shown(entries_[i].name) + "'");
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::string_view ZipArchive::content(const ZipEntry& entry) const {
  if (!entry.plain)
    refuse(path_, entry.offset,
           "zip entry '" + shown(entry.name) +
               "' is compressed or encrypted, which torch.save does not do; pack the archive again without (zip -0)");
  return entry.stored;
}

bool has_crc32(std::string_view bytes, std::uint32_t recorded) {
  return recorded == 0 ||
         recorded == ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size()));
}

}  // namespace osteon::weights
