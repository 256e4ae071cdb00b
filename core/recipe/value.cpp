// SPDX-License-Identifier: Apache-2.0
#include "recipe/value.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

#include "base/suggest.hpp"

namespace osteon::recipe {
namespace {

using plugin::ParameterSpec;
using plugin::ParameterType;
using plugin::ParameterValue;

class Reader {
 public:
  Reader(const ParameterSpec& spec, const std::string& key, Problems& problems)
      : spec_(spec), key_(key), problems_(problems) {}

  std::optional<ParameterValue> read(const Node& node) {
    if (is_range(spec_.type) && !spec_.list) return ranges({&node, 1});
    if (!spec_.list) return assemble({&node, 1});
    if (!node.is_array()) return wrong_type(node);
    const std::size_t count = node.array().size();
    if (count < spec_.min_count || count > spec_.max_count) {
      problems_.add(node.location, key_,
                    fmt::format("'{}' has {} elements, expected {}", key_, count, expected_text(spec_)));
      return std::nullopt;
    }
    if (is_range(spec_.type)) return ranges({node.array().data(), count});
    return assemble({node.array().data(), count});
  }

 private:
  struct Elements {
    const Node* first;
    std::size_t count;
  };

  std::optional<ParameterValue> wrong_type(const Node& node) {
    if (node.as<std::monostate>() != nullptr) return std::nullopt;  // a date, which was refused when the file was read
    problems_.add(node.location, key_,
                  fmt::format("'{}' is {}, expected {}", key_, type_name(node), expected_text(spec_)));
    return std::nullopt;
  }

  // Pairs of numbers, one behind the other.
  std::optional<ParameterValue> ranges(Elements elements) {
    if (spec_.type == ParameterType::kIntRange) return ranges_of<std::int64_t>(elements);
    return ranges_of<double>(elements);
  }

  template <class T>
  std::optional<ParameterValue> ranges_of(Elements elements) {
    if (spec_.list && elements.count == 2 && is_number(elements.first[0]) && is_number(elements.first[1])) {
      problems_.add(elements.first[0].location, key_,
                    fmt::format("'{}' is two numbers, which may be one range or two", key_),
                    fmt::format("write [[low, high]] for one range; one number x of several means {}",
                                range_of_one_number(spec_)));
      return std::nullopt;
    }
    std::vector<T> ends;
    for (std::size_t i = 0; i < elements.count; ++i) {
      const Node& node = elements.first[i];
      if (!(node.is_array() ? pair(node, ends) : one_number(node, ends))) return std::nullopt;
    }
    return ParameterValue(ends);
  }

  template <class T>
  bool pair(const Node& node, std::vector<T>& ends) {
    if (node.array().size() != 2) {
      wrong_type(node);
      return false;
    }
    if (!numbers({node.array().data(), 2}, ends)) return false;
    const T high = ends.back(), low = ends[ends.size() - 2];
    if (low <= high) return true;
    problems_.add(node.location, key_,
                  fmt::format("'{}' runs from {} down to {}; the low end comes first", key_, low, high));
    return false;
  }

  // A number where a range belongs; plugin::range_of_one_number() says what it means.
  template <class T>
  bool one_number(const Node& node, std::vector<T>& ends) {
    const std::optional<T> x = number<T>(node);
    if (!x) return false;
    const bool symmetric = is_symmetric(spec_);
    if (symmetric && std::is_integral_v<T> && *x == std::numeric_limits<T>::min()) {
      problems_.add(node.location, key_, fmt::format("'{}' is {}, which has no opposite", key_, *x));
      return false;
    }
    const T high = symmetric ? std::max(*x, 0 - *x) : *x;
    const T low = symmetric ? 0 - high : least<T>();  // 0 - 0 is no -0
    if (is_within(low) && is_within(high) && low <= high) {
      ends.insert(ends.end(), {low, high});
      return true;
    }
    problems_.add(
        node.location, key_,
        fmt::format("'{}' is {}, taken for [{}, {}]; expected {}", key_, *x, low, high, expected_text(spec_)));
    return false;
  }

  std::optional<ParameterValue> assemble(Elements elements) {
    switch (spec_.type) {
      case ParameterType::kBool: {
        std::vector<bool> values;
        for (std::size_t i = 0; i < elements.count; ++i) {
          const bool* value = elements.first[i].as<bool>();
          if (value == nullptr) return wrong_type(elements.first[i]);
          values.push_back(*value);
        }
        return ParameterValue(values);
      }
      case ParameterType::kInt: {
        std::vector<std::int64_t> values;
        if (!numbers(elements, values)) return std::nullopt;
        return ParameterValue(values);
      }
      case ParameterType::kFloat: {
        std::vector<double> values;
        if (!numbers(elements, values)) return std::nullopt;
        return ParameterValue(values);
      }
      default:
        return strings(elements);
    }
  }

  template <class T>
  bool numbers(Elements elements, std::vector<T>& values) {
    for (std::size_t i = 0; i < elements.count; ++i) {
      const Node& node = elements.first[i];
      const std::optional<T> value = number<T>(node);
      if (!value) return false;
      if (!is_within(*value)) {
        problems_.add(node.location, key_, fmt::format("'{}' is {}, expected {}", key_, *value, expected_text(spec_)));
        return false;
      }
      values.push_back(*value);
    }
    return true;
  }

  template <class T>
  std::optional<T> number(const Node& node) {
    const std::int64_t* integer = node.as<std::int64_t>();
    const double* real = std::is_integral_v<T> ? nullptr : node.as<double>();
    if (integer == nullptr && real == nullptr) {
      wrong_type(node);
      return std::nullopt;
    }
    if (real != nullptr && !std::isfinite(*real)) {
      problems_.add(node.location, key_, fmt::format("'{}' is not a finite number", key_));
      return std::nullopt;
    }
    return real != nullptr ? static_cast<T>(*real) : static_cast<T>(*integer);
  }

