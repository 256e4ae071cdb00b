// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/pickle.hpp"
#include "weights/safetensors.hpp"

namespace osteon::weights {

/// Bytes of a storage's key, which is a number for PyTorch.
inline constexpr std::size_t kMaxStorageKey = 256;

/// A storage as a pickle refers to it: elements of one dtype, which lie elsewhere in the file.
struct StorageReference {
  const Global* type = nullptr;
  std::string_view key;
  std::uint64_t count = 0;  ///< elements
  std::uint64_t size = 0;   ///< bytes
};
/// Whether a value stands for a storage. Legacy files refer to classes in the same way.
bool is_storage(const Pickle& pickle, const Value& value);
/// Of a value that does. Throws Error(kData).
StorageReference storage_reference(const Pickle& pickle, const Value& value, const std::string& path);

/// Gives the bytes of a storage, `size` of them; throws Error(kData) when the file does not have just these. `offset`
/// is where the file refers to it.
using StorageLookup = std::function<std::string_view(const StorageReference& storage, std::uint64_t offset)>;

/// The tensors of one state dict in a file of torch.save.
struct StateDict {
  std::string key;                            ///< of what was read: "state_dict"; empty: it is the whole file
  std::vector<std::string> others;            ///< keys of further state dicts, which were not asked for
  std::vector<std::string> left_out;          ///< what else the file holds: "epoch (a number)"
  std::vector<TensorData> tensors;            ///< in the file's order; each points into its storage, or into `packed`
  std::deque<std::vector<std::byte>> packed;  ///< tensors that do not lie row-major in the file
};

/// Finds the state dict of a file and its tensors. A state dict is a dict that holds a tensor under a name. Of several
/// it is the one under `key` (keys of dicts in dicts and places in lists and tuples are joined by dots); without a key,
///   1. the one under state_dict, model_state_dict, model, module, net, network, weights, state_dict_ema, model_ema or
///      ema, in this order;
///   2. the file as a whole;
///   3. the only one there is outside of lists and tuples;
///   4. the only one there is in them.
/// A key that is no state dict's is what names in one begin with: "ema_model" takes ema_model.conv.weight as
/// conv.weight. Anything else is refused with a list of what there is. Tensors that together take more than 16 times
/// `file_size` (and 64 MiB) are refused: so much repetition is an attack or a mistake. Throws Error(kData) at
/// `path:byte offset`.
StateDict read_state_dict(const Pickle& pickle, const StorageLookup& lookup, std::uint64_t file_size,
                          const std::string& path, const std::string& key);

}  // namespace osteon::weights
