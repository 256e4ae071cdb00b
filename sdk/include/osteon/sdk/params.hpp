// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <osteon/abi/params.h>
#include <osteon/sdk/error.hpp>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/param_check.hpp>

namespace osteon::sdk {

/// A closed interval from which something is drawn; `[low, high]` in a recipe. One number x there means [-x, x] where
/// the parameter may be below 0, else [minimum, x].
struct Range {
  double low = 0;
  double high = 0;
};

/// The same over whole numbers.
struct IntRange {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

/// Classes that a recipe names, with their channel numbers.
struct ClassList {
  std::vector<std::string> names;
  std::vector<std::int64_t> channels;
};

/// Another predictor that a recipe names. Lives as long as the component that got it.
struct PredictorRef {
  const osteon_predictor* predictor = nullptr;
};

namespace detail {

/// Everything that one osteon_value and its arrays need.
struct ValueStorage {
  std::vector<std::int64_t> ints;
  std::vector<double> floats;
  std::vector<std::string> strings;
  std::vector<const char*> pointers;
  osteon_value value{};

  const osteon_value* fill(std::uint32_t type) {
    for (const std::string& text : strings) pointers.push_back(text.c_str());
    const std::size_t count = !ints.empty() ? ints.size() : !floats.empty() ? floats.size() : pointers.size();
    value.struct_size = sizeof value;
    value.type = type;
    value.count = count;
    value.ints = ints.data();
    value.floats = floats.data();
    value.strings = pointers.data();
    return &value;
  }
};

/// How a member of a parameter struct of type T travels: its type, and both directions.
template <class T, class = void>
struct ParamTraits;

template <>
struct ParamTraits<bool> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_BOOL;
  static constexpr bool kList = false;
  static void store(bool v, ValueStorage& s) { s.ints = {v ? 1 : 0}; }
  static bool load(const osteon_value& v) { return v.ints[0] != 0; }
};
template <class T>
struct ParamTraits<T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_INT;
  static constexpr bool kList = false;
  static void store(T v, ValueStorage& s) { s.ints = {static_cast<std::int64_t>(v)}; }
  static T load(const osteon_value& v) {
    if (v.ints[0] < static_cast<std::int64_t>(std::numeric_limits<T>::min()) ||
        v.ints[0] > static_cast<std::int64_t>(std::numeric_limits<T>::max()))
      throw InvalidArgument(std::to_string(v.ints[0]) + " does not fit");
    return static_cast<T>(v.ints[0]);
  }
};
template <class T>
struct ParamTraits<T, std::enable_if_t<std::is_floating_point_v<T>>> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_FLOAT;
  static constexpr bool kList = false;
  static void store(T v, ValueStorage& s) { s.floats = {static_cast<double>(v)}; }
  static T load(const osteon_value& v) { return static_cast<T>(v.floats[0]); }
};
template <>
struct ParamTraits<std::string> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_STRING;
  static constexpr bool kList = false;
  static void store(const std::string& v, ValueStorage& s) { s.strings = {v}; }
  static std::string load(const osteon_value& v) { return v.strings[0]; }
};
template <>
struct ParamTraits<std::filesystem::path> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_PATH;
  static constexpr bool kList = false;
  static void store(const std::filesystem::path& v, ValueStorage& s) { s.strings = {v.string()}; }
  static std::filesystem::path load(const osteon_value& v) { return v.strings[0]; }
};
template <>
struct ParamTraits<Range> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_FLOAT_RANGE;
  static constexpr bool kList = false;
  static void store(const Range& v, ValueStorage& s) { s.floats = {v.low, v.high}; }
  static Range load(const osteon_value& v) { return {v.floats[0], v.floats[1]}; }
};
template <>
struct ParamTraits<IntRange> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_INT_RANGE;
  static constexpr bool kList = false;
  static void store(const IntRange& v, ValueStorage& s) { s.ints = {v.low, v.high}; }
  static IntRange load(const osteon_value& v) { return {v.ints[0], v.ints[1]}; }
};
template <>
struct ParamTraits<ClassList> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_CLASSES;
  static constexpr bool kList = true;
  static void store(const ClassList& v, ValueStorage& s) {
    s.strings = v.names;
    s.ints = v.channels;
  }
  static ClassList load(const osteon_value& v) {
    ClassList list;
    for (std::uint64_t i = 0; i < v.count; ++i) {
      list.names.emplace_back(v.strings[i]);
      list.channels.push_back(v.ints[i]);
    }
    return list;
  }
};
template <>
struct ParamTraits<PredictorRef> {
  static constexpr std::uint32_t kType = OSTEON_PARAM_PREDICTOR;
  static constexpr bool kList = false;
  static void store(const PredictorRef&, ValueStorage&) {}
  static PredictorRef load(const osteon_value& v) { return {v.predictors[0]}; }
};
template <class E>
struct ParamTraits<std::vector<E>> {
  static constexpr std::uint32_t kType = ParamTraits<E>::kType;
  static constexpr bool kList = true;
  static void store(const std::vector<E>& v, ValueStorage& s) {
    for (const E& element : v) {
      if constexpr (std::is_same_v<E, std::string>)
        s.strings.push_back(element);
      else if constexpr (std::is_same_v<E, std::filesystem::path>)
        s.strings.push_back(element.string());
      else if constexpr (std::is_same_v<E, Range>)
        s.floats.insert(s.floats.end(), {element.low, element.high});
      else if constexpr (std::is_same_v<E, IntRange>)
        s.ints.insert(s.ints.end(), {element.low, element.high});
      else if constexpr (std::is_floating_point_v<E>)
        s.floats.push_back(static_cast<double>(element));
      else if constexpr (!std::is_same_v<E, PredictorRef>)  // no default names a predictor
        s.ints.push_back(static_cast<std::int64_t>(element));
    }
  }
  static std::vector<E> load(const osteon_value& v) {
    std::vector<E> list;
    constexpr bool kRange = std::is_same_v<E, Range> || std::is_same_v<E, IntRange>;
    for (std::uint64_t i = 0; i < v.count; i += kRange ? 2 : 1) {
      if constexpr (std::is_same_v<E, std::string> || std::is_same_v<E, std::filesystem::path>)
        list.emplace_back(v.strings[i]);
      else if constexpr (std::is_same_v<E, PredictorRef>)
        list.push_back({v.predictors[i]});
      else if constexpr (std::is_same_v<E, Range>)
        list.push_back({v.floats[i], v.floats[i + 1]});
      else if constexpr (std::is_same_v<E, IntRange>)
        list.push_back({v.ints[i], v.ints[i + 1]});
      else if constexpr (std::is_floating_point_v<E>)
        list.push_back(static_cast<E>(v.floats[i]));
      else
        list.push_back(static_cast<E>(v.ints[i]));
    }
    return list;
  }
};

