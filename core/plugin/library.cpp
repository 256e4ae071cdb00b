// SPDX-License-Identifier: Apache-2.0
#include "plugin/library.hpp"

#include <map>
#include <mutex>

#include <boost/dll/shared_library.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "plugin/elf.hpp"

namespace osteon::plugin {
namespace {

struct Held {
  boost::dll::shared_library library;
  OpenLibrary open;
};

// Boost.DLL closes a library in its destructor; what is never destroyed is never closed.
std::map<std::filesystem::path, Held>& held_libraries() {
  static auto* libraries = new std::map<std::filesystem::path, Held>();
  return *libraries;
}

}  // namespace

OpenLibrary open_library(const std::filesystem::path& file) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::filesystem::path path = std::filesystem::canonical(file);
  auto& libraries = held_libraries();
  if (const auto found = libraries.find(path); found != libraries.end()) return found->second.open;

  refuse_by_facts(read_elf(path));
  Held held;
  boost::dll::fs::error_code failure;
  held.library.load(path, failure, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (failure) {
    // The dynamic linker's own words are the useful ones: which symbol, which library.
    const char* reason = dlerror();
    throw Error(ExitCode::kPlugin, std::string("cannot be loaded: ") + (reason != nullptr ? reason : failure.message().c_str()));
  }
  if (!held.library.has(OSTEON_ENTRY_SYMBOL)) throw Error(ExitCode::kPlugin, "has no entry: it does not define " OSTEON_ENTRY_SYMBOL);
  const auto entry = held.library.get<const osteon_plugin*(std::uint32_t)>(OSTEON_ENTRY_SYMBOL);
  held.open.plugin = entry(OSTEON_ABI_VERSION);
  if (held.open.plugin == nullptr) throw Error(ExitCode::kPlugin, "its entry says that it cannot serve this host");
  held.open.sha256 = sha256_file(path);
  return libraries.emplace(path, std::move(held)).first->second.open;
}

}  // namespace osteon::plugin
