// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weights/mapped_file.hpp"
#include "weights/safetensors.hpp"
#include "weights/torch_file.hpp"

namespace osteon::weights {

/// A file of weights, open for reading. What it is, its content says, never its name: safetensors, what PyTorch's
/// torch.save writes (.pth, .pt, .bin, .ckpt), or an index of shards that are one or the other. Nothing in a file is
/// executed. [any-thread]
class WeightsFile {
 public:
  /// `key` chooses among the state dicts of a file that has several, or what names begin with, see read_state_dict();
  /// in safetensors and in shards it is the latter. Throws Error(kData) for a file that cannot be opened, is of no
  /// known format, is broken, or has nothing of that key.
  explicit WeightsFile(const std::filesystem::path& path, const std::string& key = {})
      : WeightsFile(path, key, /*shard=*/false) {}

  const std::filesystem::path& path() const noexcept { return file_.path(); }
  /// "safetensors", "PyTorch" or "PyTorch, legacy"; of shards "safetensors in 3 shards".
  const std::string& format() const noexcept { return format_; }
  /// They point into the file, or into shards; valid as long as this object is.
  const std::vector<TensorData>& tensors() const noexcept { return state_.tensors; }
  /// Of safetensors (of shards the first one's); PyTorch's files and checkpoints of runs have none.
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// Where in the file the tensors were ("state_dict"); empty: they are the file.
  const std::string& key() const noexcept { return state_.key; }
  /// Keys of further state dicts ("model_ema"), and what else was left out ("epoch (a number)").
  const std::vector<std::string>& other_keys() const noexcept { return state_.others; }
  const std::vector<std::string>& left_out() const noexcept { return state_.left_out; }

  /// Compares the tensors with the checksums that PyTorch's archives keep; other formats have none. Reads all of them.
  /// Throws Error(kData).
  void verify() const;

 private:
  WeightsFile(const std::filesystem::path& path, const std::string& key, bool shard);
  void read_shards(const std::string& key);

  MappedFile file_;
  std::string format_ = "safetensors";
  std::vector<std::unique_ptr<const WeightsFile>> shards_;
  StateDict state_;
  std::map<std::string, std::string> metadata_;
  std::vector<Checksum> checksums_;
};

}  // namespace osteon::weights
