// SPDX-License-Identifier: Apache-2.0
#include "plugin/schema.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace osteon::plugin {
namespace {

constexpr const char* kKinds[] = {"model", "loss", "augmentation", "postprocessor", "ensembler"};
constexpr const char* kTypes[] = {"bool",        "int",  "float",     "string",  "choice",
                                  "float_range", "path", "predictor", "classes", "int_range"};

template <class Enum, std::size_t N>
std::optional<Enum> find_name(const char* const (&names)[N], const std::string& text) {
  const auto found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Enum>(found - std::begin(names));
}

}  // namespace

const char* to_string(Kind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }
std::optional<Kind> kind_from_string(const std::string& text) noexcept { return find_name<Kind>(kKinds, text); }

const char* to_string(ParameterType type) noexcept { return kTypes[static_cast<std::size_t>(type)]; }
std::optional<ParameterType> parameter_type_from_string(const std::string& text) noexcept {
  return find_name<ParameterType>(kTypes, text);
}

std::string range_of_one_number(const ParameterSpec& spec) {
  return is_symmetric(spec) ? "[-x, x]" : fmt::format("[{}, x]", spec.minimum);
}

}  // namespace osteon::plugin
