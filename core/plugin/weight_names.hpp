// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace osteon::plugin {

/// A tensor of a file, as a model is asked about it.
struct WeightEntry {
  std::string name;
  std::vector<std::int64_t> shape;  ///< empty: a scalar
};

/// What a model says of an entry: that some of its rows are one of the model's tensors, or that it has no use for it.
struct WeightPart {
  std::size_t entry = 0;              ///< index of the entry
  std::int64_t first_row = 0;         ///< of the first dimension; a scalar is one row
  std::int64_t n_rows = 1;            ///< within the entry
  std::optional<std::string> target;  ///< of Model::tensors(), perhaps of another variant; nullopt: of no use
};

}  // namespace osteon::plugin
