// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include <osteon/abi/loss.h>
#include <osteon/abi/model.h>

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

/// A copy of a struct that a plugin gave, of which it may know fewer fields: what lies beyond its struct_size is zero.
template <class T>
T copy_known_fields(const T& given) {
  static_assert(std::is_trivially_copyable_v<T>);
  T copy{};
  std::memcpy(&copy, &given, given.struct_size < sizeof copy ? given.struct_size : sizeof copy);
  copy.struct_size = sizeof copy;
  return copy;
}

/// What a plugin gave and what it promised do not agree.
[[noreturn]] inline void misbehaved(const LoadedComponent& component, const char* call, const std::string& what) {
  throw Error(ExitCode::kPlugin, std::string(to_string(component.schema.kind)) + " '" + component.schema.name + "', " +
                                     call + ": " + what);
}

/// Throws unless an owned tensor is one: has a release, strides, the shape (-1: any size), one of the element types
/// (all when empty), and lies on the device.
void check_owned(const LoadedComponent& component, const char* call, const osteon_tensor& tensor,
                 const std::vector<std::int64_t>& shape, const std::vector<osteon_dtype>& dtypes, osteon_device device);

/// Throws unless a list of named tensors is one: no entry, name, shape or strides are missing, roles are known.
void check_named(const LoadedComponent& component, std::uint64_t count, const osteon_named_tensor* const* list);

}  // namespace osteon::plugin
