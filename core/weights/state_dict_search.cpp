// SPDX-License-Identifier: Apache-2.0
#include "weights/state_dict_search.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "weights/byte_reader.hpp"

namespace osteon::weights {
namespace {

using Kind = Value::Kind;

// How far dicts in dicts are looked through. What belongs to each parameter lies under numbers, not names, and does not
// count.
constexpr std::size_t kMaxDepth = 8, kMaxKey = 256, kMaxStateDicts = 10'000;
constexpr std::size_t kMaxLeftOut = 1000;  // entries that are listed one by one
// Names under which training scripts keep a model's weights, the likeliest first; averages only when nothing else is.
constexpr std::string_view kUsualKeys[] = {"state_dict", "model_state_dict", "model",          "module",    "net",
                                           "network",    "weights",          "state_dict_ema", "model_ema", "ema"};

/// Whether a dict holds a tensor under a name that begins so.
bool holds_tensors(const Pickle& pickle, const Value& dict, std::string_view below = {}) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& key = pickle[dict.items[i]];
    if (key.kind == Kind::kText && key.text.substr(0, below.size()) == below && is_tensor(pickle[dict.items[i + 1]]))
      return true;
  }
  return false;
}

bool is_list(const Value& value) { return value.kind == Kind::kList || value.kind == Kind::kTuple; }

/// An object on the search, and the one that it was found in.
struct Place {
  const Value* value = nullptr;
  std::size_t above = 0;  ///< its place; of no meaning for the root
  std::string key;
  std::size_t depth = 0;  ///< 0: the root
  bool in_list = false;
};

FoundDict found_at(const std::vector<Place>& places, const Place& place) {
  std::vector<const Place*> way;
  for (const Place* at = &place; at->depth > 0; at = &places[at->above]) way.push_back(at);
  FoundDict found;
  found.dict = place.value;
  found.in_list = place.in_list;
  for (auto at = way.rbegin(); at != way.rend(); ++at) {
    found.key += (found.key.empty() ? "" : ".") + (*at)->key;
    found.above.push_back(places[(*at)->above].value);
  }
  return found;
}

/// What a dict, a list or a tuple holds that may hold a state dict.
std::vector<Place> places_in(const Pickle& pickle, const Place& place) {
  std::vector<Place> inside;
  const std::vector<ValueId>& items = place.value->items;
  const bool list = is_list(*place.value);
  const auto consider = [&](const Value& value, auto key) {
    if (is_dict(value) || is_list(value)) inside.push_back({&value, 0, key(), place.depth + 1, place.in_list || list});
  };
  for (std::size_t i = 0; list && i < items.size(); ++i) consider(pickle[items[i]], [&] { return std::to_string(i); });
  for (std::size_t i = 0; !list && i + 1 < items.size(); i += 2)
    if (const Value& key = pickle[items[i]]; key.kind == Kind::kText && key.text.size() <= kMaxKey)
      consider(pickle[items[i + 1]], [&] { return std::string(key.text); });
  return inside;
}

/// All dicts with tensors, outer before inner. Each object is looked at once, whatever refers to it.
std::vector<FoundDict> find_all(const Pickle& pickle, const std::string& path) {
  std::vector<Place> places;
  std::vector<std::pair<const Value*, std::string>> again;
  std::unordered_set<const Value*> seen = {&pickle.root()};
  if (is_dict(pickle.root()) || is_list(pickle.root())) places.push_back({&pickle.root(), 0, {}, 0, false});
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].depth == kMaxDepth) continue;
    for (Place& inside : places_in(pickle, places[i]))
      if (seen.insert(inside.value).second) {
        inside.above = i;
        places.push_back(std::move(inside));
      } else if (is_dict(*inside.value) && again.size() < kMaxStateDicts) {
        inside.above = i;
        again.emplace_back(inside.value, found_at(places, inside).key);
      }
  }
  std::vector<FoundDict> found;
  for (const Place& place : places) {
    if (!is_dict(*place.value) || !holds_tensors(pickle, *place.value)) continue;
    if (found.size() == kMaxStateDicts)
      refuse(path, place.value->offset, fmt::format("the file holds more than {} state dicts", kMaxStateDicts));
    found.push_back(found_at(places, place));
    for (auto& [value, key] : again)
      if (value == place.value) found.back().also.push_back(std::move(key));
  }
  return found;
}

