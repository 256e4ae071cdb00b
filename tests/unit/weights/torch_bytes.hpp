// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <zlib.h>

/// Files of torch.save by hand, byte by byte, and as broken as a test wants them.
namespace osteon::test {

inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i) & 255));
  return text;
}

// --- zip

/// An entry, with what the directory is to say instead of the truth.
struct ZipMember {
  std::string name, content;
  std::uint16_t method = 0, flags = 0;
  std::optional<std::uint32_t> crc32 = {};
  std::optional<std::uint64_t> size = {}, offset = {};
  std::optional<std::string> local_name = {};
  bool zip64 = false;  ///< sizes and offset in the extra field
};

struct ZipEnds {
  bool zip64 = false;
  std::string comment = {};
  std::optional<std::uint64_t> count = {}, size = {}, offset = {};
  std::uint16_t disk = 0;
};

inline std::string zip_of(const std::vector<ZipMember>& members, const ZipEnds& ends = {}) {
  std::string file, directory;
  for (const ZipMember& m : members) {
    const auto* bytes = reinterpret_cast<const Bytef*>(m.content.data());
    const std::uint32_t crc =
        m.crc32.value_or(static_cast<std::uint32_t>(::crc32(0, bytes, static_cast<uInt>(m.content.size()))));
    const std::uint64_t size = m.size.value_or(m.content.size()), offset = m.offset.value_or(file.size());
    const std::string local = m.local_name.value_or(m.name), padding = "FB" + little(3, 2) + "ZZZ";
    file += little(0x04034b50, 4) + little(0, 2) + little(m.flags, 2) + little(m.method, 2) + little(0, 4) +
            little(crc, 4) + little(size, 4) + little(size, 4) + little(local.size(), 2) + little(padding.size(), 2) +
            local + padding + m.content;
    if ((m.flags & 8) != 0) file += little(0x08074b50, 4) + little(crc, 4) + little(size, 4) + little(size, 4);
    const std::string extra =
        m.zip64 ? little(1, 2) + little(24, 2) + little(size, 8) + little(size, 8) + little(offset, 8) : std::string();
    const std::uint64_t listed = m.zip64 ? 0xffffffff : size;
    directory += little(0x02014b50, 4) + little(0, 4) + little(m.flags, 2) + little(m.method, 2) + little(0, 4) +
                 little(crc, 4) + little(listed, 4) + little(listed, 4) + little(m.name.size(), 2) +
                 little(extra.size(), 2) + little(0, 2) + little(0, 2) + little(0, 6) +
                 little(m.zip64 ? 0xffffffff : offset, 4) + m.name + extra;
  }
  const std::uint64_t count = ends.count.value_or(members.size()), size = ends.size.value_or(directory.size());
  const std::uint64_t offset = ends.offset.value_or(file.size());
  file += directory;
  if (ends.zip64) {
    const std::uint64_t end64 = file.size();
    file += little(0x06064b50, 4) + little(44, 8) + little(0, 4) + little(ends.disk, 4) + little(0, 4) +
            little(count, 8) + little(count, 8) + little(size, 8) + little(offset, 8);
    file += little(0x07064b50, 4) + little(0, 4) + little(end64, 8) + little(1, 4);
  }
  const auto field = [&](std::uint64_t value, int bytes) { return little(ends.zip64 ? ~0ull : value, bytes); };
  return file + little(0x06054b50, 4) + little(ends.disk, 2) + little(0, 2) + field(count, 2) + field(count, 2) +
         field(size, 4) + field(offset, 4) + little(ends.comment.size(), 2) + ends.comment;
}

// --- pickle: each function gives what pushes one object

using Code = std::string;

inline std::string pickle_of(const Code& code) { return "\x80\x02" + code + "."; }
inline Code text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
inline Code integer(std::int64_t value) {
  if (value >= 0 && value < 256) return "K" + little(static_cast<std::uint64_t>(value), 1);
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}
inline Code global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline Code tuple(const std::vector<Code>& items) {
  Code code = "(";
  for (const Code& item : items) code += item;
  return code + "t";
}
inline Code call(const Code& function, const Code& arguments) { return function + arguments + "R"; }
using Entries = std::vector<std::pair<Code, Code>>;
inline Code set_items(const Code& dict, const Entries& entries) {
  Code code = dict + "(";
  for (const auto& [key, value] : entries) code += key + value;
  return code + "u";
}
inline Code dict(const Entries& entries) { return set_items("}", entries); }
inline Code ordered_dict(const Entries& entries) {
  return set_items(call(global("collections", "OrderedDict"), ")"), entries);
}

inline Code numbers(const std::vector<std::int64_t>& values) {
  std::vector<Code> items;
  for (const std::int64_t value : values) items.push_back(integer(value));
  return tuple(items);
}
/// Of `count` elements; legacy files have a sixth item.
inline Code storage(const std::string& type, const std::string& key, std::int64_t count, bool legacy = false) {
  std::vector<Code> items = {text("storage"), global("torch", type), text(key), text("cpu"), integer(count)};
  if (legacy) items.push_back("N");
  return tuple(items) + "Q";
}
inline Code tensor(const Code& stored, std::int64_t offset, const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              tuple({stored, integer(offset), numbers(shape), numbers(strides), "\x89",
                     call(global("collections", "OrderedDict"), ")")}));
}
/// A vector that is the whole of its storage.
inline Code vector(const std::string& type, const std::string& key, std::int64_t count, bool legacy = false) {
  return tensor(storage(type, key, count, legacy), 0, {count}, {1});
}

// --- files of torch.save

using Storages = std::vector<std::pair<std::string, std::string>>;  ///< key and bytes, in the file's order

inline std::string torch_zip(const Code& object, const Storages& storages, std::vector<ZipMember> more = {}) {
  std::vector<ZipMember> members = {{"archive/data.pkl", pickle_of(object)}};
  for (const auto& [key, bytes] : storages) members.push_back({"archive/data/" + key, bytes});
  members.push_back({"archive/version", "3\n"});
  for (ZipMember& member : more) members.push_back(std::move(member));
  return zip_of(members);
}

inline const std::string kMagic = std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");

/// `element` is the bytes of an element of all storages.
inline std::string torch_legacy(const Code& object, const Storages& storages, std::size_t element,
                                bool little_endian = true) {
  std::string file = pickle_of(kMagic) + pickle_of("M\xe9\x03");
  file += pickle_of(
      dict({{text("protocol_version"), "M\xe9\x03"}, {text("little_endian"), little_endian ? "\x88" : "\x89"}}));
  file += pickle_of(object);
  Code keys = "](";
  for (const auto& [key, bytes] : storages) keys += text(key);
  file += pickle_of(keys + "e");
  for (const auto& [key, bytes] : storages) file += little(bytes.size() / element, 8) + bytes;
  return file;
}

}  // namespace osteon::test
