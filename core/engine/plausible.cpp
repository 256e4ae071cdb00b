// SPDX-License-Identifier: Apache-2.0
#include "engine/plausible.hpp"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "exports/rle.hpp"
#include "plugin/interrupt.hpp"
#include "report/progress.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

// Characters of the runs of an image.
std::int64_t length_of(const std::vector<std::string>& runs) {
  std::int64_t length = 0;
  for (const std::string& of_class : runs) length += static_cast<std::int64_t>(of_class.size());
  return length;
}

void warn_of(const std::string& image, const std::vector<metrics::Implausible>& found) {
  constexpr std::size_t kMost = 3;
  if (found.empty()) return;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < std::min(kMost, found.size()); ++i) texts.push_back(found[i].text);
  if (found.size() > kMost) texts.push_back(fmt::format("and {} more, which --json lists", found.size() - kMost));
  spdlog::warn("{} looks wrong: {}", image, fmt::join(texts, "; "));
}

}  // namespace

nlohmann::json measure_labels(const recipe::Recipe& recipe, const data::Dataset& dataset,
                              const std::vector<int>& indices, const Context& context, data::BrokenSamples& broken) {
  metrics::LabelRanges ranges;
  std::mutex mutex;
  const auto look_at = [&](int index) {
    const data::Labels labels = dataset.read_labels(index);
    const metrics::LabelShape shape = metrics::shape_of(labels);
    const std::int64_t runs = length_of(exports::encode_rle(labels));
    const std::lock_guard lock(mutex);
    ranges.add(recipe.data.classes, shape, runs, labels.size().height);
  };
  report::Progress progress("measuring labels", static_cast<std::int64_t>(indices.size()), "images");
  data::read_samples(dataset, indices, broken, context.threads, look_at, [&](int, int) {
    if (plugin::interrupted().load()) throw Interrupted();
    progress.advance(1);
  });
  progress.finish();
  return ranges.to_json();
}

std::optional<metrics::LabelRanges> label_ranges(const fs::path& run, const recipe::Recipe& recipe,
                                                 const Opener& opener) {
  metrics::LabelRanges ranges;
  if (recipe.ensemble) {
    for (const recipe::Member& member : recipe.ensemble->members) {
      const auto of_member = label_ranges(member.run, opener.own_recipe(member.run), opener);
      if (!of_member) return std::nullopt;
      ranges.add(*of_member);
    }
    return ranges;
  }
  const run::RunFolder folder(run);
  const nlohmann::json info = folder.read_info();
  if (!info.contains("labels")) return std::nullopt;
  try {
    return metrics::LabelRanges::from_json(info.at("labels"));
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::kData, fmt::format("what the run keeps of its labels cannot be read: {}", e.what()),
                folder.info().string());
  }
}

nlohmann::json implausible(const metrics::LabelRanges& seen, const std::vector<std::string>& classes,
                           const std::string& image, const data::Labels& labels, const std::vector<std::string>& runs) {
  const auto found = seen.against(classes, metrics::shape_of(labels), length_of(runs), labels.size().height);
  warn_of(image, found);
  nlohmann::json list = nlohmann::json::array();
  for (const metrics::Implausible& one : found) list.push_back(to_json(one));
  return list;
}

void say_no_ranges() {
  spdlog::info("the run does not say what labels it was trained on, so that no mask is held against them");
}

}  // namespace osteon::engine
