// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/labels.hpp"

// Masks as PNG files, in the forms that the layouts "class_png" and "index_png" read. Files appear whole or not at all.
// Everything throws Error(kResources), naming the file, where it cannot be written. [any-thread, on different images]
namespace osteon::exports {

/// One file per class, `folder/<class>.png`: grey, 0 or 255, of the labels' size. What cannot stand in a file's name is
/// percent-encoded (file_name_of).
void write_class_masks(const std::filesystem::path& folder, const data::Labels& labels,
                       const std::vector<std::string>& class_names);

/// One grey file of class indices: 8 bits, or 16 where 256 values are not enough. Invalid pixels become `ignore_index`.
/// Throws Error(kData) naming `path` and a pixel where a valid pixel has not exactly one class.
void write_index_mask(const std::filesystem::path& path, const data::Labels& labels, int ignore_index = 255);

/// Writes CV_8U or CV_16U, 1 channel or 3 in RGB order, as PNG.
void write_png(const std::filesystem::path& path, const cv::Mat& pixels);

}  // namespace osteon::exports
