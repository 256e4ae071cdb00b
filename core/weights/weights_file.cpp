// SPDX-License-Identifier: Apache-2.0
#include "weights/weights_file.hpp"

#include <utility>

#include "base/error.hpp"
#include "weights/byte_reader.hpp"
#include "weights/zip.hpp"

namespace osteon::weights {
namespace {

/// A safetensors file has its header's brace behind 8 bytes that may be anything; no file of torch.save has one there.
bool looks_like_safetensors(std::string_view file) { return file.size() > 8 && file[8] == '{'; }

[[noreturn]] void refuse_unknown(std::string_view file, const std::string& path) {
  if (file.empty()) throw Error(ExitCode::kData, "the file is empty", path);
  if (file.substr(0, 24) == "version https://git-lfs.")
    throw Error(ExitCode::kData, "the file is a pointer of Git LFS; `git lfs pull` fetches the weights", path);
  throw Error(
      ExitCode::kData,
      "the file is neither safetensors nor one of torch.save; it begins with '" + shown(file.substr(0, 16)) + "'",
      path);
}

}  // namespace

WeightsFile::WeightsFile(const std::filesystem::path& path, const std::string& key) : file_(path) {
  const std::string_view bytes = file_.bytes();
  if (looks_like_safetensors(bytes)) {
    if (!key.empty())
      throw Error(ExitCode::kData, "a safetensors file has one set of tensors; there is no '" + key + "' to choose",
                  path.string());
    Index index = read_index(bytes, path.string());
    state_.tensors = std::move(index.tensors);
    metadata_ = std::move(index.metadata);
  } else if (looks_like_torch(bytes)) {
    TorchIndex index = read_torch(bytes, path.string(), key);
    format_ = index.format == TorchFormat::kZip ? "PyTorch" : "PyTorch, legacy";
    state_ = std::move(index.state);
    checksums_ = std::move(index.checksums);
  } else {
    refuse_unknown(bytes, path.string());
  }
}

void WeightsFile::verify() const {
  for (const Checksum& checksum : checksums_)
    if (!has_crc32(checksum.bytes, checksum.crc32))
      refuse(path().string(), checksum.offset,
             "the file is damaged: '" + shown(checksum.name) + "' does not have the checksum that was recorded");
}

}  // namespace osteon::weights