/// How early in the list of usual names; nullopt when one of the names on the way is not among them.
std::optional<std::size_t> usual_rank(const std::string& key) {
  std::size_t rank = 0;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    const auto* found =
        std::find(std::begin(kUsualKeys), std::end(kUsualKeys), std::string_view(key).substr(begin, end - begin));
    if (found == std::end(kUsualKeys)) return std::nullopt;
    rank = rank * std::size(kUsualKeys) + static_cast<std::size_t>(found - std::begin(kUsualKeys));
    begin = end + 1;
  }
  return rank;
}

std::string describe(const Value& value) {
  if (is_tensor(value)) return "a tensor";
  if (is_dict(value)) return fmt::format("a dict of {}", value.items.size() / 2);
  switch (value.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a truth value";
    case Kind::kInteger:
    case Kind::kLong:
    case Kind::kReal:
      return "a number";
    case Kind::kText:
      return "a text";
    case Kind::kBytes:
      return fmt::format("{} bytes", value.text.size());
    case Kind::kSet:
      return fmt::format("a set of {}", value.items.size());
    case Kind::kTuple:
      return fmt::format("a tuple of {}", value.items.size());
    case Kind::kList:
      return fmt::format("a list of {}", value.items.size());
    case Kind::kGlobal:
    case Kind::kCall:
      return global_name(value);
    default:
      return "a storage";
  }
}

std::string key_text(const Value& key) {
  if (key.kind == Kind::kText) return shown(key.text);
  return key.kind == Kind::kInteger ? std::to_string(key.integer) : describe(key);
}

/// Texts of which only the first few are wanted.
class Listing {
 public:
  explicit Listing(std::size_t limit) : limit_(limit) {}

  template <class Text>
  void add(Text&& text) {
    if (++count_ <= limit_) list_.push_back(text());
  }
  std::vector<std::string> take() {
    if (count_ > limit_) list_.push_back(fmt::format("and {} more", count_ - limit_));
    return std::move(list_);
  }

 private:
  std::size_t limit_, count_ = 0;
  std::vector<std::string> list_;
};

/// Calls `visit` with each entry of a dict, a list or a tuple: its key (none in lists), its place and itself.
template <class Visit>
void for_each_entry(const Pickle& pickle, const Value& value, const Visit& visit) {
  const std::vector<ValueId>& items = value.items;
  if (is_list(value))
    for (std::size_t i = 0; i < items.size(); ++i) visit(nullptr, i, pickle[items[i]]);
  else if (is_dict(value))
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) visit(&pickle[items[i]], i / 2, pickle[items[i + 1]]);
}

std::string entry_text(const Value* key, std::size_t place, const Value& value) {
  return fmt::format("{} ({})", key != nullptr ? key_text(*key) : std::to_string(place), describe(value));
}

constexpr std::size_t kEntriesShown = 10;  // entries in a message

[[noreturn]] void refuse_nothing(const Pickle& pickle, const std::string& path) {
  const Value& root = pickle.root();
  Listing content(kEntriesShown);
  for_each_entry(pickle, root, [&](const Value* key, std::size_t i, const Value& value) {
    content.add([&] { return entry_text(key, i, value); });
  });
  const std::vector<std::string> list = content.take();
  refuse(path, root.offset,
         fmt::format("the file has no state dict, a dict of tensors by name: it holds {}{}{}. In Python, "
                     "torch.save(model.state_dict(), \"weights.pth\") writes one",
                     describe(root), list.empty() ? "" : ": ", fmt::join(list, ", ")));
}

[[noreturn]] void refuse_choice(const std::vector<FoundDict>& found, const Value& root, const std::string& path,
                                const std::string& message) {
  Listing keys(kEntriesShown);
  for (const FoundDict& one : found)
    keys.add([&] { return one.key.empty() ? "the whole file" : "'" + shown(one.key) + "'"; });
  refuse(path, root.offset, fmt::format("{}{}", message, fmt::join(keys.take(), ", ")));
}

