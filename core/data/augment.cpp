// SPDX-License-Identifier: Apache-2.0
#include "data/augment.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <numeric>
#include <optional>

#include <fmt/format.h>
#include <osteon/sdk/tensor.hpp>

#include "base/error.hpp"
#include "data/aligned_buffer.hpp"
#include "data/class_boxes.hpp"
#include "data/view.hpp"
#include "data/warp.hpp"
#include "recipe/located.hpp"

namespace osteon::data {

struct AugmentPipeline::Step {
  std::string path;  // as recipes write it
  std::string group;
  double p = 1;
  int count = 1;
  std::unique_ptr<plugin::Augmentation> augmentation;
  std::vector<std::unique_ptr<Step>> steps;

  bool can_be_geometric() const {
    if (augmentation) return augmentation->geometric();
    return std::any_of(steps.begin(), steps.end(), [](const auto& step) { return step->can_be_geometric(); });
  }
};

/// One sample on its way through the steps.
struct AugmentPipeline::Work {
  const plugin::Call& call;
  Image& image;
  Labels& labels;
  cv::Size view;  // that the steps end at
  std::int64_t view_index;
  WarpChain image_warps, label_warps;
  std::deque<plugin::Augmentation::Warp> warps;  // a deque: the chains point at them
  bool owns_pixels = false;                      // what came in may be shared, as with the loader's cache
  std::optional<ClassBoxes> label_boxes;         // of `labels` as they lie, once somebody asked
  std::vector<AppliedStep>* applied = nullptr;   // where it is written down what ran
  bool geometric_can_follow = true;

  // Steps work in the depth of the file; where none runs, the view is not rounded to it.
  void round_image() {
    if (image.file_depth < 0) return;
    image = in_file_depth(image);
    owns_pixels = true;
  }
  /// Labels come along where both went the same way and nothing is lost by it: the chain is exact, or no geometric
  /// step can follow. Else they wait, so that they are resampled once however often the image is.
  void flush_image() {
    if (!image_warps.empty()) {
      round_image();
      owns_pixels = true;
    }
    if (image_warps.same_as(label_warps) && (!geometric_can_follow || image_warps.exact())) {
      if (!label_warps.empty()) label_boxes.reset();
      image_warps.resample(call, image.pixels, image.maximum, labels);
      label_warps.clear(labels.size());
    } else {
      image.pixels = image_warps.resample(call, image.pixels, image.maximum);
    }
    image_warps.clear(image.size());
  }
  void flush_labels() {
    if (!label_warps.empty()) label_boxes.reset();
    labels = label_warps.resample(call, labels);
    label_warps.clear(labels.size());
  }
  /// Of the next step's input.
  ClassBoxes boxes() {
    if (!label_boxes) label_boxes = boxes_of(labels);
    if (label_warps.empty()) return *label_boxes;
    if (const auto behind = label_warps.boxes(*label_boxes)) return *behind;
    return boxes_of(label_warps.resample(call, labels));
  }
};

namespace {

osteon_random_key abi_key(const RandomKey& key) { return {{key.words[0], key.words[1]}}; }

osteon_dtype dtype_of_depth(int depth) {
  return depth == CV_8U    ? sdk::dtype_of<std::uint8_t>()
         : depth == CV_16U ? sdk::dtype_of<std::uint16_t>()
                           : sdk::dtype_of<float>();
}

// Labels as one block, as the ABI passes them, and back.
struct PackedLabels {
  AlignedBuffer<std::int32_t> planes;
  AlignedBuffer<std::uint8_t> valid;

