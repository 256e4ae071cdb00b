// SPDX-License-Identifier: Apache-2.0
#include "plugin/library.hpp"

#include <map>
#include <mutex>
#include <vector>

#include <boost/dll/shared_library.hpp>

#include "plugin/descriptor.hpp"
#include "plugin/elf.hpp"

namespace osteon::plugin {
namespace {

// By the SHA-256 of their bytes.
struct Held {
  std::vector<boost::dll::shared_library> handles;
  std::map<std::string, OpenLibrary> good;
  std::map<std::string, std::string> refused;  // once their code had run: loading them again would only pile them up
};

// Boost.DLL closes a library in its destructor; what is never destroyed is never closed.
Held& held() {
  static auto* libraries = new Held();
  return *libraries;
}

const boost::dll::shared_library& open_for_ever(PrivateCopy& copy) {
  boost::dll::shared_library library;
  boost::dll::fs::error_code failure;
  library.load(copy.path(), failure, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (failure) {
    // The dynamic linker's own words are the useful ones: which symbol, which library. The copy's name is of no use.
    const char* said = dlerror();
    std::string reason = said != nullptr ? said : failure.message();
    const std::string own = copy.path().string() + ": ";
    if (reason.compare(0, own.size(), own) == 0) reason.erase(0, own.size());
    throw LoadFailure("cannot be loaded: " + reason);
  }
  // The dynamic linker knows open libraries by their names: one whose descriptor went to the next copy would be taken
  // for it.
  copy.keep_for_ever();
  return held().handles.emplace_back(std::move(library));
}

const osteon_plugin* plugin_of(const boost::dll::shared_library& library, const ElfFacts& facts) {
  if (!library.has(OSTEON_ENTRY_SYMBOL))
    throw Error(ExitCode::kPlugin, "has no entry: it does not define " OSTEON_ENTRY_SYMBOL);
  const auto entry = library.get<const osteon_plugin*(std::uint32_t)>(OSTEON_ENTRY_SYMBOL);
  const osteon_plugin* plugin = entry(OSTEON_ABI_VERSION);
  if (plugin == nullptr) throw Error(ExitCode::kPlugin, "its entry says that it cannot serve this host");
  refuse_by_disagreement(facts, describe(*plugin));
  return plugin;
}

}  // namespace

OpenLibrary open_library(PrivateCopy copy) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& [handles, good, refused] = held();
  const std::string digest = copy.sha256();
  if (const auto found = good.find(digest); found != good.end()) return found->second;
  if (const auto found = refused.find(digest); found != refused.end()) throw Error(ExitCode::kPlugin, found->second);

  const ElfFacts facts = read_elf(copy.path());
  refuse_by_facts(facts);
  const boost::dll::shared_library& library = open_for_ever(copy);
  try {
    return good[digest] = {plugin_of(library, facts), digest};
  } catch (const Error& e) {
    refused[digest] = e.what();
    throw;
  }
}

OpenLibrary open_library(const std::filesystem::path& file) { return open_library(PrivateCopy(file)); }

}  // namespace osteon::plugin
