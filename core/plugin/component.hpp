// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <osteon/abi/entry.h>
#include <osteon/abi/predictor.h>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/tensor.hpp>

#include "plugin/call.hpp"
#include "plugin/schema.hpp"

namespace osteon::plugin {

/// A component of a library that is loaded. Libraries are held for the life of the process, so copies are cheap and
/// never dangle.
struct LoadedComponent {
  const osteon_component* component = nullptr;
  ComponentSchema schema;
  std::filesystem::path library;
  std::string library_sha256;

  std::string name() const { return schema.name; }
  bool supports_device(std::int32_t type) const noexcept;
  bool supports_dtype(osteon_dtype type) const noexcept;
  /// Its functions, those that it does not have NULL. Cheap beside any call of one.
  template <class Api>
  Api api() const {
    return sdk::known(static_cast<const Api*>(component->api), "the functions of its kind");
  }
  /// An optional capability, a struct that lives as long as the library; NULL when it has none of that id.
  template <class Extension>
  const Extension* extension(const char* id) const {
    return component->extension != nullptr ? static_cast<const Extension*>(component->extension(id)) : nullptr;
  }
};

/// The names of the data's classes and how they relate, as components are created with them.
struct ClassContext {
  bool multiclass = false;  ///< false: multilabel
  std::vector<std::string> names;
  std::vector<std::int32_t> mirrored;  ///< class that c becomes in a mirrored image; empty: itself
};

/// Resolves a `predictor` parameter: gives a predictor that outlives every component of the process that uses it.
using PredictorResolver = std::function<const osteon_predictor*(const std::string& path)>;

/// Typed values as the ABI wants them, and the arrays behind them. Throws Error(kUsage) for a class name that `classes`
/// does not have, and when a predictor is named and `resolver` is empty.
class ValueArray {
 public:
  ValueArray(const ComponentSchema& schema, const Parameters& parameters, const ClassContext& classes,
             const PredictorResolver& resolver = {});
  ~ValueArray();
  ValueArray(const ValueArray&) = delete;
  ValueArray& operator=(const ValueArray&) = delete;
  const osteon_value* const* get() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Calls a function of a plugin whose last argument is an osteon_error* and throws when it fails:
///  - OSTEON_CANCELLED: Interrupted, if `request` (the call that the function was given) was cancelled; else it is a
///  failure
///    like any other, for a plugin does not decide that;
///  - OSTEON_BAD_INPUT: Error(kData);
///  - out of memory: Error(kResources);
///  - INVALID_ARGUMENT or UNSUPPORTED from "create": Error(kUsage), for the recipe asks for what cannot be made;
///  - anything else, a status that the ABI does not know included: Error(kPlugin).
/// The message names kind, plugin and call: "model 'unet', forward: ...".
void check_call(const LoadedComponent& component, const char* call,
                const std::function<osteon_status(osteon_error*)>& function, const osteon_call* request = nullptr);

}  // namespace osteon::plugin
