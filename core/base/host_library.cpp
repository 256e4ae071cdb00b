// SPDX-License-Identifier: Apache-2.0
#include "base/host_library.hpp"

#include <dlfcn.h>

#include "base/error.hpp"

namespace osteon {

const std::filesystem::path& host_library() {
  static const std::filesystem::path kFile = [] {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&host_library), &info) == 0 || info.dli_fname == nullptr)
      throw Error(ExitCode::kResources, "the dynamic linker does not say where this library lies");
    return std::filesystem::canonical(info.dli_fname);
  }();
  return kFile;
}

}  // namespace osteon
