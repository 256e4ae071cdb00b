// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "data/dataset.hpp"

namespace osteon::data {

/// The labels of one image from where a person says that they are, in a data set or not:
///
/// - a folder: `CLASS.png` for every class, as `osteon predict --format png` writes it; not 0 means set;
/// - a file that ends in `.json`: the competition's polygons;
/// - any other file: a PNG of class indices.
///
/// `options` say of which classes, what an absent one means, and which index is to be ignored. Throws Error(kData),
/// naming the file, for what cannot be read, is of another size than the image, or does not suit the classes.
Labels read_label_file(const std::filesystem::path& path, const std::filesystem::path& image,
                       const DatasetOptions& options);

}  // namespace osteon::data
