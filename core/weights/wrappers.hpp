// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/model.hpp"
#include "weights/safetensors.hpp"

namespace osteon::weights {

/// The names of a file's tensors without what wraps modules in PyTorch.
struct UnwrappedNames {
  std::vector<std::string> names;       ///< one for each tensor of the file
  std::set<std::string_view> wrappers;  ///< the components that were taken out of any: "_orig_mod"
};

/// Data parallelism, compilation, sharding and recomputation wrap a model or any module in it, which puts a component
/// into names wherever that was: module, _orig_mod, _fsdp_wrapped_module, _checkpoint_wrapped_module. They are taken
/// out of a name unless it is one of the model's as it is. A model may itself have modules that are called so: those
/// stay in where the name without them is none of the model's. Nothing is taken out of a name that another tensor of
/// the file would then share.
UnwrappedNames unwrap(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& model);

}  // namespace osteon::weights