  explicit PackedLabels(const Labels& labels) {
    const std::size_t size = static_cast<std::size_t>(labels.size().area());
    planes.resize(labels.planes().size() * size);
    for (std::size_t p = 0; p < labels.planes().size(); ++p)
      std::memcpy(planes.data() + p * size, labels.planes()[p].data, size * sizeof(std::int32_t));
    // A plane of its own even where all is valid, so that a step can make pixels invalid.
    valid.resize(size);
    if (labels.valid().empty())
      std::memset(valid.data(), 1, size);
    else
      std::memcpy(valid.data(), labels.valid().data, size);
  }
  /// In place of `old`, whose planes may be shared.
  Labels unpack(const Labels& old) const {
    const cv::Size size = old.size();
    Labels labels(old.classes(), size);
    labels.set_class_valid(old.class_valid());
    std::size_t at = 0;
    for (cv::Mat& plane : labels.planes()) {
      std::memcpy(plane.data, planes.data() + at, plane.total() * sizeof(std::int32_t));
      at += plane.total();
    }
    if (std::memchr(valid.data(), 0, valid.size()) != nullptr) {
      labels.valid().create(size, CV_8U);
      std::memcpy(labels.valid().data, valid.data(), valid.size());
    }
    return labels;
  }
};

}  // namespace

AugmentPipeline::AugmentPipeline(const std::vector<recipe::AugmentStep>& steps, plugin::Registry& registry,
                                 const plugin::ClassContext& classes) {
  const plugin::Call call;
  for (const recipe::AugmentStep& step : steps) {
    steps_.push_back(build(step, fmt::format("augment[{}]", steps_.size()), registry, classes, call));
    if (steps_.back()->can_be_geometric()) geometric_before_ = steps_.size();
  }
}

AugmentPipeline::~AugmentPipeline() = default;

std::unique_ptr<AugmentPipeline::Step> AugmentPipeline::build(const recipe::AugmentStep& given, const std::string& path,
                                                              plugin::Registry& registry,
                                                              const plugin::ClassContext& classes,
                                                              const plugin::Call& call) const {
  auto step = std::make_unique<Step>();
  step->path = path;
  step->group = given.group;
  step->p = given.p;
  step->count = given.count;
  if (given.group.empty())
    step->augmentation = recipe::located(given.component, [&] {
      return std::make_unique<plugin::Augmentation>(
          registry.load(plugin::Kind::kAugmentation, given.component.plugin, given.component.version),
          given.component.parameters, classes, call);
    });
  for (const recipe::AugmentStep& child : given.steps)
    step->steps.push_back(build(child, fmt::format("{}.steps[{}]", path, step->steps.size()), registry, classes, call));
  return step;
}

void AugmentPipeline::apply(const plugin::Call& call, const RandomKey& key, Image& image, Labels& labels,
                            std::int64_t view_index, std::vector<AppliedStep>* applied) const {
  const cv::Size size = image.size();
  const plugin::Call own = call.derive({});  // what steps need for one sample is given back after it
  Work work{own, image, labels, size, view_index, WarpChain(size), WarpChain(size), {}, false, {}, applied};
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const RandomKey child = key.derive(i);
    // Within a group it is not known which step is the last.
    work.geometric_can_follow = i < geometric_before_ && (i + 1 < geometric_before_ || !steps_[i]->augmentation);
    if (child.derive("chance").random().chance(steps_[i]->p)) run(*steps_[i], child, work);
  }
  work.geometric_can_follow = false;
  work.flush_image();
  work.flush_labels();
  if (image.size() != size)
    throw Error(ExitCode::kPlugin, "the augmentations end at " + std::to_string(image.size().height) + " x " +
                                       std::to_string(image.size().width) + ", the recipe's image_size is " +
                                       std::to_string(size.height) + " x " + std::to_string(size.width));
}

void AugmentPipeline::run(const Step& step, const RandomKey& key, Work& work) const {
  if (!step.augmentation) return run_group(step, key, work);
  if (work.applied == nullptr) return run_plugin(step, key, work.call, work);
  // Notes are told apart by who made them, so here that is the step.
  plugin::DeriveOptions options;
  options.who = fmt::format("{} ({})", step.augmentation->component().name(), step.path);
  const plugin::Call call = work.call.derive(options);
  const cv::Size input = work.image_warps.output();
  run_plugin(step, key, call, work);
  AppliedStep applied{step.path, step.augmentation->component().name(), {}, {}};
  if (step.augmentation->geometric()) applied.warp = describe(work.warps.back(), input);
  for (plugin::Note& note : call.notes())
    if (note.who == options.who) applied.notes.push_back(std::move(note));
  work.applied->push_back(std::move(applied));
}

