// SPDX-License-Identifier: Apache-2.0
#include "weights/torch_file.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

#include "weights/byte_reader.hpp"
#include "weights/zip.hpp"

namespace osteon::weights {
namespace {

using Kind = Value::Kind;
using namespace std::string_view_literals;

constexpr std::string_view kZipStart = "PK";
constexpr std::string_view kPickleStart = "\x80";  // of protocol 2 and above
// The number that a legacy file begins with, as a pickle holds it, and as those of the protocols 0 and 1 do.
constexpr std::string_view kLegacyMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;
constexpr std::string_view kLegacyMagicDecimal = "119547037146038801333356";
constexpr std::string_view kDecimalStart = "L119547037146038801333356L\n";
constexpr std::int64_t kLegacyVersion = 1001;

/// The folder that all entries of an archive lie in: NAME/data.pkl, NAME/data/KEY, NAME/version, and later
/// NAME/byteorder and more.
std::string archive_name(const ZipArchive& archive, const std::string& path) {
  for (const ZipEntry& entry : archive.entries()) {
    const std::size_t slash = entry.name.find('/');
    if (slash == std::string_view::npos) continue;
    const std::string_view rest = entry.name.substr(slash + 1);
    if (rest == "constants.pkl" || rest == "model.json")
      refuse(path, entry.offset,
             "the file is a TorchScript archive (torch.jit.save, or torch::save of C++), a program with its weights; "
             "the model plugin torchscript runs such files as they are");
    if (rest == "data.pkl" && archive.find(std::string(entry.name.substr(0, slash)) + "/constants.pkl") == nullptr)
      return std::string(entry.name.substr(0, slash));
  }
  refuse(path, 0, "the file is a zip archive, but not one of torch.save: it has no data.pkl in a folder");
}

TorchIndex read_zip(std::string_view file, const std::string& path, const std::string& key) {
  const ZipArchive archive(file, path);
  const std::string name = archive_name(archive, path) + "/";
  if (const ZipEntry* order = archive.find(name + "byteorder"); order != nullptr && order->stored != "little")
    refuse(path, order->offset,
           "the file's numbers have the byte order '" + shown(order->stored) + "'; only little is read");
  const ZipEntry& program = *archive.find(name + "data.pkl");
  const std::string_view bytes = archive.content(program);
  if (!has_crc32(bytes, program.crc32))
    refuse(path, program.offset, "the file is damaged: its data.pkl does not have the checksum that was recorded");
  const Pickle pickle(bytes, program.offset, path);

  TorchIndex index;
  std::set<const ZipEntry*> used;
  const auto lookup = [&](const StorageReference& storage, std::uint64_t offset) {
    const ZipEntry* entry = archive.find(name + "data/" + std::string(storage.key));
    if (entry == nullptr) refuse(path, offset, "the archive has no storage '" + shown(storage.key) + "'");
    const std::string_view content = archive.content(*entry);
    if (content.size() != storage.size)
      refuse(path, offset,
             fmt::format("the storage '{}' takes {} bytes; the archive has {} for it", shown(storage.key), storage.size,
                         content.size()));
    if (used.insert(entry).second)
      index.checksums.push_back({content, entry->crc32, entry->offset, std::string(entry->name)});
    return content;
  };
  index.state = read_state_dict(pickle, lookup, file.size(), path, key);
  return index;
}

/// Reads a legacy file: five pickles (magic number, version, system, the object, keys of storages), then each storage
/// behind its number of elements.
class LegacyReader {
 public:
  LegacyReader(std::string_view file, const std::string& path) : file_(file), path_(path) {}

  TorchIndex read(const std::string& key) {
    check_head();
    const Pickle object = next();
    read_storages(object, next());
    TorchIndex index;
    index.format = TorchFormat::kLegacy;
    const auto lookup = [&](const StorageReference& storage, std::uint64_t offset) {
      const auto found = storages_.find(storage.key);
      if (found == storages_.end()) refuse(path_, offset, "the file has no storage '" + shown(storage.key) + "'");
      if (found->second.size() != storage.size)
        refuse(path_, offset,
               fmt::format("the storage '{}' takes {} bytes; the file has {} for it", shown(storage.key), storage.size,
                           found->second.size()));
      return found->second;
    };
    index.state = read_state_dict(object, lookup, file_.size(), path_, key);
    return index;
  }

 private:
  Pickle next() {
    Pickle pickle(file_.substr(at_), at_, path_);
    at_ += pickle.size();
    return pickle;
  }

  void check_head() {
    const Pickle magic = next();
    const Value& number = magic.root();
    if ((number.kind != Kind::kLong || number.text != kLegacyMagic) &&
        (number.kind != Kind::kReal || number.text != kLegacyMagicDecimal))
      refuse(path_, 0,
             "the file is a pickle, but not one of torch.save; in Python, torch.save(model.state_dict(), "
             "\"weights.pth\") writes what is read");
    const std::uint64_t version_at = at_;
    const Pickle version = next();
    if (version.root().kind != Kind::kInteger || version.root().integer != kLegacyVersion)
      refuse(path_, version_at, fmt::format("the file is of another version than {}", kLegacyVersion));
    const std::uint64_t system_at = at_;
    const Pickle system = next();
    for (std::size_t i = 0; i + 1 < system.root().items.size(); i += 2)
      if (system[system.root().items[i]].text == "little_endian" && system[system.root().items[i + 1]].integer == 0)
        refuse(path_, system_at, "the file was written on a big-endian machine; only little-endian files are read");
  }

  void read_storages(const Pickle& object, const Pickle& keys) {
    std::map<std::string_view, StorageReference> references;
    for (const Value& value : object.values())
      if (is_storage(object, value)) {
        const StorageReference storage = storage_reference(object, value, path_);
        references.emplace(storage.key, storage);
      }
    ByteReader in(file_.substr(at_), at_, path_, "the file");
    if (keys.root().kind != Kind::kList) refuse(path_, keys.root().offset, "a list of storages was expected here");
    for (const ValueId id : keys.root().items) {
      const std::string_view key = keys[id].text;
      if (key.size() > kMaxStorageKey) refuse(path_, keys[id].offset, "no storage has so long a key");
      const auto found = references.find(key);
      if (found == references.end())
        refuse(path_, keys[id].offset, "the storage '" + shown(key) + "' belongs to no tensor");
      const std::uint64_t offset = in.offset(), count = in.u64();
      if (count != found->second.count)
        refuse(path_, offset,
               fmt::format("the storage '{}' has {} elements here; its tensors say {}", shown(key), count,
                           found->second.count));
      storages_.emplace(key, in.take(found->second.size));
    }
  }

  std::string_view file_;
  const std::string& path_;
  std::uint64_t at_ = 0;
  std::map<std::string_view, std::string_view> storages_;
};

}  // namespace

bool looks_like_torch(std::string_view file) noexcept {
  return file.substr(0, kZipStart.size()) == kZipStart || file.substr(0, kPickleStart.size()) == kPickleStart ||
         file.substr(0, kDecimalStart.size()) == kDecimalStart;
}

TorchIndex read_torch(std::string_view file, const std::string& path, const std::string& key) {
  return file.substr(0, kZipStart.size()) == kZipStart ? read_zip(file, path, key) : LegacyReader(file, path).read(key);
}

}  // namespace osteon::weights
