// SPDX-License-Identifier: Apache-2.0
#include "weights/weights_file.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "weights/byte_reader.hpp"
#include "weights/shard_index.hpp"
#include "weights/zip.hpp"

namespace osteon::weights {
namespace {

/// A safetensors file has its header's brace behind 8 bytes that may be anything; no file of torch.save has one there.
bool looks_like_safetensors(std::string_view file) { return file.size() > 8 && begins_object(file.substr(8)); }

[[noreturn]] void refuse_unknown(std::string_view file, const std::string& path) {
  if (file.empty()) throw Error(ExitCode::kData, "the file is empty", path);
  if (file.substr(0, 24) == "version https://git-lfs.")
    throw Error(ExitCode::kData, "the file is a pointer of Git LFS; `git lfs pull` fetches the weights", path);
  throw Error(
      ExitCode::kData,
      "the file is neither safetensors nor one of torch.save; it begins with '" + shown(file.substr(0, 16)) + "'",
      path);
}

// How a run's own checkpoint says what it is, and where in it the weights are, and their averages.
constexpr std::string_view kCheckpointFormat = "osteon-checkpoint-", kCheckpointWeights = "weights",
                           kCheckpointAverages = "average";

bool is_checkpoint(const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find("format");
  return format != metadata.end() && format->second.rfind(kCheckpointFormat, 0) == 0;
}

/// Keeps the tensors whose names begin with `key` and `separator`, under the rest of them.
void keep_below(StateDict& state, const std::string& key, char separator, const std::string& path) {
  const std::string below = key + separator;
  std::vector<TensorData> kept;
  std::map<std::string, std::size_t> others;
  for (TensorData& tensor : state.tensors) {
    if (tensor.name.compare(0, below.size(), below) != 0) {
      ++others[tensor.name.substr(0, tensor.name.find(separator))];
      continue;
    }
    tensor.name.erase(0, below.size());
    kept.push_back(std::move(tensor));
  }
  if (kept.empty())
    throw Error(ExitCode::kData,
                "the file has one set of tensors, none with a name that begins with '" + shown(below) +
                    "'; there is no '" + shown(key) + "' to choose",
                path);
  for (const auto& [name, count] : others)
    state.left_out.push_back(shown(name) + (count == 1 ? " (a tensor)" : " (" + std::to_string(count) + " tensors)"));
  state.tensors = std::move(kept);
  state.key = key;
}

void keep_of_checkpoint(StateDict& state, const std::string& key, const std::string& path) {
  const std::string averages = std::string(kCheckpointAverages) + "/";
  const bool averaged = std::any_of(state.tensors.begin(), state.tensors.end(),
                                    [&](const TensorData& tensor) { return tensor.name.rfind(averages, 0) == 0; });
  keep_below(state, key.empty() ? std::string(kCheckpointWeights) : key, '/', path);
  if (averaged && state.key != kCheckpointAverages) state.others.emplace_back(kCheckpointAverages);
}

}  // namespace

WeightsFile::WeightsFile(const std::filesystem::path& path, const std::string& key, bool shard) : file_(path) {
  const std::string_view bytes = file_.bytes();
  if (looks_like_shard_index(bytes)) {
    // An index that names itself would go on for ever.
    if (shard) throw Error(ExitCode::kData, "a shard is an index of shards itself", path.string());
    read_shards(key);
  } else if (looks_like_safetensors(bytes)) {
    Index index = read_index(bytes, path.string());
    state_.tensors = std::move(index.tensors);
    metadata_ = std::move(index.metadata);
    if (is_checkpoint(metadata_)) {
      keep_of_checkpoint(state_, key, path.string());
      metadata_.clear();  // which is of the training
    } else if (!key.empty()) {
      keep_below(state_, key, '.', path.string());
    }
  } else if (looks_like_torch(bytes)) {
    TorchIndex index = read_torch(bytes, path.string(), key);
    format_ = index.format == TorchFormat::kZip ? "PyTorch" : "PyTorch, legacy";
    state_ = std::move(index.state);
    checksums_ = std::move(index.checksums);
  } else {
    refuse_unknown(bytes, path.string());
  }
}

void WeightsFile::read_shards(const std::string& key) {
  const ShardIndex index = read_shard_index(file_.bytes(), path().string());
  std::vector<std::unordered_map<std::string_view, const TensorData*>> tensors;
  for (const std::string& name : index.shards) {
    const std::filesystem::path shard = path().parent_path() / name;
    if (std::error_code ignored; !std::filesystem::exists(shard, ignored))
      throw Error(ExitCode::kData, "there is no such file, which " + path().string() + " names as a shard",
                  shard.string());
    shards_.emplace_back(new WeightsFile(shard, {}, /*shard=*/true));
    auto& by_name = tensors.emplace_back();
    for (const TensorData& tensor : shards_.back()->tensors()) by_name.emplace(tensor.name, &tensor);
  }
  for (const ShardIndex::Entry& entry : index.tensors) {
    const auto found = tensors[entry.shard].find(entry.tensor);
    if (found == tensors[entry.shard].end())
      throw Error(ExitCode::kData,
                  "the index says that the tensor '" + shown(entry.tensor) + "' is in it, and it is not",
                  shards_[entry.shard]->path().string());
    state_.tensors.push_back(*found->second);
    tensors[entry.shard].erase(found);
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const auto leave_out = [&](const std::string& what) {
      state_.left_out.push_back(shown(index.shards[i]) + ": " + what);
    };
    for (const std::string& what : shards_[i]->left_out()) leave_out(what);
    for (const TensorData& tensor : shards_[i]->tensors())
      if (tensors[i].count(tensor.name) != 0)
        leave_out(shown(tensor.name) + " (a tensor that the index does not name)");
  }
  if (shards_.empty()) return;
  format_ =
      shards_[0]->format() + " in " + std::to_string(shards_.size()) + (shards_.size() == 1 ? " shard" : " shards");
  state_.key = shards_[0]->key();
  state_.others = shards_[0]->other_keys();
  metadata_ = shards_[0]->metadata();
  if (!key.empty()) keep_below(state_, key, '.', path().string());
}

void WeightsFile::verify() const {
  for (const auto& shard : shards_) shard->verify();
  for (const Checksum& checksum : checksums_)
    if (!has_crc32(checksum.bytes, checksum.crc32))
      refuse(path().string(), checksum.offset,
             "the file is damaged: '" + shown(checksum.name) + "' does not have the checksum that was recorded");
}

}  // namespace osteon::weights