void AugmentPipeline::run_plugin(const Step& step, const RandomKey& key, const plugin::Call& call, Work& work) const {
  const plugin::Augmentation& augmentation = *step.augmentation;
  const osteon_random_key raw_key = abi_key(key);
  if (augmentation.geometric()) {
    const cv::Size size = work.image_warps.output();
    plugin::Augmentation::View view{work.view.height, work.view.width, work.view_index, nullptr};
    std::vector<double> boxes;
    if (augmentation.wants_boxes()) {
      boxes = flattened(work.boxes());
      view.class_boxes = boxes.data();
    }
    work.warps.push_back(augmentation.sample_warp(call, raw_key, size.height, size.width, view));
    work.image_warps.add(&work.warps.back());
    work.label_warps.add(&work.warps.back());
    return;
  }
  work.flush_image();
  work.round_image();
  Image& image = work.image;
  if (!augmentation.component().supports_dtype(dtype_of_depth(image.pixels.depth()))) {
    if (!augmentation.component().supports_dtype(sdk::dtype_of<float>()))
      throw Error(ExitCode::kPlugin,
                  "augmentation '" + augmentation.component().name() + "' can work neither on this image's " +
                      sdk::to_string(dtype_of_depth(image.pixels.depth())) + " pixels nor on float32");
    cv::Mat converted;
    image.pixels.convertTo(converted, CV_32F, 1.0 / image.maximum);
    image = {converted, 1.0};
    work.owns_pixels = true;
  }
  if (!work.owns_pixels || !image.pixels.isContinuous()) image.pixels = image.pixels.clone();
  work.owns_pixels = true;
  const sdk::BorrowedTensor pixels(image.pixels.data, dtype_of_depth(image.pixels.depth()),
                                   {image.pixels.rows, image.pixels.cols, image.pixels.channels()});
  auto request = sdk::sized<osteon_pixels>();
  request.image = pixels;
  request.maximum = image.maximum;
  if (!augmentation.edits_labels()) {
    augmentation.apply(call, raw_key, request);
    return;
  }
  work.flush_labels();
  PackedLabels packed(work.labels);
  const cv::Size size = work.labels.size();
  const sdk::BorrowedTensor planes(packed.planes.data(),
                                   {static_cast<std::int64_t>(work.labels.planes().size()), size.height, size.width});
  const sdk::BorrowedTensor valid(packed.valid.data(), {size.height, size.width});
  request.labels = planes;
  request.valid = valid;
  augmentation.apply(call, raw_key, request);
  work.labels = packed.unpack(work.labels);
  work.label_boxes.reset();
}

void AugmentPipeline::run_group(const Step& step, const RandomKey& key, Work& work) const {
  std::vector<std::size_t> chosen;
  if (step.group == "sequence") {
    for (std::size_t i = 0; i < step.steps.size(); ++i)
      if (key.derive(i).derive("chance").random().chance(step.steps[i]->p)) chosen.push_back(i);
  } else {
    // Drawn without putting back, by weight; what was drawn runs in the recipe's order.
    sdk::Random random = key.derive("choice").random();
    std::vector<double> weights;
    for (const auto& child : step.steps) weights.push_back(child->p);
    const int wanted = step.group == "one_of" ? 1 : step.count;
    for (int n = 0; n < wanted; ++n) {
      const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
      if (total <= 0) break;
      double at = random.uniform(0, total);
      std::size_t i = 0;
      while (i + 1 < weights.size() && at >= weights[i]) at -= weights[i++];
      chosen.push_back(i);
      weights[i] = 0;
    }
    std::sort(chosen.begin(), chosen.end());
  }
  for (const std::size_t i : chosen) run(*step.steps[i], key.derive(i), work);
}

}  // namespace osteon::data
