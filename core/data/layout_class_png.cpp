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

fs::path mask_in(const fs::path& folder, const std::string& id) {
  return in_any_case(folder / fs::path(id).replace_extension(".png"));
}

fs::path mask_of(const fs::path& masks, const std::string& class_name, const std::string& id) {
  return mask_in(masks / file_name_of(class_name), id);
}

class ClassPngDataset final : public Dataset {
 public:
  /// @param others  folders of masks of classes that are left out
  ClassPngDataset(DatasetOptions options, std::vector<Sample> samples, std::vector<Problem> left_out, bool has_labels,
                  std::vector<std::string> others)
      : Dataset(std::move(options), std::move(samples), std::move(left_out), has_labels), others_(std::move(others)) {}

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
    count_masks(sample);
    return labels;
  }
  void count_masks(const Sample& sample) const {
    std::vector<std::uint8_t> named;
    for (const std::string& name : classes().names)
      named.push_back(fs::exists(mask_of(sample.annotation, name, sample.id)) ? 1 : 0);
    std::vector<std::string> others;
    for (const std::string& folder : others_)
      if (fs::exists(mask_in(sample.annotation / folder, sample.id))) others.push_back(folder);
    count(sample, named, others);
  }
  void check_labels(const Sample& sample, cv::Size size) const override {
    for (const std::string& name : classes().names) {
      const fs::path path = mask_of(sample.annotation, name, sample.id);
      if (options().absent == Absent::kError || fs::exists(path))
        expect_size_of_image(read_index_png_size(path), size, sample, path);
    }
    count_masks(sample);
  }

  std::vector<std::string> others_;
};

// The folders of masks that belong to no class of the recipe. Throws where a class has none.
std::vector<std::string> other_folders(const fs::path& masks, const std::vector<std::string>& classes) {
  std::vector<std::string> names, others;
  for (const std::string& name : classes) names.push_back(file_name_of(name));
  for (const fs::path& folder : visible_folders(masks)) {
    const std::string name = folder.filename().string();
    if (std::find(names.begin(), names.end(), name) == names.end()) others.push_back(name);
  }
  for (const std::string& name : names)
    if (!fs::is_directory(masks / name))
      throw Error(ExitCode::kData,
                  "the folder of masks of class '" + name + "' is missing" + did_you_mean(name, others),
                  (masks / name).string());
  return others;
}

/// What is wrong with an image whose masks are not all there; empty: nothing.
std::string missing_masks(const fs::path& masks, const std::vector<std::string>& names, const std::string& id,
                          Absent absent) {
  std::vector<fs::path> missing;
  for (const std::string& name : names)
    if (const fs::path mask = mask_of(masks, name, id); !fs::exists(mask)) missing.push_back(mask);
  // Without any mask it is an image that was forgotten, whatever a missing one means.
  const bool broken = absent == Absent::kError ? !missing.empty() : missing.size() == names.size();
  return broken ? no_partner("mask", missing.front()) : "";
}

}  // namespace

std::unique_ptr<Dataset> open_class_png(const fs::path& root, DatasetOptions options) {
  const fs::path folder = subset_folder(root, options.subset);
  const fs::path masks = folder / "masks";
  const std::vector<std::string>& names = options.classes.names;
  const bool has_labels = annotations_exist(masks, options.subset);
  std::vector<std::string> others;
  if (has_labels) others = other_folders(masks, names);

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
        if (has_suffix(relative, ".png") && stems.count(fs::path(relative).replace_extension()) == 0)
          problems.push_back({relative.generic_string(), no_partner("image", folder / "images" / relative),
                              (masks / file_name_of(name) / relative).string()});
  settle(samples, problems, options.on_broken, folder / "images");
  return std::make_unique<ClassPngDataset>(std::move(options), std::move(samples), std::move(problems), has_labels,
                                           std::move(others));
}

}  // namespace osteon::data
