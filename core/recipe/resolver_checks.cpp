// SPDX-License-Identifier: Apache-2.0
// What one table says against what another does.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "recipe/resolver.hpp"

namespace osteon::recipe {

const Location& Resolver::place(const std::string& path) const {
  const Node* node = &root_;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('.', start), path.size());
    const Node* next = node->find(path.substr(start, end - start));
    if (next == nullptr) break;
    node = next;
    start = end + 1;
  }
  return node->location;
}

void Resolver::check_across() {
  const Recipe& r = result_.recipe;
  if (root_.find("data") != nullptr && root_.find("data")->find("root") != nullptr && r.data.root.empty())
    problems_.add(place("data.root"), "data.root", "'data.root' is empty", "name the folder of the data set");
  if (r.data.fold >= r.data.folds)
    problems_.add(place("data.fold"), "data.fold",
                  fmt::format("fold {} of {} folds; folds are counted from 0", r.data.fold, r.data.folds));
  if (r.data.channels == 2)
    problems_.add(place("data.channels"), "data.channels", "'data.channels' is 2, expected 1 or 3");
  const auto channels = static_cast<std::size_t>(r.data.channels);
  for (const auto& [key, list] :
       {std::pair<const char*, const std::vector<double>*>{"data.mean", &r.data.mean}, {"data.std", &r.data.std}})
    if (!list->empty() && list->size() != channels)
      problems_.add(place(key), key, fmt::format("'{}' has {} numbers for {} channels", key, list->size(), channels));
  if (root_.find("model") != nullptr && root_.find("loss") == nullptr && r.train.epochs > 0)
    problems_.add(root_.location, "loss", "there is no [[loss]] to train with");
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
  if (r.data.kind == "multiclass" && !r.predict.thresholds.empty())
    problems_.add(place("predict.thresholds"), "predict.thresholds",
                  "thresholds have no meaning for data.kind = \"multiclass\", where the class of the greatest "
                  "probability is taken");
  if (r.data.kind == "multilabel" && r.data.layout == "index_png")
    problems_.add(place("data.layout"), "data.layout", "index_png holds one class per pixel",
                  "write data.kind = \"multiclass\"");
  if (r.data.absent != "error" && r.data.layout == "index_png")
    problems_.add(
        place("data.absent"), "data.absent",
        fmt::format("'data.absent' is \"{}\", but index_png names a class for every pixel, so that none can be "
                    "absent",
                    r.data.absent),
        "write data.absent = \"error\", or leave it out");
  if (r.data.kind == "multiclass" && r.data.layout == "boostcamp")
    problems_.add(place("data.layout"), "data.layout", "boostcamp's polygons overlap",
                  "write data.kind = \"multilabel\"");
}

}  // namespace osteon::recipe
