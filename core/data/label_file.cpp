// SPDX-License-Identifier: Apache-2.0
#include "data/label_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/file_name.hpp"
#include "data/annotation.hpp"
#include "data/image.hpp"
#include "data/index_png.hpp"
#include "data/label_ops.hpp"
#include "data/layouts.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

Labels read_masks(const fs::path& folder, const Sample& sample, cv::Size size, const DatasetOptions& options) {
  const std::vector<std::string>& names = options.classes.names;
  Labels labels(static_cast<int>(names.size()), size);
  std::vector<std::uint8_t> known(names.size(), 1);
  bool any = false;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const fs::path path = folder / (file_name_of(names[c]) + ".png");
    if (options.absent != Absent::kError && !is_file(path)) {
      known[c] = options.absent == Absent::kEmpty ? 1 : 0;
      continue;
    }
    const cv::Mat values = read_index_png(path);
    expect_size_of_image(values.size(), size, sample, path);
    labels.add(static_cast<int>(c), values != 0);
    any = true;
  }
  if (!any)
    throw Error(ExitCode::kData, "this folder has no mask of any class, such as " + file_name_of(names[0]) + ".png",
                folder.string());
  labels.set_class_valid(std::move(known));
  return labels;
}

Labels read_polygons(const fs::path& file, cv::Size size, const DatasetOptions& options) {
  const std::vector<std::string>& names = options.classes.names;
  Annotation annotation = read_annotation(file, names, size, options.absent == Absent::kError);
  Labels labels = rasterize(annotation.polygons, static_cast<int>(names.size()), size);
  if (options.absent == Absent::kUnknown) labels.set_class_valid(std::move(annotation.named));
  return labels;
}

Labels read_indices(const fs::path& file, const Sample& sample, cv::Size size, const DatasetOptions& options) {
  const cv::Mat index = read_index_png(file);
  expect_size_of_image(index.size(), size, sample, file);
  try {
    return from_index(index, static_cast<int>(options.classes.names.size()), options.ignore_index);
  } catch (const Error& error) {
    throw Error(error.code(), error.what(), file.string());
  }
}

}  // namespace

Labels read_label_file(const fs::path& path, const fs::path& image, const DatasetOptions& options) {
  const cv::Size size = read_image_size(image);
  Sample sample;
  sample.image = image;
  Labels labels = fs::is_directory(path)        ? read_masks(path, sample, size, options)
                  : path.extension() == ".json" ? read_polygons(path, size, options)
                                                : read_indices(path, sample, size, options);
  settle_kind(labels, options.classes.kind, path);
  return labels;
}

}  // namespace osteon::data
