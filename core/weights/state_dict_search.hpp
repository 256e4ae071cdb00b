// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "weights/pickle.hpp"

namespace osteon::weights {

/// Whether a value is a dict of any kind (one of an unknown class included, once it holds something), or a tensor (a
/// parameter included, and those of a kind that is not read).
bool is_dict(const Value& value) noexcept;
bool is_tensor(const Value& value) noexcept;

/// A dict that holds tensors under names, and the way to it.
struct FoundDict {
  const Value* dict = nullptr;
  std::string key;                  ///< keys and places on the way, joined by dots; empty: the root
  std::vector<std::string> also;    ///< other keys under which the same dict is
  std::vector<const Value*> above;  ///< the dicts, lists and tuples on the way, from the root
  bool in_list = false;             ///< one of those is a list or a tuple
};

struct SearchResult {
  FoundDict chosen;
  std::string below;                ///< of the chosen one, only tensors whose names begin with this: "ema_model."
  std::vector<std::string> others;  ///< keys of the dicts that were not chosen
};

/// Finds the state dict of a file, as read_state_dict() says.
SearchResult find_state_dict(const Pickle& pickle, const std::string& path, const std::string& key);

/// What else the objects on the way and the chosen one hold: "optimizer (a dict of 2)".
std::vector<std::string> left_out(const Pickle& pickle, const SearchResult& found);

}  // namespace osteon::weights
