// SPDX-License-Identifier: Apache-2.0
#include "engine/augment_source.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "data/label_file.hpp"
#include "engine/session.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

bool is_below(const fs::path& file, const fs::path& folder) {
  const fs::path relative = file.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

// By the names as they are given and by where links lead: a data set may be made of links.
bool lies_in(const fs::path& file, const fs::path& folder) {
  return is_below(fs::absolute(file).lexically_normal(), fs::absolute(folder).lexically_normal()) ||
         is_below(fs::weakly_canonical(file), fs::weakly_canonical(folder));
}

std::optional<int> index_of(const data::Dataset& dataset, const fs::path& image) {
  const auto& samples = dataset.samples();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::error_code unknown;
    if (fs::equivalent(samples[i].image, image, unknown)) return static_cast<int>(i);
  }
  return std::nullopt;
}

void take(const data::Dataset& dataset, int index, bool with_labels, AugmentSource& source) {
  const data::Sample& sample = dataset.samples()[static_cast<std::size_t>(index)];
  source.id = sample.id;
  if (!with_labels || !dataset.has_labels()) return;
  source.labels = dataset.read_labels(index, source.image.size());
  source.labels_from = sample.annotation.string();
}

void look_up(const recipe::DataSection& section, const fs::path& image, bool with_labels, AugmentSource& source) {
  if (!is_there(section.root) || !lies_in(image, section.root)) return;
  const TrainingData training = training_data(section);
  if (const auto index = index_of(*training.dataset, image)) {
    const bool trains = std::binary_search(training.train.begin(), training.train.end(), *index);
    source.part = trains ? "train" : "validation";
    return take(*training.dataset, *index, with_labels, source);
  }
  if (!is_there(section.root / "test")) return;
  const Selection test = select_images(section, Subset::kTest);
  if (const auto index = index_of(*test.dataset, image)) {
    source.part = "test";
    take(*test.dataset, *index, with_labels, source);
  }
}

}  // namespace

AugmentSource find_augment_source(const recipe::DataSection& section, const fs::path& image, const fs::path& labels) {
  AugmentSource source;
  source.image = data::read_image(image);
  source.id = image.filename().string();
  look_up(section, image, labels.empty(), source);
  if (!labels.empty()) {
    source.labels = data::read_label_file(labels, image, dataset_options(section));
    source.labels_from = labels.string();
  }
  return source;
}

}  // namespace osteon::engine