/// One parameter's description with the storage behind its pointers. Never moves once made.
struct ParamEntry {
  osteon_param_spec spec{};
  std::string name, doc, unit;
  ValueStorage default_value;
  std::vector<std::string> choices, aliases;
  std::vector<const char*> choice_pointers, alias_pointers;
};

}  // namespace detail

/// Refines one parameter of a schema.
class ParamBuilder {
 public:
  explicit ParamBuilder(detail::ParamEntry& entry) : entry_(entry) {}

  ParamBuilder& unit(const char* text) {
    entry_.unit = text;
    entry_.spec.unit = entry_.unit.c_str();
    return *this;
  }
  /// Bounds, inclusive; of every element of a list and of both ends of a range.
  ParamBuilder& between(double minimum, double maximum) {
    entry_.spec.minimum = minimum;
    entry_.spec.maximum = maximum;
    return *this;
  }
  ParamBuilder& at_least(double minimum) { return between(minimum, entry_.spec.maximum); }
  ParamBuilder& at_most(double maximum) { return between(entry_.spec.minimum, maximum); }
  /// How many elements a list may have.
  ParamBuilder& count(std::uint64_t minimum, std::uint64_t maximum) {
    entry_.spec.min_count = minimum;
    entry_.spec.max_count = maximum;
    return *this;
  }
  /// Makes a string one of these.
  ParamBuilder& choices(std::vector<std::string> values) {
    entry_.choices = std::move(values);
    for (const std::string& text : entry_.choices) entry_.choice_pointers.push_back(text.c_str());
    entry_.spec.type = OSTEON_PARAM_CHOICE;
    entry_.spec.choices = entry_.choice_pointers.data();
    entry_.spec.n_choices = entry_.choice_pointers.size();
    entry_.default_value.value.type = OSTEON_PARAM_CHOICE;
    return *this;
  }
  /// Other names that recipes may use, such as those of another library. Not two of them at once.
  ParamBuilder& aliases(std::vector<std::string> names) {
    entry_.aliases = std::move(names);
    for (const std::string& text : entry_.aliases) entry_.alias_pointers.push_back(text.c_str());
    entry_.spec.aliases = entry_.alias_pointers.data();
    entry_.spec.n_aliases = entry_.alias_pointers.size();
    return *this;
  }
  /// The recipe must give it; the member's initial value is no default.
  ParamBuilder& required() {
    entry_.spec.flags |= OSTEON_PARAM_REQUIRED;
    entry_.spec.default_value = nullptr;
    return *this;
  }

