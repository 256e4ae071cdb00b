// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::weights {

/// One tensor as a header states it; the numbers are not yet checked against each other.
struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  ///< of its data, from the end of the header
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  ///< where in the file its name stands
};

struct Header {
  std::vector<HeaderEntry> entries;  ///< in the order of the text
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON of a header, which begins at byte `base` of the file: {name: {"dtype", "shape", "data_offsets"},
/// "__metadata__": {string: string}}. What the reference implementation lets pass is let pass: `__metadata__` that is
/// null, other keys in an entry (their values are not looked at), a name given twice (the last counts). Throws
/// Error(kData) with `path:byte offset` for anything else.
Header parse_header(std::string_view json, std::uint64_t base, const std::string& path);

}  // namespace osteon::weights
