// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "plugin/model.hpp"
#include "weights/load_report.hpp"
#include "weights/safetensors.hpp"

/// Between the tensors of a file and those that a plugin names (a model's, or an ensembler's fitted state), on the CPU.
namespace osteon::weights {

/// What safetensors calls an element type ("F32", "BOOL"); throws std::invalid_argument, which names `tensor`, for one
/// that it does not have.
std::string dtype_name(osteon_dtype type, const std::string& tensor);

/// Whether a tensor counts something instead of being learnt: an integer scalar, such as num_batches_tracked. Old files
/// lack them, so that they may be missing.
bool is_counter(const plugin::NamedTensor& tensor);

/// Compares names, shapes and dtypes without writing anything.
LoadReport compare_state(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors);

/// Writes what fits and reports the rest. Floats are converted among F16, BF16, F32 and F64 (to a narrower type they
/// are rounded to nearest); other types must be the same. The plugin is to be told (Model::parameters_changed).
LoadReport load_matching_state(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors);

/// Writes all, or nothing: throws Error(kData) at `where` with LoadReport::text() unless everything fits.
void load_state(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors,
                const std::string& where);

/// Tensors as they are to be written. Borrows what lies row-major; the rest is packed into memory of its own.
struct CollectedState {
  std::vector<TensorData> tensors;
  std::deque<std::vector<std::byte>> packed;
};
/// Valid as long as the plugin's tensors are.
CollectedState collect_state(const std::vector<plugin::NamedTensor>& tensors);

}  // namespace osteon::weights
