// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include <map>
#include <set>

#include "base/error.hpp"
#include "base/suggest.hpp"
#include "data/label_ops.hpp"
#include "data/layouts.hpp"
#include "data/sample_weights.hpp"

namespace osteon::data {
namespace {

const Sample& sample_at(const std::vector<Sample>& samples, int index) {
  if (index < 0 || index >= static_cast<int>(samples.size()))
    throw Error(ExitCode::kData,
                "there is no sample " + std::to_string(index) + "; there are " + std::to_string(samples.size()));
  return samples[static_cast<std::size_t>(index)];
}

void check_classes(const ClassSet& classes) {
  if (classes.names.empty()) throw Error(ExitCode::kUsage, "a data set needs at least one class");
  std::set<std::string> seen;
  for (const std::string& name : classes.names)
    if (!seen.insert(name).second) throw Error(ExitCode::kUsage, "class '" + name + "' is named twice");
}

std::string text(cv::Size size) { return std::to_string(size.width) + " x " + std::to_string(size.height); }

}  // namespace

void expect_size_of_image(cv::Size mask, cv::Size image, const Sample& sample, const std::filesystem::path& file) {
  if (mask != image)
    throw Error(ExitCode::kData,
                "the mask is " + text(mask) + ", but its image " + sample.image.string() + " is " + text(image),
                file.string());
}

void settle_kind(Labels& labels, LabelKind kind, const std::filesystem::path& file) {
  if (kind != LabelKind::kMulticlass) return;
  if (!labels.class_valid().empty()) leave_out_unlabelled(labels);
  try {
    check_one_class_per_pixel(labels);
  } catch (const Error& error) {
    throw Error(error.code(), error.what(), file.string());
  }
}

Image Dataset::read_image(int index) const { return data::read_image(sample_at(samples_, index).image); }

Labels Dataset::read_labels(int index) const {
  const Sample& sample = sample_at(samples_, index);
  return read_labels(index, has_labels_ ? read_image_size(sample.image) : cv::Size());
}

Labels Dataset::read_labels(int index, cv::Size size) const {
  const Sample& sample = sample_at(samples_, index);
  if (!has_labels_)
    throw Error(ExitCode::kData, "the subset '" + options_.subset + "' has no annotations", sample.image.string());
  Labels labels = load_labels(sample, size);
  expect_size_of_image(labels.size(), size, sample, sample.annotation);
  settle_kind(labels, options_.classes.kind, sample.annotation);
  return labels;
}

void Dataset::check_sample(int index) const {
  const Sample& sample = sample_at(samples_, index);
  const cv::Size size = read_image_size(sample.image);
  if (has_labels_) check_labels(sample, size);
}

void Dataset::weigh_samples() {
  std::set<std::string> others;  // what was left out may have a weight all the same
  for (const Problem& problem : left_out_) {
    others.insert(problem.id);
    others.insert(std::filesystem::path(problem.where).filename().string());
  }
  std::map<std::string, Sample*> samples;
  for (Sample& sample : samples_) samples[sample.id] = &sample;
  for (const SampleWeight& each : read_sample_weights(options_.weights)) {
    const auto found = samples.find(each.image);
    if (found != samples.end()) {
      found->second->weight = each.weight;
    } else if (others.count(each.image) == 0) {
      std::vector<std::string> names;
      for (const Sample& sample : samples_) names.push_back(sample.id);
      throw Error(ExitCode::kData, "there is no image '" + each.image + "'" + did_you_mean(each.image, names),
                  each.where);
    }
  }
}

const std::vector<std::string>& dataset_layouts() {
  static const std::vector<std::string> kNames = {"boostcamp", "index_png", "class_png"};
  return kNames;
}

std::unique_ptr<Dataset> open_dataset(const std::string& layout, const std::filesystem::path& root,
                                      DatasetOptions options) {
  check_classes(options.classes);
  std::unique_ptr<Dataset> dataset;
  if (layout == "boostcamp") dataset = open_boostcamp(root, std::move(options));
  if (layout == "index_png") dataset = open_index_png(root, std::move(options));
  if (layout == "class_png") dataset = open_class_png(root, std::move(options));
  if (dataset == nullptr)
    throw Error(ExitCode::kUsage, "unknown data layout '" + layout + "' (known: boostcamp, index_png, class_png)" +
                                      did_you_mean(layout, dataset_layouts()));
  if (dataset->has_weights()) dataset->weigh_samples();
  return dataset;
}

}  // namespace osteon::data
