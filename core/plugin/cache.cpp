// SPDX-License-Identifier: Apache-2.0
#include "plugin/cache.hpp"

#include <sys/stat.h>

#include <fmt/format.h>

#include <osteon/abi/version.h>

#include "base/error.hpp"
#include "base/file.hpp"

#ifndef OSTEON_LIBTORCH_VERSION
#define OSTEON_LIBTORCH_VERSION ""
#endif

namespace osteon::plugin {
namespace {

// Moves when the cache's own format does.
constexpr int kFormat = 2;

}  // namespace

std::string identity_of(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{:09}:{}:{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, OSTEON_ABI_VERSION, OSTEON_LIBTORCH_VERSION);
}

DescriptorCache::DescriptorCache(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code none;
  if (!std::filesystem::exists(file_, none)) return;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_file(file_));
    if (json.at("format") != kFormat) return;
    for (const auto& [path, entry] : json.at("libraries").items())
      entries_[path] = {entry.at("identity"), entry.at("result")};
  } catch (const std::exception& e) {
    entries_.clear();
    changed_ = true;
    warning_ = "the cache of plugin descriptions was damaged and is made anew: " + file_.string();
  }
}

std::optional<ScanResult> DescriptorCache::find(const std::filesystem::path& library,
                                                const std::string& identity) const {
  const auto found = entries_.find(library.string());
  if (found == entries_.end() || found->second.identity != identity) return std::nullopt;
  try {
    return scan_result_from_json(found->second.result);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void DescriptorCache::put(const std::filesystem::path& library, const std::string& identity, const ScanResult& result) {
  entries_[library.string()] = {identity, to_json(result)};
  changed_ = true;
}

void DescriptorCache::save() {
  if (!changed_) return;
  nlohmann::json libraries = nlohmann::json::object();
  for (const auto& [path, entry] : entries_)
    if (std::error_code none; std::filesystem::exists(path, none))
      libraries[path] = {{"identity", entry.identity}, {"result", entry.result}};
  try {
    // Names of files and what libraries print need not be UTF-8, which is no reason to end the program.
    write_file_atomically(file_, nlohmann::json{{"format", kFormat}, {"libraries", libraries}}.dump(
                                     -1, ' ', false, nlohmann::json::error_handler_t::replace));
    changed_ = false;
  } catch (const Error& e) {
    warning_ = std::string("plugin descriptions cannot be cached, every start will look at the plugins anew: ") +
               e.what() + " (" + e.where() + ")";
  }
}

}  // namespace osteon::plugin
