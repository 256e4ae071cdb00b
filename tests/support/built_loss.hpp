// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

#include <dlfcn.h>

#include <osteon/abi/entry.h>

namespace osteon::test {

/// The component of a loss plugin of the build tree, which stays open. For programs that hold several of them.
inline const osteon_component& built_loss(const std::string& name) {
  void* handle = dlopen((OSTEON_PLUGIN_FOLDER "/loss-" + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<osteon_get_plugin_fn>(dlsym(handle, OSTEON_ENTRY_SYMBOL));
  return *entry(OSTEON_ABI_VERSION)->components[0];
}

}  // namespace osteon::test