 private:
  detail::ParamEntry& entry_;
};

/// The schema of a parameter struct P. Defaults are what a default-constructed P holds.
///
///     struct Params {
///       double limit = 30;
///       static void schema(Schema<Params>& s) {
///         s.add("limit", &Params::limit, "largest angle, either way").unit("degrees").between(0, 180);
///       }
///     };
template <class P>
class Schema {
 public:
  Schema() { P::schema(*this); }
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  template <class T>
  ParamBuilder add(const char* name, T P::*member, const char* doc) {
    using Traits = detail::ParamTraits<T>;
    detail::ParamEntry& entry = entries_.emplace_back();
    entry.name = name;
    entry.doc = doc;
    Traits::store(P{}.*member, entry.default_value);
    osteon_param_spec& spec = entry.spec;
    spec.struct_size = sizeof spec;
    spec.type = Traits::kType;
    spec.flags = Traits::kList ? std::uint32_t{OSTEON_PARAM_LIST} : 0;
    spec.name = entry.name.c_str();
    spec.doc = entry.doc.c_str();
    spec.default_value = entry.default_value.fill(Traits::kType);
    spec.minimum = -std::numeric_limits<double>::infinity();
    spec.maximum = std::numeric_limits<double>::infinity();
    spec.max_count = std::numeric_limits<std::uint64_t>::max();
    if constexpr (std::is_same_v<T, PredictorRef>) ParamBuilder(entry).required();
    specs_.push_back(&spec);
    readers_.push_back([member](P& params, const osteon_value& value) { params.*member = Traits::load(value); });
    return ParamBuilder(entry);
  }

  const std::vector<const osteon_param_spec*>& specs() const noexcept { return specs_; }

  /// The struct that an array of values in schema order stands for. Types and bounds are the host's business; what
  /// would make this function read beyond an array is checked here.
  P read(const osteon_value* const* values) const { return read(values, false); }
  /// The same where some values are not known, which are NULL: those members stay as they are made.
  P read_some(const osteon_value* const* values) const { return read(values, true); }

 private:
  P read(const osteon_value* const* values, bool some) const {
    P params;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      const osteon_param_spec& spec = *specs_[i];
      const osteon_value* value = values != nullptr ? values[i] : nullptr;
      if (some && value == nullptr) continue;
      try {
        const osteon_value given = known(value, "its value");
        detail::check_value(spec, given);
        readers_[i](params, given);
      } catch (const InvalidArgument& e) {
        throw InvalidArgument(std::string("parameter ") + spec.name + ": " + e.what());
      }
    }
    return params;
  }

  std::deque<detail::ParamEntry> entries_;  // a deque: entries must not move
  std::vector<const osteon_param_spec*> specs_;
  std::vector<std::function<void(P&, const osteon_value&)>> readers_;
};

/// For components without parameters.
struct NoParams {
  static void schema(Schema<NoParams>&) {}
};

}  // namespace osteon::sdk