/// The dict that is taken where no key is given; nullopt: several are as good.
std::optional<std::size_t> choose_usual(const std::vector<FoundDict>& found) {
  std::optional<std::size_t> best;
  std::size_t best_rank = std::numeric_limits<std::size_t>::max();
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::vector<std::string> keys = found[i].also;
    keys.push_back(found[i].key);
    for (const std::string& key : keys)
      if (const std::optional<std::size_t> rank = usual_rank(key); rank && *rank < best_rank) {
        best = i;
        best_rank = *rank;
      }
  }
  if (best) return best;
  if (found.front().key.empty()) return 0;
  // Those in lists may well be of an optimizer, and count only where there is no other.
  std::vector<std::size_t> candidates;
  for (const bool in_list : {false, true}) {
    for (std::size_t i = 0; i < found.size(); ++i)
      if (found[i].in_list == in_list) candidates.push_back(i);
    if (!candidates.empty()) break;
  }
  return candidates.size() == 1 ? std::optional(candidates.front()) : std::nullopt;
}

/// A state dict, and what the names that are meant in it begin with.
using Choice = std::pair<std::size_t, std::string>;

/// By the key of a state dict; else by what names in one begin with, as they are in one of that key or in the usual
/// one.
std::optional<Choice> choose_by_key(const Pickle& pickle, const std::vector<FoundDict>& found, const std::string& key) {
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].key == key || std::count(found[i].also.begin(), found[i].also.end(), key) != 0) return Choice(i, {});
  const auto holds = [&](std::size_t i, const std::string& below) {
    return holds_tensors(pickle, *found[i].dict, below);
  };
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string above = found[i].key.empty() ? "" : found[i].key + ".";
    if (key.compare(0, above.size(), above) != 0) continue;
    if (std::string below = key.substr(above.size()) + "."; holds(i, below)) return Choice(i, std::move(below));
  }
  const std::optional<std::size_t> usual = choose_usual(found);
  if (usual && holds(*usual, key + ".")) return Choice(*usual, key + ".");
  return std::nullopt;
}

Choice choose(const Pickle& pickle, const std::vector<FoundDict>& found, const std::string& path,
              const std::string& key) {
  if (key.empty()) {
    if (const std::optional<std::size_t> usual = choose_usual(found)) return {*usual, {}};
    refuse_choice(
        found, pickle.root(), path,
        "the file has several state dicts, none under a usual name; choose one, by model.weights_key in a recipe "
        "or by --key on the command line. There is ");
  }
  if (const std::optional<Choice> choice = choose_by_key(pickle, found, key)) return *choice;
  refuse_choice(found, pickle.root(), path,
                "the file has no state dict '" + shown(key) + "', nor tensors whose names begin with '" + shown(key) +
                    ".'; there is ");
}

}  // namespace

bool is_dict(const Value& value) noexcept {
  if (value.kind != Kind::kCall) return value.kind == Kind::kDict;
  return value.global->role == Global::Role::kDict ||
         (value.global->role == Global::Role::kOther && !value.items.empty());
}

bool is_tensor(const Value& value) noexcept {
  if (value.kind != Kind::kCall) return false;
  const Global::Role role = value.global->role;
  return role == Global::Role::kTensor || role == Global::Role::kTypedTensor || role == Global::Role::kParameter ||
         role == Global::Role::kSubclass || role == Global::Role::kOtherTensor;
}

SearchResult find_state_dict(const Pickle& pickle, const std::string& path, const std::string& key) {
  std::vector<FoundDict> found = find_all(pickle, path);
  if (found.empty()) refuse_nothing(pickle, path);
  SearchResult result;
  std::size_t chosen = 0;
  std::tie(chosen, result.below) = choose(pickle, found, path, key);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (i != chosen) result.others.push_back(found[i].key);
  result.chosen = std::move(found[chosen]);
  return result;
}

std::vector<std::string> left_out(const Pickle& pickle, const SearchResult& found) {
  Listing rest(kMaxLeftOut);
  std::vector<const Value*> way = found.chosen.above;
  way.push_back(found.chosen.dict);
  for (std::size_t d = 0; d < way.size(); ++d)
    for_each_entry(pickle, *way[d], [&](const Value* key, std::size_t i, const Value& value) {
      const bool last = d + 1 == way.size();
      const bool taken =
          last ? key->kind == Kind::kText && is_tensor(value) && key->text.substr(0, found.below.size()) == found.below
               : &value == way[d + 1];
      if (!taken) rest.add([&] { return entry_text(key, i, value); });
    });
  return rest.take();
}

}  // namespace osteon::weights
