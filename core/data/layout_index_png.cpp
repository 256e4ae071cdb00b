// SPDX-License-Identifier: Apache-2.0
#include "data/layouts.hpp"

#include <set>
#include <utility>

#include "base/error.hpp"
#include "data/index_png.hpp"
#include "data/label_ops.hpp"
#include "data/listing.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

class IndexPngDataset final : public Dataset {
 public:
  IndexPngDataset(DatasetOptions options, std::vector<Sample> samples, std::vector<Problem> left_out, bool has_labels)
      : Dataset(std::move(options), std::move(samples), std::move(left_out), has_labels) {}

 private:
  Labels load_labels(const Sample& sample, cv::Size) const override {
    const cv::Mat index = read_index_png(sample.annotation);
    try {
      return from_index(index, static_cast<int>(classes().names.size()), options().ignore_index);
    } catch (const Error& error) {
      throw Error(error.code(), error.what(), sample.annotation.string());
    }
  }
  void check_labels(const Sample& sample, cv::Size size) const override {
    expect_size_of_image(read_index_png_size(sample.annotation), size, sample, sample.annotation);
  }
};

}  // namespace

std::unique_ptr<Dataset> open_index_png(const fs::path& root, DatasetOptions options) {
  if (options.ignore_index >= 0 && options.ignore_index < static_cast<int>(options.classes.names.size()))
    throw Error(ExitCode::kUsage, "ignore_index " + std::to_string(options.ignore_index) + " is also class '" +
                                      options.classes.names[static_cast<std::size_t>(options.ignore_index)] +
                                      "'; give it a value beyond the classes, or -1");
  if (options.absent != Absent::kError)
    throw Error(ExitCode::kUsage,
                "layout \"index_png\" names a class for every pixel, so that none can be absent; absent is \"error\"");
  const fs::path folder = subset_folder(root, options.subset);
  const fs::path masks = folder / "masks";
  const bool has_labels = annotations_exist(masks, options.subset);
  std::vector<Sample> samples;
  std::vector<Problem> problems;
  std::set<fs::path> partners;
  for (Sample& sample : list_images(folder)) {
    if (has_labels) {
      sample.annotation = in_any_case(masks / fs::path(sample.id).replace_extension(".png"));
      if (!partners.insert(sample.annotation).second) {
        problems.push_back({sample.id, "another image has the same name before the extension", sample.image.string()});
        continue;
      }
      if (!fs::exists(sample.annotation)) {
        problems.push_back({sample.id, no_partner("mask", sample.annotation), sample.image.string()});
        continue;
      }
    }
    samples.push_back(std::move(sample));
  }
  if (has_labels)
    for (const fs::path& relative : visible_files_below(masks))
      if (has_suffix(relative, ".png") && partners.count(masks / relative) == 0)
        problems.push_back({relative.generic_string(), no_partner("image", folder / "images" / relative),
                            (masks / relative).string()});
  settle(samples, problems, options.on_broken, folder / "images");
  return std::make_unique<IndexPngDataset>(std::move(options), std::move(samples), std::move(problems), has_labels);
}

}  // namespace osteon::data
