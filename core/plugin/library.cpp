// SPDX-License-Identifier: Apache-2.0
#include "plugin/library.hpp"

#include <map>
#include <mutex>
#include <vector>

#include <boost/dll/shared_library.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/elf.hpp"

namespace osteon::plugin {
namespace {

struct Held {
  std::vector<boost::dll::shared_library> handles;  // also of libraries that were refused once their code had run
  std::map<std::filesystem::path, OpenLibrary> good;
};

// Boost.DLL closes a library in its destructor; what is never destroyed is never closed.
Held& held() {
  static auto* libraries = new Held();
  return *libraries;
}

const boost::dll::shared_library& open_for_ever(const std::filesystem::path& path) {
  boost::dll::shared_library library;
  boost::dll::fs::error_code failure;
  library.load(path, failure, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (failure) {
    // The dynamic linker's own words are the useful ones: which symbol, which library.
    const char* reason = dlerror();
    throw LoadFailure(std::string("cannot be loaded: ") + (reason != nullptr ? reason : failure.message().c_str()));
  }
  return held().handles.emplace_back(std::move(library));
}

}  // namespace

OpenLibrary open_library(const std::filesystem::path& file) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  std::error_code gone;
  const std::filesystem::path path = std::filesystem::canonical(file, gone);
  if (gone) throw Error(ExitCode::kPlugin, "cannot be opened: " + gone.message());
  auto& good = held().good;
  if (const auto found = good.find(path); found != good.end()) return found->second;

  const ElfFacts facts = read_elf(path);
  refuse_by_facts(facts);
  const std::string digest = sha256_file(path);
  const boost::dll::shared_library& library = open_for_ever(path);
  if (!library.has(OSTEON_ENTRY_SYMBOL))
    throw Error(ExitCode::kPlugin, "has no entry: it does not define " OSTEON_ENTRY_SYMBOL);
  const auto entry = library.get<const osteon_plugin*(std::uint32_t)>(OSTEON_ENTRY_SYMBOL);
  const osteon_plugin* plugin = entry(OSTEON_ABI_VERSION);
  if (plugin == nullptr) throw Error(ExitCode::kPlugin, "its entry says that it cannot serve this host");
  refuse_by_disagreement(facts, describe(*plugin));
  return good.emplace(path, OpenLibrary{plugin, digest}).first->second;
}

}  // namespace osteon::plugin
