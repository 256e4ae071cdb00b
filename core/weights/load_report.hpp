// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace osteon::weights {

/// What became of the tensors of a file. Every list is in the order of the plugin's tensors, `unexpected` and `unused`
/// in the file's and under its names.
struct LoadReport {
  struct Mismatch {
    std::string name;
    std::string file;  ///< "F32 [64, 3, 7, 7]"
    std::string model;
  };
  std::vector<std::string> loaded;
  std::vector<std::string> missing;     ///< the plugin has it, the file does not
  std::vector<std::string> kept;        ///< a counter (is_counter) that the file does not have
  std::vector<std::string> unexpected;  ///< the file has it, the plugin does not
  std::vector<std::string> unused;      ///< the file has it, and the plugin says that it has no use for it
  std::vector<Mismatch> misshapen;      ///< another shape, or a dtype that cannot be converted
  std::vector<std::string> notes;       ///< sentences: how names were read, what was adapted, what would help

  bool complete() const noexcept { return missing.empty() && unexpected.empty() && misshapen.empty(); }
  /// One line per note and per list but `loaded`, with as much of the names as is short: "decoder.* (60)" for sixty
  /// that begin so. Empty when every tensor was loaded under its own name.
  std::string text() const;
};

}  // namespace osteon::weights
