// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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
    kOtherTensor,  ///< makes a tensor of a kind that is not read: quantized, sparse, of a wrapper subclass
    kOther,        ///< of no meaning for weights: whatever is not on the list
  };
  std::string_view name;  ///< "module.name"; empty for what is not on the list
  Role role;
  std::string_view dtype = {};      ///< as safetensors names it; "-": it has no name for it
  std::uint32_t nameless_size = 0;  ///< bytes of an element of a storage whose dtype is "-"
};

/// One for all that is not on the list, of the role kOtherTensor or kOther.
const Global& find_global(std::string_view module, std::string_view name) noexcept;

}  // namespace osteon::weights
