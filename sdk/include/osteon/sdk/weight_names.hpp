// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Weights under other names: rules by which names of public checkpoints become a model's own.
///
///     static std::vector<sdk::WeightDialect> weight_names() {
///       return {{"timm",
///                {{"stages.#.blocks.#.mlp.fc1.*", {"encoder.stages.#.layers.#.pwconv1.*"}},
///                 {"blocks.#.attn.qkv.*", {"layer.#.query.*", "layer.#.key.*", "layer.#.value.*"}},
///                 {"head.fc.*", {}}}}};
///     }
///
/// A class with such a function is all that torch_model() wants. The host tries every dialect and takes the one with
/// which the most of the model's tensors find values of their shape; dimensions of 1 do not count, so that a 1x1
/// convolution is read into a linear layer.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <osteon/abi/draft/weight_names.h>
#include <osteon/sdk/known.hpp>

namespace osteon::sdk {

/// What a name of another implementation is here. In `from`, `#` stands for a number and `*` for any text, dots
/// included; in each of `to`, `#` and `*` stand for what those of `from` matched, in their order.
struct Rename {
  std::string from;
  std::vector<std::string> to;  ///< one: the tensor; several: equal shares of its rows; none: known, of no use here
};

/// The names of one implementation. The first rule that matches a name counts; a name that none matches stays.
struct WeightDialect {
  std::string name;  ///< for people: "timm"
  std::vector<Rename> rules;
};

namespace detail {

/// Matches `name` against a pattern of Rename::from; what `#` and `*` stand for is added to `found`.
inline bool match_name(std::string_view pattern, std::string_view name, std::vector<std::string_view>& found) {
  std::size_t at = 0;
  while (at < pattern.size() && pattern[at] != '#' && pattern[at] != '*') ++at;
  if (name.substr(0, at) != pattern.substr(0, at)) return false;
  name.remove_prefix(at);
  if (at == pattern.size()) return name.empty();
  const std::string_view rest = pattern.substr(at + 1);
  std::size_t digits = 0;
  while (digits < name.size() && name[digits] >= '0' && name[digits] <= '9') ++digits;
  const bool number = pattern[at] == '#';
  // All digits are the number; of texts the shortest that does.
  const std::size_t first = number ? digits : 1, last = number ? digits : name.size();
  const std::size_t depth = found.size();
  for (std::size_t size = first; size > 0 && size <= last; ++size) {
    found.push_back(name.substr(0, size));
    if (match_name(rest, name.substr(size), found)) return true;
    found.resize(depth);
  }
  return false;
}

/// `pattern` with its `#` and `*` replaced by `found`.
inline std::string fill_name(std::string_view pattern, const std::vector<std::string_view>& found) {
  std::string name;
  std::size_t next = 0;
  for (const char c : pattern) {
    if (c != '#' && c != '*')
      name += c;
    else if (next < found.size())
      name += found[next++];
    else
      throw Error(OSTEON_FAILED, "a rule for names of weights gives '" + std::string(pattern) +
                                     "', which has more '#' and '*' than it is made from");
  }
  return name;
}

/// The names that the first matching rule gives; nullopt when none matches.
inline std::optional<std::vector<std::string>> rename(const WeightDialect& dialect, std::string_view name) {
  for (const Rename& rule : dialect.rules) {
    std::vector<std::string_view> found;
    if (!match_name(rule.from, name, found)) continue;
    std::vector<std::string> names;
    for (const std::string& to : rule.to) names.push_back(fill_name(to, found));
    return names;
  }
  return std::nullopt;
}

/// What `translate` of the ABI does with rules.
inline void translate(const WeightDialect& dialect, std::uint64_t n_entries, const osteon_weight_entry* const* entries,
                      void (*give)(void*, const osteon_weight_part*), void* user) {
  for (std::uint64_t e = 0; e < n_entries; ++e) {
    const osteon_weight_entry entry = known(entries[e], "an entry of a file of weights");
    const auto names = rename(dialect, entry.name);
    if (!names) continue;
    auto part = sized<osteon_weight_part>();
    part.entry = e;
    part.n_rows = entry.ndim > 0 ? entry.shape[0] : 1;
    if (names->empty()) give(user, &part);
    const auto shares = static_cast<std::int64_t>(names->size());
    if (shares > 1 && part.n_rows % shares != 0) continue;  // not what the rule is about: it keeps its name
    if (shares > 1) part.n_rows /= shares;
    for (const std::string& target : *names) {
      part.target = target.c_str();
      give(user, &part);
      part.first_row += part.n_rows;
    }
  }
}

/// The extension of a class with a static `weight_names()`.
template <class M>
class WeightNamesOf {
 public:
  /// nullptr when there is no memory for it.
  static const osteon_weight_names* get() noexcept {
    try {
      return &self().names_;
    } catch (...) {
      return nullptr;
    }
  }

 private:
  WeightNamesOf() : dialects_(M::weight_names()) {
    for (const WeightDialect& dialect : dialects_) pointers_.push_back(dialect.name.c_str());
    names_ = {sizeof names_, 0, pointers_.size(), pointers_.data(), &translate_one};
  }

  static const WeightNamesOf& self() {
    static const auto* names = new WeightNamesOf();
    return *names;
  }

  static osteon_status translate_one(const osteon_model*, std::uint64_t index, std::uint64_t n_entries,
                                     const osteon_weight_entry* const* entries,
                                     void (*give)(void*, const osteon_weight_part*), void* user, osteon_error* error) {
    return guard(error, [&] {
      const auto& dialects = self().dialects_;
      if (index >= dialects.size()) throw Unsupported("there is no dialect " + std::to_string(index));
      translate(dialects[index], n_entries, entries, give, user);
    });
  }

  std::vector<WeightDialect> dialects_;
  std::vector<const char*> pointers_;
  osteon_weight_names names_{};
};

}  // namespace detail
}  // namespace osteon::sdk
