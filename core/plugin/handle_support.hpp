// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/abi/loss.h>
#include <osteon/abi/model.h>
#include <osteon/sdk/known.hpp>

#include "base/error.hpp"
#include "plugin/component.hpp"

// What the handles of all kinds share.
namespace osteon::plugin {

/// Class names as the ABI takes them; borrows from `classes`.
inline std::vector<const char*> name_pointers(const std::vector<std::string>& names) {
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  return pointers;
}

inline std::uint32_t labels_of(const ClassContext& classes) {
  return classes.multiclass ? std::uint32_t{OSTEON_LABELS_MULTICLASS} : std::uint32_t{OSTEON_LABELS_MULTILABEL};
}

/// What a plugin gave and what it promised do not agree.
[[noreturn]] inline void misbehaved(const LoadedComponent& component, const char* call, const std::string& what) {
  throw Error(ExitCode::kPlugin, std::string(to_string(component.schema.kind)) + " '" + component.schema.name + "', " +
                                     call + ": " + what);
}

/// A copy of a struct that a plugin gave in `call`, of which it may know fewer fields: sdk::known, whose refusal names
/// the plugin.
template <class T>
T known_of(const LoadedComponent& component, const char* call, const T* given, const char* what,
           std::uint32_t flags = 0) {
  try {
    return sdk::known(given, what, flags);
  } catch (const sdk::Error& e) {
    misbehaved(component, call, std::string("gave something broken: ") + e.what());
  }
}

/// Throws unless an owned tensor is one: has a release, is canonical, has the shape (-1: any size), one of the element
/// types (all when empty), and lies on the device.
void check_owned(const LoadedComponent& component, const char* call, const osteon_tensor& tensor,
                 const std::vector<std::int64_t>& shape, const std::vector<osteon_dtype>& dtypes, osteon_device device);

/// Throws unless a view that a plugin gave in `call` is canonical; `what` names it: "the value of 'conv.weight'".
void check_canonical(const LoadedComponent& component, const char* call, const osteon_tensor_view& view,
                     const std::string& what);

/// A copy of a list of named tensors. Throws unless it is one: no entry or name is missing, roles are known, views are
/// canonical, and a gradient that is there is float32 of its value's shape. The views' data lies where the plugin's
/// does.
std::vector<osteon_named_tensor> named_tensors(const LoadedComponent& component, std::uint64_t count,
                                               const osteon_named_tensor* const* list);

}  // namespace osteon::plugin
