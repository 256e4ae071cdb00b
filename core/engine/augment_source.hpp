// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/image.hpp"
#include "data/labels.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// An image as a training run of a recipe would have it.
struct AugmentSource {
  std::string id;    ///< what the keys of its draws are made of: the data set's name for it, else the file's
  std::string part;  ///< of the data set: "train", "validation" or "test"; empty: it is not in it
  data::Image image;
  std::optional<data::Labels> labels;
  std::string labels_from;  ///< a file or folder; empty: there are none
};

/// Looks the image up in the recipe's data set, where it lies below the data set's root. Labels are those that it has
/// there, unless `labels` names others (see data::read_label_file). Throws Error(kData) for what cannot be read.
AugmentSource find_augment_source(const recipe::DataSection& data, const std::filesystem::path& image,
                                  const std::filesystem::path& labels);

}  // namespace osteon::engine
