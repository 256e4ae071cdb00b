// SPDX-License-Identifier: Apache-2.0
#include "data/layouts.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/file_name.hpp"
#include "base/suggest.hpp"
#include "data/index_png.hpp"
#include "data/listing.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

fs::path mask_of(const fs::path& masks, const std::string& class_name, const std::string& id) {
  return masks / file_name_of(class_name) / fs::path(id).replace_extension(".png");
}

class ClassPngDataset final : public Dataset {
 public:
  ClassPngDataset(DatasetOptions options, std::vector<Sample> samples, std::vector<Problem> left_out, bool has_labels)
      : Dataset(std::move(options), std::move(samples), std::move(left_out), has_labels) {}

 private:
  Labels load_labels(const Sample& sample, cv::Size size) const override {
    const std::vector<std::string>& names = classes().names;
    Labels labels(static_cast<int>(names.size()), size);
    std::vector<std::uint8_t> known(names.size(), 1);
    for (std::size_t c = 0; c < names.size(); ++c) {
      const fs::path path = mask_of(sample.annotation, names[c], sample.id);
      if (options().absent != Absent::kError && !fs::exists(path)) {
        known[c] = options().absent == Absent::kEmpty ? 1 : 0;
        continue;
      }
      // Read as indices: a palette's entry 0 is "not set" whatever colour it shows.
      const cv::Mat values = read_index_png(path);
      expect_size_of_image(values.size(), size, sample, path);
      labels.add(static_cast<int>(c), values != 0);
    }
    labels.set_class_valid(std::move(known));
    return labels;
  }
  void check_labels(const Sample& sample, cv::Size size) const override {
    for (const std::string& name : classes().names) {
      const fs::path path = mask_of(sample.annotation, name, sample.id);
      if (options().absent == Absent::kError || fs::exists(path))
        expect_size_of_image(read_index_png_size(path), size, sample, path);
    }
  }
};

void check_folders(const fs::path& masks, const std::vector<std::string>& classes) {
  std::vector<std::string> names;
  for (const std::string& name : classes) names.push_back(file_name_of(name));
  for (const fs::path& folder : visible_folders(masks)) {
    const std::string name = folder.filename().string();
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Error(ExitCode::kData, "this folder of masks belongs to no class of the recipe" + did_you_mean(name, names),
                  folder.string());
  }
  for (const std::string& name : names)
    if (!fs::is_directory(masks / name))
      throw Error(ExitCode::kData, "the folder of masks of class '" + name + "' is missing", (masks / name).string());
}

/// What is wrong with an image whose masks are not all there; empty: nothing.
std::string missing_masks(const fs::path& masks, const std::vector<std::string>& names, const std::string& id,
                          Absent absent) {
  std::vector<fs::path> missing;
  for (const std::string& name : names)
    if (const fs::path mask = mask_of(masks, name, id); !fs::exists(mask)) missing.push_back(mask);
  // Without any mask it is an image that was forgotten, whatever a missing one means.
  const bool broken = absent == Absent::kError ? !missing.empty() : missing.size() == names.size();
  return broken ? "has no partner: there is no mask " + missing.front().string() : "";
}

}  // namespace

std::unique_ptr<Dataset> open_class_png(const fs::path& root, DatasetOptions options) {
  const fs::path folder = subset_folder(root, options.subset);
  const fs::path masks = folder / "masks";
  const std::vector<std::string>& names = options.classes.names;
  const bool has_labels = annotations_exist(masks, options.subset);
  if (has_labels) check_folders(masks, names);

  std::vector<Sample> samples;
  std::vector<Problem> problems;
  std::set<fs::path> stems;
  for (Sample& sample : list_images(folder)) {
    std::string problem;
    if (has_labels) {
      sample.annotation = masks;
      if (!stems.insert(fs::path(sample.id).replace_extension()).second)
        problem = "another image has the same name before the extension";
      if (problem.empty()) problem = missing_masks(masks, names, sample.id, options.absent);
    }
    if (problem.empty())
      samples.push_back(std::move(sample));
    else
      problems.push_back({sample.id, problem, sample.image.string()});
  }
  if (has_labels)
    for (const std::string& name : names)
      for (const fs::path& relative : visible_files_below(masks / file_name_of(name)))
        if (relative.extension() == ".png" && stems.count(fs::path(relative).replace_extension()) == 0)
          problems.push_back({relative.generic_string(),
                              "has no partner: there is no image " + (folder / "images" / relative).string(),
                              (masks / file_name_of(name) / relative).string()});
  settle(samples, problems, options.on_broken, folder / "images");
  return std::make_unique<ClassPngDataset>(std::move(options), std::move(samples), std::move(problems), has_labels);
}

}  // namespace osteon::data
