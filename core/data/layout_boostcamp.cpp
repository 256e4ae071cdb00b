// SPDX-License-Identifier: Apache-2.0
#include "data/layouts.hpp"

#include <map>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "data/annotation.hpp"
#include "data/image_file.hpp"
#include "data/listing.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

class BoostcampDataset final : public Dataset {
 public:
  BoostcampDataset(DatasetOptions options, std::vector<Sample> samples, std::vector<Problem> left_out, bool has_labels)
      : Dataset(std::move(options), std::move(samples), std::move(left_out), has_labels) {}

 private:
  Labels load_labels(const Sample& sample, cv::Size size) const override {
    const std::vector<std::string>& names = classes().names;
    Annotation annotation = read_annotation(sample.annotation, names, size, options().absent == Absent::kError);
    count(sample, annotation.named, annotation.others);
    Labels labels = rasterize(annotation.polygons, static_cast<int>(names.size()), size);
    if (options().absent == Absent::kUnknown) labels.set_class_valid(std::move(annotation.named));
    return labels;
  }
  void check_labels(const Sample& sample, cv::Size size) const override {
    const Annotation annotation =
        read_annotation(sample.annotation, classes().names, size, options().absent == Absent::kError);
    count(sample, annotation.named, annotation.others);
  }
};

/// Lists images and annotations and pairs them by patient folder and stem.
class Listing {
 public:
  Listing(const fs::path& subset, bool has_labels)
      : images_(subset / "DCM"), annotations_(subset / "outputs_json"), has_labels_(has_labels) {}

  void run() {
    for (const fs::path& file : visible_files(images_))
      if (has_image_extension(file)) problem(file, "lies outside of a patient's folder");
    std::set<std::string> patients;
    for (const fs::path& folder : visible_folders(images_)) {
      patients.insert(folder.filename().string());
      list_patient(folder);
    }
    tell_apart();
    if (!has_labels_) return;
    for (const fs::path& folder : visible_folders(annotations_))
      if (patients.count(folder.filename().string()) == 0)
        problem(folder, "has no partner: there is no folder of images " + (images_ / folder.filename()).string());
  }

  std::vector<Sample> samples;
  std::vector<Problem> problems;

 private:
  void problem(const fs::path& file, const std::string& message) {
    problems.push_back({file.stem().string(), message, file.string()});
  }

  // Tables tell images by name; where several patients have one of a name, all of them are called by patient too.
  void tell_apart() {
    std::map<std::string, int> count;
    for (const Sample& sample : samples) ++count[sample.id];
    for (Sample& sample : samples)
      if (count[sample.id] > 1) sample.id = sample.group + "/" + sample.id;
  }

  void list_patient(const fs::path& folder) {
    const fs::path partners = annotations_ / folder.filename();
    std::map<std::string, fs::path> json_by_stem;
    if (has_labels_ && fs::is_directory(partners))
      for (const fs::path& file : visible_files(partners))
        if (has_suffix(file, ".json")) json_by_stem[file.stem().string()] = file;

    std::set<std::string> stems;
    for (const fs::path& file : visible_files(folder)) {
      if (!has_image_extension(file)) continue;
      const std::string stem = file.stem().string();
      if (!stems.insert(stem).second) {
        problem(file, "another image of this folder has the same name before the extension");
      } else if (has_labels_ && json_by_stem.count(stem) == 0) {
        problem(file, no_partner("annotation", partners / (stem + ".json")));
      } else {
        Sample sample;
        sample.id = file.filename().string();
        sample.image = file;
        if (has_labels_) sample.annotation = json_by_stem[stem];
        sample.group = folder.filename().string();
        samples.push_back(std::move(sample));
      }
    }
    for (const auto& [stem, file] : json_by_stem)
      if (stems.count(stem) == 0) problem(file, no_partner("image", folder / (stem + ".png")));
  }

  fs::path images_;
  fs::path annotations_;
  bool has_labels_;
};

}  // namespace

std::unique_ptr<Dataset> open_boostcamp(const fs::path& root, DatasetOptions options) {
  if (options.classes.kind == LabelKind::kMulticlass)
    throw Error(ExitCode::kUsage,
                "layout \"boostcamp\" holds overlapping polygons and no background, so its kind is \"multilabel\"");
  const fs::path subset = root / options.subset;
  if (!fs::is_directory(subset / "DCM"))
    throw Error(ExitCode::kData, "this folder of images is missing", (subset / "DCM").string());
  const bool has_labels = annotations_exist(subset / "outputs_json", options.subset);
  Listing listing(subset, has_labels);
  listing.run();
  settle(listing.samples, listing.problems, options.on_broken, subset / "DCM");
  return std::make_unique<BoostcampDataset>(std::move(options), std::move(listing.samples), std::move(listing.problems),
                                            has_labels);
}

}  // namespace osteon::data
