// SPDX-License-Identifier: Apache-2.0
#include "weights/state_dict_search.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <unordered_set>

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

bool holds_tensors(const Pickle& pickle, const Value& dict) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2)
    if (pickle[dict.items[i]].kind == Kind::kText && is_tensor(pickle[dict.items[i + 1]])) return true;
  return false;
}

/// A dict on the search, and the one that it was found in.
struct Place {
  const Value* dict = nullptr;
  std::size_t above = 0;  ///< its place; of no meaning for the root
  std::string_view key;
  std::size_t depth = 0;  ///< 0: the root
};

FoundDict found_at(const std::vector<Place>& places, const Place& place) {
  std::vector<const Place*> way;
  for (const Place* at = &place; at->depth > 0; at = &places[at->above]) way.push_back(at);
  FoundDict found;
  found.dict = place.dict;
  for (auto at = way.rbegin(); at != way.rend(); ++at) {
    found.key += (found.key.empty() ? "" : ".") + std::string((*at)->key);
    found.above.push_back(places[(*at)->above].dict);
  }
  return found;
}

/// All dicts with tensors, outer before inner. Each object is looked at once, whatever refers to it.
std::vector<FoundDict> find_all(const Pickle& pickle, const std::string& path) {
  std::vector<Place> places;
  std::unordered_set<const Value*> seen = {&pickle.root()};
  if (is_dict(pickle.root())) places.push_back({&pickle.root(), 0, {}, 0});
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place place = places[i];
    if (place.depth == kMaxDepth) continue;
    const std::vector<ValueId>& items = place.dict->items;
    for (std::size_t k = 0; k + 1 < items.size(); k += 2) {
      const Value &key = pickle[items[k]], &value = pickle[items[k + 1]];
      if (is_dict(value) && key.kind == Kind::kText && key.text.size() <= kMaxKey && seen.insert(&value).second)
        places.push_back({&value, i, key.text, place.depth + 1});
    }
  }
  std::vector<FoundDict> found;
  for (const Place& place : places) {
    if (!holds_tensors(pickle, *place.dict)) continue;
    if (found.size() == kMaxStateDicts)
      refuse(path, place.dict->offset, fmt::format("the file holds more than {} state dicts", kMaxStateDicts));
    found.push_back(found_at(places, place));
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

constexpr std::size_t kEntriesShown = 10;  // entries in a message

[[noreturn]] void refuse_nothing(const Pickle& pickle, const std::string& path) {
  const Value& root = pickle.root();
  Listing content(kEntriesShown);
  if (is_dict(root))
    for (std::size_t i = 0; i + 1 < root.items.size(); i += 2)
      content.add(
          [&] { return fmt::format("{} ({})", key_text(pickle[root.items[i]]), describe(pickle[root.items[i + 1]])); });
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

std::size_t choose(const std::vector<FoundDict>& found, const Value& root, const std::string& path,
                   const std::string& key) {
  if (!key.empty()) {
    for (std::size_t i = 0; i < found.size(); ++i)
      if (found[i].key == key) return i;
    refuse_choice(found, root, path, "the file has no state dict '" + shown(key) + "'; there is ");
  }
  std::size_t best = found.size(), best_rank = std::numeric_limits<std::size_t>::max();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::optional<std::size_t> rank = usual_rank(found[i].key);
    if (!rank || *rank >= best_rank) continue;
    best = i;
    best_rank = *rank;
  }
  if (best < found.size()) return best;
  if (found.front().key.empty() || found.size() == 1) return 0;
  refuse_choice(
      found, root, path,
      "the file has several state dicts, none under a usual name; choose one, by model.weights_key in a recipe "
      "or by --key on the command line. There is ");
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
  const std::size_t chosen = choose(found, pickle.root(), path, key);
  SearchResult result;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (i != chosen) result.others.push_back(found[i].key);
  result.chosen = std::move(found[chosen]);
  return result;
}

std::vector<std::string> left_out(const Pickle& pickle, const SearchResult& found) {
  Listing rest(kMaxLeftOut);
  std::vector<const Value*> dicts = found.chosen.above;
  dicts.push_back(found.chosen.dict);
  for (std::size_t d = 0; d < dicts.size(); ++d) {
    const bool last = d + 1 == dicts.size();
    for (std::size_t i = 0; i + 1 < dicts[d]->items.size(); i += 2) {
      const Value &key = pickle[dicts[d]->items[i]], &value = pickle[dicts[d]->items[i + 1]];
      const bool taken = last ? key.kind == Kind::kText && is_tensor(value) : &value == dicts[d + 1];
      if (!taken) rest.add([&] { return fmt::format("{} ({})", key_text(key), describe(value)); });
    }
  }
  return rest.take();
}

}  // namespace osteon::weights
