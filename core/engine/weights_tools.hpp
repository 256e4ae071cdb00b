// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace osteon::engine {

/// What `osteon weights` does. It needs neither LibTorch nor plugins and is part of the host, not of the engine that is
/// loaded for verbs that compute.

/// What a file of weights holds:
/// {"file", "format", "key", "other_keys", "left_out", "tensors": [{"name", "dtype", "shape"}], "metadata", "elements",
/// "bytes"}. `key` chooses among several state dicts. Throws Error(kData).
nlohmann::ordered_json inspect_weights(const std::filesystem::path& file, const std::string& key);

struct ConvertWeightsRequest {
  std::filesystem::path in;
  std::filesystem::path out;  ///< NAME.safetensors
  std::string key;
  bool overwrite = false;
};

/// Writes the tensors of a file as safetensors, once their checksums agree: {"output", "tensors", "bytes", "key",
/// "other_keys", "left_out"}. Metadata is kept, with `format` "pt" unless it says another. Throws Error(kUsage) for an
/// `out` that is there already or has another extension, Error(kData) for `in`, Error(kResources) from the disk.
nlohmann::ordered_json convert_weights(const ConvertWeightsRequest& request);

/// How many classes a file of stored probabilities has: a tensor `probabilities`, [1, classes, height, width]. Throws
/// Error(kData) where it has none.
std::size_t stored_classes(const std::filesystem::path& file);

}  // namespace osteon::engine
