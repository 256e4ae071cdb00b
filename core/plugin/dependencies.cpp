// SPDX-License-Identifier: Apache-2.0
#include "plugin/dependencies.hpp"

#include <dlfcn.h>
#include <sys/auxv.h>

#include "base/child.hpp"
#include "base/error.hpp"

namespace osteon::plugin {
namespace fs = std::filesystem;
namespace {

// The one that loaded this program; empty in a program without one.
std::string dynamic_linker() {
  Dl_info info{};
  const auto* base = reinterpret_cast<const void*>(::getauxval(AT_BASE));
  return base != nullptr && ::dladdr(base, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

}  // namespace

std::vector<fs::path> files_in_linker_answer(const std::string& text) {
  std::vector<fs::path> files;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    start = end + 1;
    const std::size_t address = line.rfind(" (0x");
    if (address == std::string::npos) continue;  // "not found"
    line.resize(address);
    const std::size_t arrow = line.find(" => ");
    line.erase(0, arrow == std::string::npos ? line.find_first_not_of("\t ") : arrow + 4);
    if (line.find('/') != std::string::npos) files.push_back(fs::absolute(line));  // the vdso is no file
  }
  return files;
}

std::vector<fs::path> dependencies_of(const fs::path& library) {
  const std::string linker = dynamic_linker();
  if (linker.empty()) return {};
  return files_in_linker_answer(run_child({linker, "--list", library.string()}, std::chrono::seconds(30)).out);
}

}  // namespace osteon::plugin