  static bool is_number(const Node& node) { return node.as<std::int64_t>() != nullptr || node.as<double>() != nullptr; }

  // The minimum as a T, where there is one.
  template <class T>
  T least() const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(std::ceil(std::min(spec_.minimum, 0x1p62)));  // what no T holds stays out of bounds
    else
      return spec_.minimum;
  }

  template <class T>
  bool is_within(T value) const {
    return static_cast<double>(value) >= spec_.minimum && static_cast<double>(value) <= spec_.maximum;
  }

  std::optional<ParameterValue> strings(Elements elements) {
    std::vector<std::string> values;
    for (std::size_t i = 0; i < elements.count; ++i) {
      const Node& node = elements.first[i];
      const std::string* value = node.as<std::string>();
      if (value == nullptr) return wrong_type(node);
      if (spec_.type == ParameterType::kChoice &&
          std::find(spec_.choices.begin(), spec_.choices.end(), *value) == spec_.choices.end()) {
        problems_.add(node.location, key_, fmt::format("'{}' is '{}', expected {}", key_, *value, expected_text(spec_)),
                      suggestion(*value, spec_.choices));
        return std::nullopt;
      }
      const bool is_path = spec_.type == ParameterType::kPath || spec_.type == ParameterType::kPredictor;
      if (is_path && !value->empty())
        values.push_back(
            std::filesystem::absolute(std::filesystem::path(node.folder) / *value).lexically_normal().string());
      else
        values.push_back(*value);
    }
    return ParameterValue(values);
  }

  const ParameterSpec& spec_;
  const std::string& key_;
  Problems& problems_;
};

template <class T, class Text>
std::string list_text(const std::vector<T>& values, const ParameterSpec& spec, const Text& text) {
  const bool range = is_range(spec.type);
  if (!spec.list && !range && values.size() == 1) return text(values[0]);
  const std::size_t size = range && spec.list ? 2 : 1;  // numbers of an element
  std::string result = "[";
  for (std::size_t i = 0; i < values.size(); i += size) {
    result += i > 0 ? ", " : "";
    result += size == 2 ? "[" + text(values[i]) + ", " + text(values[i + 1]) + "]" : text(values[i]);
  }
  return result + "]";
}

}  // namespace

std::optional<ParameterValue> read_value(const Node& node, const ParameterSpec& spec, const std::string& key,
                                         Problems& problems) {
  return Reader(spec, key, problems).read(node);
}

std::string toml_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (c == '\n')
      result += "\\n";
    else if (c == '\t')
      result += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\u{:04X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else
      result += c;
  }
  return result + "\"";
}

std::string toml_float(double value) {
  std::string text = fmt::format("{}", value);  // the shortest that reads back to the same number
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string toml_text(const ParameterValue& value, const ParameterSpec& spec) {
  if (const auto* bools = std::get_if<std::vector<bool>>(&value)) {
    const std::vector<char> flags(bools->begin(), bools->end());
    return list_text(flags, spec, [](char flag) { return std::string(flag ? "true" : "false"); });
  }
  if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&value))
    return list_text(*ints, spec, [](std::int64_t number) { return std::to_string(number); });
  if (const auto* floats = std::get_if<std::vector<double>>(&value)) return list_text(*floats, spec, toml_float);
  // `$` is special in recipes' strings, and this text is to read back as it is.
  return list_text(std::get<std::vector<std::string>>(value), spec, [](const std::string& text) {
    std::string escaped;
    for (const char c : text) escaped += c == '$' ? std::string("$$") : std::string(1, c);
    return toml_string(escaped);
  });
}

std::string expected_text(const ParameterSpec& spec) {
  static const char* const kOne[] = {"true or false", "an integer", "a number",           "a string",    "one of ",
                                     "a range",       "a path",     "a predictor's path", "class names", "a range"};
  static const char* const kMany[] = {"booleans",       "integers", "numbers", "strings",
                                      "values out of ", "ranges",   "paths",   "paths of predictors",
                                      "class names",    "ranges"};
  const auto type = static_cast<std::size_t>(spec.type);
  std::string text = spec.list ? std::string("a list of ") : std::string();
  if (spec.list) {
    if (spec.min_count == spec.max_count)
      text += fmt::format("{} ", spec.min_count);
    else if (spec.max_count != std::numeric_limits<std::uint64_t>::max())
      text += fmt::format("{} to {} ", spec.min_count, spec.max_count);
    else if (spec.min_count > 0)
      text += fmt::format("at least {} ", spec.min_count);
  }
  text += spec.list ? kMany[type] : kOne[type];
  if (is_range(spec.type))
    text += fmt::format(" [low, high]{} or one number x for {}",
                        spec.type == ParameterType::kIntRange ? " of integers" : "", range_of_one_number(spec));
  if (spec.type == ParameterType::kChoice) text += fmt::format("{}", fmt::join(spec.choices, ", "));
  const bool low = std::isfinite(spec.minimum), high = std::isfinite(spec.maximum);
  if (low && high)
    text += fmt::format(" between {} and {}", spec.minimum, spec.maximum);
  else if (low)
    text += fmt::format(" of at least {}", spec.minimum);
  else if (high)
    text += fmt::format(" of at most {}", spec.maximum);
  if (!spec.unit.empty()) text += " (" + spec.unit + ")";
  return text;
}

}  // namespace osteon::recipe
