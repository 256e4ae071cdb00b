// SPDX-License-Identifier: Apache-2.0
#include "weights/names.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "weights/state.hpp"
#include "weights/wrappers.hpp"

namespace osteon::weights {
namespace {

using Shape = std::vector<std::int64_t>;

/// Of the file's tensors, the part that has a place in a reading other than the plain one: 1 / kShare.
constexpr std::size_t kShare = 10;

Shape shape_of(const osteon_tensor_view& view) { return {view.shape, view.shape + view.ndim}; }

Shape without_ones(Shape shape) {
  shape.erase(std::remove(shape.begin(), shape.end(), 1), shape.end());
  return shape;
}

bool begins_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

std::string_view last_component(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::size_t components(std::string_view prefix) {
  return static_cast<std::size_t>(std::count(prefix.begin(), prefix.end(), '.'));
}

/// The shortest prefixes without which two names are the same: "module.layer1.0.bias" and "encoder.layer1.0.bias" give
/// "module." and "encoder.". The names end alike.
std::pair<std::string_view, std::string_view> prefixes_of(std::string_view a, std::string_view b) {
  std::size_t same = 0, whole = 0;  // characters from the end; those that begin at a component in both
  const auto starts = [](std::string_view name, std::size_t tail) {
    return tail == name.size() || name[name.size() - tail - 1] == '.';
  };
  while (same < a.size() && same < b.size() && a[a.size() - 1 - same] == b[b.size() - 1 - same])
    if (++same; starts(a, same) && starts(b, same)) whole = same;
  return {a.substr(0, a.size() - whole), b.substr(0, b.size() - whole)};
}

/// What becomes of a tensor of the file, or of some of its rows.
struct Use {
  std::size_t source = 0;
  std::int64_t first_row = 0;
  std::int64_t n_rows = 0;
  Shape shape;                                 ///< of the rows
  const plugin::NamedTensor* place = nullptr;  ///< nullptr: none
  bool unused = false;                         ///< without a place, and rightly so
  bool own = false;                            ///< the place has the tensor's own name
  bool fits = false;
};

/// The names of a file's tensors, as they are or without wrappers.
struct Names {
  std::vector<std::string> of;
  std::set<std::string_view> wrappers;
  std::vector<const plugin::NamedTensor*> own;  ///< the places of the same names; nullptr: the model has none
};

/// One way to read the names of a file.
struct Reading {
  const Names* names = nullptr;
  std::string below_file, below_model;
  const Dialect* dialect = nullptr;
  std::vector<Use> uses;
  std::size_t fitting = 0;
  std::size_t unexpected = 0;

  std::size_t changes() const {
    return components(below_file) + components(below_model) + names->wrappers.size() + (dialect != nullptr ? 1 : 0);
  }
  /// The greatest is the best.
  std::tuple<std::size_t, std::size_t, std::size_t> rank() const { return {fitting, ~unexpected, ~changes()}; }

  std::string text() const {
    const auto quoted = [](std::string_view part) { return "`" + std::string(part) + "`"; };
    std::string wrappers;
    for (const std::string_view wrapper : names->wrappers) wrappers += (wrappers.empty() ? "" : ", ") + quoted(wrapper);
    const std::string unwrapped = wrappers.empty() ? "" : ", without the wrappers " + wrappers;
    const std::string some = below_file.empty() ? "names" : "names below " + quoted(below_file);
    if (dialect != nullptr) return some + " read as those of " + dialect->name + unwrapped;
    if (!below_model.empty()) return some + " read below " + quoted(below_model) + unwrapped;
    if (!below_file.empty()) return "names read without " + quoted(below_file) + unwrapped;
    return wrappers.empty() ? "names as they are" : "names read without the wrappers " + wrappers;
  }
};

bool same_places(const Reading& a, const Reading& b) {
  const auto placed = [](const Reading& reading) {
    std::vector<std::tuple<std::size_t, std::int64_t, const plugin::NamedTensor*>> places;
    for (const Use& use : reading.uses)
      if (use.fits) places.emplace_back(use.source, use.first_row, use.place);
    return places;
  };
  return placed(a) == placed(b);
}

class Matcher {
 public:
  /// @param by_shape  a tensor fits where name and shape are right; else where the name is
  Matcher(const std::vector<TensorData>& file, const ModelWeights& model, bool by_shape)
      : file_(file), model_(model), by_shape_(by_shape) {
    for (const plugin::NamedTensor& tensor : model.tensors) {
      places_.emplace(tensor.name, &tensor);
      if (!is_counter(tensor)) ++wanted_;
    }
    for (const TensorData& tensor : file) as_they_are_.of.push_back(tensor.name);
    UnwrappedNames unwrapped = unwrap(file, model.tensors);
    unwrapped_ = {std::move(unwrapped.names), std::move(unwrapped.wrappers), {}};
    for (Names* names : {&as_they_are_, &unwrapped_})
      for (const std::string& name : names->of) names->own.push_back(find(name));
  }
  Matcher(const Matcher&) = delete;  // readings point into it
  Matcher& operator=(const Matcher&) = delete;

  /// Tensors of the model that are no counters.
  std::size_t wanted() const noexcept { return wanted_; }

  /// The best reading, and those that are as good.
  std::vector<Reading> best() const {
    std::vector<Reading> best = {plain(as_they_are_, {}, {})};
    if (best[0].fitting == wanted_ && best[0].unexpected == 0) return best;
    const auto consider = [&](Reading reading) {
      if (reading.fitting == 0 || reading.fitting * kShare < file_.size() || reading.rank() < best[0].rank()) return;
      if (reading.rank() > best[0].rank()) best.clear();
      best.push_back(std::move(reading));
    };
    for (const Names* names : {&as_they_are_, &unwrapped_}) {
      if (names == &unwrapped_) {
        if (unwrapped_.wrappers.empty()) break;
        consider(plain(*names, {}, {}));
      }
      for (const auto& [below_file, below_model] : likely_prefixes(*names))
        consider(plain(*names, below_file, below_model));
      const auto prefixes = model_.dialects.empty() ? std::vector<std::string_view>() : common_prefixes(*names);
      for (const Dialect& dialect : model_.dialects)
        for (const std::string_view prefix : prefixes) consider(translated(*names, prefix, dialect));
    }
    return best;
  }

 private:
  Reading plain(const Names& names, std::string_view below_file, std::string_view below_model) const {
    Reading reading{&names, std::string(below_file), std::string(below_model), nullptr, {}, 0, 0};
    for (std::size_t i = 0; i < file_.size(); ++i) {
      const std::string& name = names.of[i];
      if (names.own[i] != nullptr)
        reading.uses.push_back(own(i, names.own[i]));
      else if (begins_with(name, below_file))
        reading.uses.push_back(whole(i, find(reading.below_model + name.substr(below_file.size()))));
      else
        reading.uses.push_back(whole(i, nullptr));
    }
    judge(reading);
    return reading;
  }

  Reading translated(const Names& names, std::string_view below_file, const Dialect& dialect) const {
    Reading reading{&names, std::string(below_file), {}, &dialect, {}, 0, 0};
    std::vector<plugin::WeightEntry> entries;
    std::vector<std::size_t> sources;
    for (std::size_t i = 0; i < file_.size(); ++i)
      if (begins_with(names.of[i], below_file)) {
        entries.push_back({names.of[i].substr(below_file.size()), file_[i].shape});
        sources.push_back(i);
      }
    std::vector<std::vector<Use>> uses(file_.size());
    for (const plugin::WeightPart& part : dialect.translate(entries))
      uses[sources[part.entry]].push_back(use_of(sources[part.entry], part));
    for (std::size_t e = 0; e < entries.size(); ++e)
      if (uses[sources[e]].empty()) uses[sources[e]].push_back(whole(sources[e], find(entries[e].name)));
    for (std::size_t i = 0; i < file_.size(); ++i) {
      // Two implementations may give one name to different layers; shapes tell.
      if (const Use itself = own(i, names.own[i]); itself.own && fits(itself)) uses[i] = {itself};
      if (uses[i].empty()) uses[i].push_back(whole(i, nullptr));
      for (Use& use : uses[i]) reading.uses.push_back(std::move(use));
    }
    judge(reading);
    return reading;
  }

  /// A whole tensor, whose shape is its own: what is called the same must be the same.
  Use whole(std::size_t source, const plugin::NamedTensor* place) const {
    const Shape& shape = file_[source].shape;
    Use use;
    use.source = source;
    use.n_rows = shape.empty() ? 1 : shape[0];
    use.shape = shape;
    use.place = place;
    return use;
  }
  Use own(std::size_t source, const plugin::NamedTensor* place) const {
    Use use = whole(source, place);
    use.own = place != nullptr;
    return use;
  }

  Use use_of(std::size_t source, const plugin::WeightPart& part) const {
    Use use = whole(source, part.target ? find(*part.target) : nullptr);
    use.first_row = part.first_row;
    use.n_rows = part.n_rows;
    use.unused = !part.target;
    if (!use.shape.empty()) use.shape[0] = part.n_rows;
    if (use.place == nullptr) return use;
    const Shape place = shape_of(*use.place->value);
    if (without_ones(use.shape) == without_ones(place)) use.shape = place;
    return use;
  }

  /// Gives places that several tensors want to those of their own names, and counts.
  void judge(Reading& reading) const {
    std::set<const plugin::NamedTensor*> taken, filled;
    for (const Use& use : reading.uses)
      if (use.own) taken.insert(use.place);
    std::set<std::size_t> unexpected;
    for (Use& use : reading.uses) {
      if (!use.own && taken.count(use.place) != 0) use.place = nullptr;
      if (use.place == nullptr && !use.unused) unexpected.insert(use.source);
      use.fits = use.place != nullptr && fits(use);
      if (use.fits && !is_counter(*use.place)) filled.insert(use.place);
    }
    reading.fitting = filled.size();
    reading.unexpected = unexpected.size();
  }

  bool fits(const Use& use) const {
    return !by_shape_ || use.shape == shape_of(*use.place->value) ||
           is_rgb_stem(use.shape, *use.place->value, model_.in_channels);
  }

  /// The prefixes that make the most names meet that do not already; several where they make equally many.
  std::vector<std::pair<std::string_view, std::string_view>> likely_prefixes(const Names& names) const {
    std::unordered_map<std::string_view, std::vector<const plugin::NamedTensor*>> by_end;
    for (const plugin::NamedTensor& tensor : model_.tensors)
      if (!is_counter(tensor)) by_end[last_component(tensor.name)].push_back(&tensor);
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> votes;
    std::size_t most = 0;
    for (std::size_t i = 0; i < file_.size(); ++i) {
      const auto found = by_end.find(last_component(names.of[i]));
      if (found == by_end.end() || names.own[i] != nullptr) continue;
      for (const plugin::NamedTensor* tensor : found->second)
        if (fits(whole(i, tensor))) most = std::max(most, ++votes[prefixes_of(names.of[i], tensor->name)]);
    }
    std::vector<std::pair<std::string_view, std::string_view>> likely;
    if (most * kShare < file_.size()) return likely;
    for (const auto& [prefixes, count] : votes)
      if (count == most) likely.push_back(prefixes);
    return likely;
  }

  /// Prefixes of enough names in the file, the empty one first.
  std::vector<std::string_view> common_prefixes(const Names& names) const {
    std::map<std::string_view, std::size_t> counts;
    for (const std::string& name : names.of)
      for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
        ++counts[std::string_view(name).substr(0, dot + 1)];
    std::vector<std::string_view> prefixes = {{}};
    for (const auto& [prefix, count] : counts)
      if (count * kShare >= file_.size()) prefixes.push_back(prefix);
    return prefixes;
  }

  const plugin::NamedTensor* find(const std::string& name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? nullptr : found->second;
  }

  const std::vector<TensorData>& file_;
  const ModelWeights& model_;
  bool by_shape_;
  std::size_t wanted_ = 0;
  std::unordered_map<std::string, const plugin::NamedTensor*> places_;
  Names as_they_are_, unwrapped_;
};

/// How a user says which of two readings is meant.
std::string how_to_choose(const Reading& a, const Reading& b) {
  if (a.below_file.empty() || b.below_file.empty() || !a.names->wrappers.empty() || !b.names->wrappers.empty())
    return "keep the tensors that are meant in a file of their own";
  const auto key = [](const Reading& reading) {
    return "\"" + reading.below_file.substr(0, reading.below_file.size() - 1) + "\"";
  };
  return "choose by model.weights_key in a recipe or by --key on the command line: " + key(a) + " or " + key(b);
}

void refuse_rivals(const std::vector<Reading>& best, const std::string& where) {
  for (const Reading& rival : best)
    if (!same_places(rival, best[0]))
      throw Error(ExitCode::kData,
                  "the names in this file can be read in two ways that suit the model equally well: " + best[0].text() +
                      ", or " + rival.text() + "; " + how_to_choose(best[0], rival),
                  where);
}

/// Whether names alone speak so much clearer than names and shapes together that the file is of the model, in another
/// size: what fits does so by chance.
bool names_decide(const Reading& by_shape, const Reading& by_name, std::size_t file_size) {
  if (by_shape.fitting == 0) return true;
  return by_name.fitting > 2 * by_shape.fitting && 2 * by_name.fitting > file_size;
}

TensorData rows_of(const TensorData& from, const Use& use) {
  const std::uint64_t rows = from.shape.empty() ? 1 : static_cast<std::uint64_t>(from.shape[0]);
  const std::uint64_t row = rows > 0 ? from.size / rows : 0;
  return {use.place->name, from.dtype, use.shape, from.data + static_cast<std::uint64_t>(use.first_row) * row,
          static_cast<std::uint64_t>(use.n_rows) * row};
}

}  // namespace

bool is_rgb_stem(const Shape& shape, const osteon_tensor_view& place, std::int64_t in_channels) {
  return in_channels != 3 && shape.size() == 4 && place.ndim == 4 && shape[1] == 3 && place.shape[1] == in_channels &&
         shape[0] == place.shape[0] && shape[2] == place.shape[2] && shape[3] == place.shape[3];
}

ModelWeights weights_of(plugin::Model& model, const plugin::Call& call) {
  ModelWeights weights{model.tensors(call), model.in_channels(), {}};
  const std::vector<std::string> names = model.weight_dialects();
  for (std::size_t d = 0; d < names.size(); ++d)
    weights.dialects.push_back(
        {names[d], [&model, d](const auto& entries) { return model.translate_weights(d, entries); }});
  return weights;
}

MatchedNames match_names(const std::vector<TensorData>& file, const ModelWeights& model, const std::string& where) {
  const Matcher by_shape(file, model, /*by_shape=*/true), by_name(file, model, /*by_shape=*/false);
  std::vector<Reading> best = by_shape.best();
  std::vector<Reading> named;
  if (2 * best[0].fitting < by_shape.wanted()) named = by_name.best();
  if (!named.empty() && names_decide(best[0], named[0], file.size()))
    best = std::move(named);
  else
    refuse_rivals(best, where);
  const Reading& reading = best[0];
  MatchedNames matched;
  if (reading.changes() > 0) matched.how = reading.text();
  std::map<const plugin::NamedTensor*, std::size_t> taken;
  for (const Use& use : reading.uses) {
    const std::string& name = file[use.source].name;
    if (use.place == nullptr) {
      auto& list = use.unused ? matched.unused : matched.unexpected;
      if (list.empty() || list.back() != name) list.push_back(name);
      continue;
    }
    const auto [other, first] = taken.emplace(use.place, use.source);
    if (!first)
      throw Error(ExitCode::kData,
                  "both '" + file[other->second].name + "' and '" + name + "' are read as '" + use.place->name + "' (" +
                      reading.text() + ")",
                  where);
    matched.tensors.push_back(rows_of(file[use.source], use));
  }
  return matched;
}

}  // namespace osteon::weights
