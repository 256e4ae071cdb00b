// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace osteon::data {

/// What an image counts in the loss, as a file says it.
struct SampleWeight {
  std::string image;  ///< id of a sample
  double weight = 1;  ///< finite, at least 0
  std::string where;  ///< "path:line"
};

/// Reads a CSV file whose first line is `image,weight`, and in which no image is twice. Throws Error(kData) with
/// "path:line" for what is malformed.
std::vector<SampleWeight> read_sample_weights(const std::filesystem::path& path);

}  // namespace osteon::data
