// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <osteon/abi/entry.h>
#include <osteon/sdk/error.hpp>
#include <osteon/sdk/params.hpp>

namespace osteon::sdk {

/// What every component says of itself, beside its parameters.
struct About {
  const char* name;            ///< what recipes write after `plugin =`
  const char* version;         ///< semantic
  const char* doc;             ///< one paragraph
  const char* reference = "";  ///< the paper or source that it follows
};

namespace detail {

/// The one schema of a parameter struct, made when it is first needed and never destroyed.
template <class P>
const Schema<P>& schema_of() {
  static const auto* schema = new Schema<P>();
  return *schema;
}

/// A component's description. The layers' `model<T>()`, `loss<T>()`, ... make them.
template <class P>
osteon_component component(std::uint32_t kind, const About& about, const void* api,
                           const std::vector<std::int32_t>& devices, const std::vector<osteon_dtype>& dtypes,
                           const void* (*extension)(const char*) = nullptr) {
  const auto& specs = schema_of<P>().specs();
  // Descriptions live as long as the library, which is never unloaded; so these arrays are never freed. Plain arrays,
  // so that the description points at their beginnings and leak checkers see that they are in use.
  auto* kept_devices = new std::int32_t[devices.size()];
  auto* kept_dtypes = new osteon_dtype[dtypes.size()];
  std::copy(devices.begin(), devices.end(), kept_devices);
  std::copy(dtypes.begin(), dtypes.end(), kept_dtypes);
  osteon_component c{};
  c.struct_size = sizeof c;
  c.kind = kind;
  c.name = about.name;
  c.version = about.version;
  c.doc = about.doc;
  c.reference = about.reference;
  c.n_params = specs.size();
  c.params = specs.data();
  c.n_devices = devices.size();
  c.devices = kept_devices;
  c.n_dtypes = dtypes.size();
  c.dtypes = kept_dtypes;
  c.api = api;
  c.extension = extension;
  return c;
}

/// The descriptions of a library, one for each version of a host that asked, and all that they point at.
class Library {
 public:
  Library(const char* name, const char* version, std::vector<osteon_component> components)
      : name_(name), version_(version), components_(std::move(components)) {
    for (const osteon_component& c : components_) pointers_.push_back(&c);
  }
  /// NULL for a host that this SDK cannot serve.
  const osteon_plugin* get(std::uint32_t host_abi) {
    constexpr std::uint32_t kOldest = std::uint32_t{OSTEON_ABI_MAJOR} << 16 | OSTEON_ABI_OLDEST_MINOR;
    if (host_abi < kOldest || host_abi >> 16 != OSTEON_ABI_MAJOR) return nullptr;
    const std::uint32_t abi = std::min(host_abi, OSTEON_ABI_VERSION);
    const std::lock_guard<std::mutex> lock(mutex_);
    osteon_plugin& plugin = plugins_[abi];  // of a map: it stays where it is
    plugin.struct_size = sizeof plugin;
    plugin.abi_version = abi;
    plugin.name = name_;
    plugin.version = version_;
    plugin.n_components = pointers_.size();
    plugin.components = pointers_.data();
    return &plugin;
  }

 private:
  const char* name_;
  const char* version_;
  std::vector<osteon_component> components_;
  std::vector<const osteon_component*> pointers_;
  std::mutex mutex_;
  std::map<std::uint32_t, osteon_plugin> plugins_;
};

}  // namespace detail
}  // namespace osteon::sdk

/// Defines the entry of a library: its name and version, then its components.
///
///     OSTEON_PLUGIN("unet", "1.0.0", osteon::sdk::model<UNet>({"unet", "1.0.0", "U-Net ...", "arXiv:1505.04597"}))
///
/// The description is made at the first call, not in a static initializer.
#define OSTEON_PLUGIN(library_name, library_version, ...)                                                      \
  OSTEON_EXPORT const osteon_plugin* osteon_get_plugin(uint32_t host_abi) {                                    \
    try {                                                                                                      \
      static auto* library = new ::osteon::sdk::detail::Library(library_name, library_version, {__VA_ARGS__}); \
      return library->get(host_abi);                                                                           \
    } catch (...) {                                                                                            \
      return nullptr;                                                                                          \
    }                                                                                                          \
  }
