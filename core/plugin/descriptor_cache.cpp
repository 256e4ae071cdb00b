// SPDX-License-Identifier: Apache-2.0
#include "plugin/descriptor_cache.hpp"

#include <algorithm>
#include <vector>

#include <sys/stat.h>

#include <fmt/format.h>

#include <osteon/abi/version.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/host_library.hpp"
#include "base/json.hpp"

#ifndef OSTEON_LIBTORCH_VERSION
#define OSTEON_LIBTORCH_VERSION ""
#endif

namespace osteon::plugin {
namespace {

// Moves when the cache's own format does.
constexpr int kFormat = 5;

}  // namespace

std::string file_identity(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{:09}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

std::string identity_of(const std::filesystem::path& file) {
  static const std::string kHost =
      fmt::format("{}:{}:{}", OSTEON_ABI_VERSION, OSTEON_LIBTORCH_VERSION, file_identity(host_library()));
  const std::string own = file_identity(file);
  return own.empty() ? own : own + "@" + kHost;
}

DescriptorCache::DescriptorCache(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code none;
  if (!std::filesystem::exists(file_, none)) return;
  try {
    read();
  } catch (const std::exception& e) {
    entries_.clear();
    changed_ = true;
    warning_ = "the cache of plugin descriptions was damaged and is made anew: " + file_.string();
  }
}

// "files" holds [path, identity] of everything that some library needs; libraries name those of theirs by number.
void DescriptorCache::read() {
  const nlohmann::json json = parse_json(read_file(file_), file_.string());
  if (json.at("format") != kFormat) return;
  const auto files = json.at("files").get<std::vector<std::pair<std::string, std::string>>>();
  for (const auto& [path, given] : json.at("libraries").items()) {
    Entry entry{given.at("identity"), given.at("sha256"), given.at("scan"), {}};
    for (const std::size_t number : given.at("needs").get<std::vector<std::size_t>>())
      entry.dependencies.insert(files.at(number));
    entries_[path] = std::move(entry);
  }
}

bool DescriptorCache::still_hold(const Dependencies& dependencies) const {
  return std::all_of(dependencies.begin(), dependencies.end(), [&](const auto& dependency) {
    const auto [seen, added] = seen_.try_emplace(dependency.first);
    if (added) seen->second = file_identity(dependency.first);
    return seen->second == dependency.second;
  });
}

KnownLibrary DescriptorCache::find(const std::filesystem::path& library, const std::string& identity) const {
  KnownLibrary known;
  const auto found = entries_.find(library.string());
  if (identity.empty() || found == entries_.end() || found->second.identity != identity) return known;
  const Entry& entry = found->second;
  known.sha256 = entry.sha256;
  if (entry.scan.is_null() || !still_hold(entry.dependencies)) return known;
  try {
    known.scan = scan_result_from_json(entry.scan);
    known.scan->dependencies = entry.dependencies;
  } catch (const nlohmann::json::exception&) {
    known.scan.reset();
  }
  return known;
}

void DescriptorCache::put(const std::filesystem::path& library, const std::string& identity,
                          const KnownLibrary& known) {
  Entry entry{identity, known.sha256, nullptr, {}};
  if (known.scan && known.scan->sticks) {
    entry.scan = to_json(*known.scan);
    entry.dependencies = known.scan->dependencies;
  }
  Entry& kept = entries_[library.string()];
  const bool same = kept.identity == entry.identity && kept.sha256 == entry.sha256 && kept.scan == entry.scan &&
                    kept.dependencies == entry.dependencies;
  changed_ = changed_ || !same;
  kept = std::move(entry);
}

void DescriptorCache::save() {
  if (!changed_) return;
  nlohmann::json files = nlohmann::json::array(), libraries = nlohmann::json::object();
  std::map<std::pair<std::string, std::string>, std::size_t> numbers;
  for (const auto& [path, entry] : entries_) {
    if (std::error_code none; !std::filesystem::exists(path, none)) continue;
    nlohmann::json needs = nlohmann::json::array();
    for (const auto& [needed, identity] : entry.dependencies) {
      const auto [number, added] = numbers.try_emplace({needed.string(), identity}, files.size());
      if (added) files.push_back({needed.string(), identity});
      needs.push_back(number->second);
    }
    libraries[path] = {{"identity", entry.identity}, {"sha256", entry.sha256}, {"scan", entry.scan}, {"needs", needs}};
  }
  try {
    write_file_atomically(file_,
                          json_text(nlohmann::json{{"format", kFormat}, {"files", files}, {"libraries", libraries}}));
    changed_ = false;
  } catch (const Error& e) {
    warning_ = std::string("plugin descriptions cannot be cached, every start will look at the plugins anew: ") +
               e.what() + " (" + e.where() + ")";
  }
}

}  // namespace osteon::plugin
