// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>

#include "data/dataset.hpp"

// What open_dataset chooses from; its comment describes the layouts. A new layout is one file, one line here and two in
// dataset.cpp.
namespace osteon::data {

std::unique_ptr<Dataset> open_boostcamp(const std::filesystem::path& root, DatasetOptions options);
std::unique_ptr<Dataset> open_index_png(const std::filesystem::path& root, DatasetOptions options);
std::unique_ptr<Dataset> open_class_png(const std::filesystem::path& root, DatasetOptions options);

/// For layouts: throws Error(kData) with the mask's file when a mask has another size than its image.
void expect_size_of_image(cv::Size mask, cv::Size image, const Sample& sample, const std::filesystem::path& file);
/// What holds of multiclass labels, wherever they come from: in an image with unknown classes pixels without a class
/// become invalid, and any other pixel has one class, or Error(kData) names the file.
void settle_kind(Labels& labels, LabelKind kind, const std::filesystem::path& file);

}  // namespace osteon::data
