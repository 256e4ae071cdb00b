// SPDX-License-Identifier: Apache-2.0
// What one table says against what another does.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "recipe/resolver.hpp"

namespace osteon::recipe {

const Node* Resolver::written(const std::string& path) const {
  const Node* node = &root_;
  for (std::size_t start = 0; node != nullptr && start <= path.size();) {
    const std::size_t end = std::min(path.find('.', start), path.size());
    node = node->find(path.substr(start, end - start));
    start = end + 1;
  }
  return node;
}

const Location& Resolver::place(const std::string& path) const {
  for (std::size_t end = path.size();; end = path.rfind('.', end - 1)) {
    if (const Node* node = written(path.substr(0, end))) return node->location;
    if (path.rfind('.', end - 1) == std::string::npos) return root_.location;
  }
}

bool Resolver::sound(std::initializer_list<const char*> keys) const {
  return std::none_of(keys.begin(), keys.end(), [&](const char* key) { return problems_.concern(key); });
}

void Resolver::check_across() {
  const Recipe& r = result_.recipe;
  if (written("data.root") != nullptr && sound({"data.root"}) && r.data.root.empty())
    problems_.add(place("data.root"), "data.root", "'data.root' is empty", "name the folder of the data set");
  if (sound({"data.fold", "data.folds"}) && r.data.fold >= r.data.folds)
    problems_.add(place("data.fold"), "data.fold",
                  fmt::format("fold {} of {} folds; folds are counted from 0", r.data.fold, r.data.folds));
  check_channels();
  check_intensity();
  if (root_.find("model") != nullptr && root_.find("loss") == nullptr && mistyped_.count("loss") == 0 &&
      sound({"train.epochs"}) && r.train.epochs > 0)
    problems_.add(root_.location, "loss", "there is no [[loss]] to train with");
  check_layout();
  check_classes();
}

void Resolver::check_intensity() {
  const DataSection& data = result_.recipe.data;
  if (!sound({"data.intensity", "data.intensity_range", "data.intensity_of"})) return;
  const std::vector<double>& range = data.intensity_range;
  const bool percentile = data.intensity == "percentile", window = data.intensity == "window";
  const auto refuse = [&](const char* key, const std::string& what, const std::string& advice = {}) {
    problems_.add(place(key), key, what, advice);
  };
  if (!range.empty() && !percentile && !window)
    refuse("data.intensity_range", fmt::format("data.intensity = \"{}\" has no range", data.intensity),
           "take it out, or choose \"percentile\" or \"window\"");
  else if (window && range.empty())
    refuse("data.intensity", "data.intensity = \"window\" has no data.intensity_range", "such as [0.1, 0.8]");
  else if (range.size() == 1 || (range.size() == 2 && !(range[0] < range[1])))
    refuse("data.intensity_range", "'data.intensity_range' is not two numbers that rise");
  else if (window && range[1] > 1)
    refuse("data.intensity_range", fmt::format("a window is of 0..1 of the file's depth, and {} is above", range[1]));
  if (data.intensity_of == "exposed" && !percentile && data.intensity != "zscore")
    refuse("data.intensity_of", fmt::format("data.intensity = \"{}\" does not look at the image", data.intensity),
           "take it out, or choose \"percentile\" or \"zscore\"");
}

void Resolver::check_channels() {
  const DataSection& data = result_.recipe.data;
  if (!sound({"data.channels"})) return;
  if (data.channels == 2)
    problems_.add(place("data.channels"), "data.channels", "'data.channels' is 2, expected 1 or 3");
  const auto channels = static_cast<std::size_t>(data.channels);
  for (const auto& [key, list] :
       {std::pair<const char*, const std::vector<double>*>{"data.mean", &data.mean}, {"data.std", &data.std}})
    if (sound({key}) && !list->empty() && list->size() != channels)
      problems_.add(place(key), key, fmt::format("'{}' has {} numbers for {} channels", key, list->size(), channels));
}

void Resolver::check_classes() {
  const Recipe& r = result_.recipe;
  if (!sound({"data.classes"})) return;
  std::set<std::string> seen;
  for (const std::string& name : r.data.classes) {
    if (name.empty()) problems_.add(place("data.classes"), "data.classes", "a class has no name");
    if (!seen.insert(name).second)
      problems_.add(place("data.classes"), "data.classes", fmt::format("the class '{}' is named twice", name));
  }
  for (const auto& [name, value] : r.predict.thresholds)
    if (!seen.count(name))
      problems_.add(root_.find("predict")->find("thresholds")->find(name)->key_location, "predict.thresholds." + name,
                    fmt::format("there is no class '{}'", name), suggestion(name, r.data.classes));
}

// The two keys may stand in two files: the one that somebody wrote is at fault before a default, and the other's place
// is named.
void Resolver::check_layout() {
  const Recipe& r = result_.recipe;
  const DataSection& data = r.data;
  if (!sound({"data.layout", "data.kind"})) return;
  const std::string layout_place = to_string(place("data.layout"));
  const auto clash = [&](const char* why, const char* help) {
    if (const Node* kind = written("data.kind"))
      problems_.add(kind->location, "data.kind",
                    fmt::format("'data.kind' is \"{}\", but {}; 'data.layout' is \"{}\" in {}", data.kind, why,
                                data.layout, layout_place),
                    help);
    else
      problems_.add(place("data.layout"), "data.layout",
                    fmt::format("{}, and 'data.kind' is \"{}\" by default", why, data.kind), help);
  };
  if (data.kind == "multilabel" && data.layout == "index_png")
    clash("index_png holds one class per pixel", "write data.kind = \"multiclass\"");
  if (data.kind == "multiclass" && data.layout == "boostcamp")
    clash("boostcamp's polygons overlap", "write data.kind = \"multilabel\"");
  if (sound({"data.absent"}) && data.absent != "error" && data.layout == "index_png")
    problems_.add(
        place("data.absent"), "data.absent",
        fmt::format("'data.absent' is \"{}\", but index_png names a class for every pixel, so that none can be absent; "
                    "'data.layout' is in {}",
                    data.absent, layout_place),
        "write data.absent = \"error\", or leave it out");
  if (data.kind == "multiclass" && sound({"predict.thresholds"}) && !r.predict.thresholds.empty())
    problems_.add(place("predict.thresholds"), "predict.thresholds",
                  fmt::format("thresholds have no meaning for data.kind = \"multiclass\" ({}), where the class of the "
                              "greatest probability is taken",
                              to_string(place("data.kind"))));
}

}  // namespace osteon::recipe
