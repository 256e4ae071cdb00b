// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/state_dict.hpp"

namespace osteon::weights {

/// How torch.save wrote a file.
enum class TorchFormat {
  kZip,     ///< an archive of a pickle and of storages, since PyTorch 1.6
  kLegacy,  ///< pickles, and storages behind them
};

/// Bytes of a file and the CRC-32 that it recorded for them.
struct Checksum {
  std::string_view bytes;
  std::uint32_t crc32 = 0;
  std::uint64_t offset = 0;
  std::string name;
};

/// What was read of a file of torch.save.
struct TorchIndex {
  TorchFormat format = TorchFormat::kZip;
  StateDict state;
  std::vector<Checksum> checksums;  ///< of the storages of the state dict's tensors, not yet compared
};

/// Whether a file begins as one of torch.save does.
bool looks_like_torch(std::string_view file) noexcept;

/// Reads a whole file that is in memory; tensors that lie row-major point into it. Nothing is executed, whatever the
/// file says; what is no state dict (whole models, TorchScript) is refused with what to do. Throws Error(kData) with
/// `path:byte offset`. `key` chooses among several state dicts, see read_state_dict(); `path` is for messages.
TorchIndex read_torch(std::string_view file, const std::string& path, const std::string& key = {});

}  // namespace osteon::weights
