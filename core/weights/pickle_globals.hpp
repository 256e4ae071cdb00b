// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace osteon::weights {

/// What a name that a pickle may refer to stands for. The names are all there is of Python here: a pickle's calls are
/// kept as data, and those who read the result know what the few that matter mean.
struct Global {
  enum class Role {
    kDict,         ///< called without arguments, or with pairs: a dict
    kTensor,       ///< called with storage, offset, shape, strides, ...: a tensor
    kTypedTensor,  ///< the same, with the dtype as the seventh argument
    kParameter,    ///< called with a tensor first: that tensor
    kSubclass,     ///< called with one of those, a type and arguments: what it gives for the arguments
    kStorage,      ///< the type of a storage; `dtype` is its elements', empty: bytes
    kDtype,        ///< a dtype
    kOther,        ///< of no meaning for weights, and harmless in a checkpoint beside them
  };
  std::string_view name;  ///< "module.name"
  Role role;
  std::string_view dtype = {};  ///< as safetensors names it; "-": it has no name for it
};

/// nullptr for what is not on the list.
const Global* find_global(std::string_view module, std::string_view name) noexcept;

}  // namespace osteon::weights
