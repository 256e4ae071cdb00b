// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Weights in several files, shards, and the index that names them (NAME.safetensors.index.json), as Hugging Face
/// writes both: {"weight_map": {tensor: file name}, ...}.
namespace osteon::weights {

struct ShardIndex {
  struct Entry {
    std::string tensor;
    std::size_t shard;  ///< in `shards`
  };
  std::vector<Entry> tensors;       ///< in the index's order
  std::vector<std::string> shards;  ///< names of files in the index's folder, each once
};

/// Whether a file begins as a text of JSON does, and not as safetensors does, whose first eight bytes are a number.
bool looks_like_shard_index(std::string_view file) noexcept;

/// Throws Error(kData) at `path` for what is no index, and for shards that are not in its own folder.
ShardIndex read_shard_index(std::string_view file, const std::string& path);

/// The shards that a file names, as paths; none for one that is no index. Throws Error(kData) as above, and when the
/// file cannot be read.
std::vector<std::filesystem::path> shards_of(const std::filesystem::path& file);

}  // namespace osteon::weights
