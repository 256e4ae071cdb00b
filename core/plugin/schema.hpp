// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace osteon::plugin {

/// The kinds of component that a plugin library can hold.
enum class Kind { kModel, kLoss, kAugmentation, kPostprocessor, kEnsembler };

/// "model", "loss", "augmentation", "postprocessor", "ensembler".
const char* to_string(Kind kind) noexcept;
/// The inverse of to_string; nullopt for any other text.
std::optional<Kind> kind_from_string(const std::string& text) noexcept;

/// The types a parameter can have. A range is two numbers, low <= high. Predictor names another recipe or run; Classes
/// are class names, checked against the data's.
enum class ParameterType { kBool, kInt, kFloat, kString, kChoice, kFloatRange, kPath, kPredictor, kClasses, kIntRange };

/// "bool", "int", "float", "string", "choice", "float_range", "path", "predictor", "classes", "int_range".
const char* to_string(ParameterType type) noexcept;
std::optional<ParameterType> parameter_type_from_string(const std::string& text) noexcept;
/// Whether one value of this type is a pair of numbers.
inline bool is_range(ParameterType type) noexcept {
  return type == ParameterType::kFloatRange || type == ParameterType::kIntRange;
}

/// A typed parameter value. Scalars hold one element; `[low, high]` ranges hold two; lists hold any number, of ranges
/// two each, one behind the other. String, Choice, Path, Predictor and Classes hold strings.
using ParameterValue =
    std::variant<std::vector<bool>, std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

/// One parameter of a component, as its plugin publishes it.
struct ParameterSpec {
  std::string name;
  ParameterType type = ParameterType::kInt;
  bool list = false;                            ///< a list of `type`; Classes is always a list, and says so here
  std::string doc;                              ///< one line
  std::string unit;                             ///< "px", "degrees", ...; empty when it has none
  std::optional<ParameterValue> default_value;  ///< nullopt: the recipe must give it
  double minimum = -std::numeric_limits<double>::infinity();  ///< inclusive; ints and floats, each element of a list
  double maximum = std::numeric_limits<double>::infinity();   ///< inclusive
  std::uint64_t min_count = 0;                                ///< elements of a list
  std::uint64_t max_count = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::string> choices;  ///< Choice only
  std::vector<std::string> aliases;  ///< other names that recipes may use
};

/// Whether one number x where a range belongs means [-x, x]; else it means [minimum, x].
inline bool is_symmetric(const ParameterSpec& spec) noexcept { return spec.minimum < 0; }
/// "[-x, x]", "[3, x]": what one number x means where a range belongs.
std::string range_of_one_number(const ParameterSpec& spec);

/// What a post-processor or an ensembler needs from beneath and gives: sets (OSTEON_SET) of OSTEON_FORM_* and
/// OSTEON_GRID_*.
struct ComponentType {
  std::uint32_t flags = 0;                         ///< OSTEON_POSTPROCESSOR_* or OSTEON_ENSEMBLER_*
  std::uint32_t shape = 0;                         ///< OSTEON_POSTPROCESSOR_MAP or _WRAPPER; 0 of an ensembler
  std::uint32_t needs_forms = 0, needs_grids = 0;  ///< it works with any one of these; of an ensembler what it takes
  std::uint32_t gives_forms = 0, gives_grids = 0;
};
inline bool operator==(const ComponentType& a, const ComponentType& b) noexcept {
  return a.flags == b.flags && a.shape == b.shape && a.needs_forms == b.needs_forms && a.needs_grids == b.needs_grids &&
         a.gives_forms == b.gives_forms && a.gives_grids == b.gives_grids;
}

/// The type of a component for some values of its choices and booleans, as its library says it (plugin/type_table.hpp).
struct TypeRow {
  /// What it gives over less than everything, where that is less.
  struct Less {
    std::uint32_t beneath_forms = 0, beneath_grids = 0, gives_forms = 0, gives_grids = 0;
  };
  std::vector<std::string> values;  ///< of the parameters that are one choice or one boolean, in the schema's order
  bool multiclass = false;
  ComponentType whole;  ///< over a predictor that gives everything
  std::vector<Less> less;
};

/// What a plugin says of one component before anything of it is created.
struct ComponentSchema {
  std::string name;  ///< what recipes write after `plugin =`
  Kind kind = Kind::kModel;
  std::string version;    ///< of the component, semantic
  std::string doc;        ///< one paragraph
  std::string reference;  ///< the paper or source it follows; may be empty
  std::vector<ParameterSpec> parameters;
  std::vector<TypeRow> types;  ///< empty: known of instances alone
  std::string library_sha256;  ///< of the library that says so, known to the registry alone; empty for others
};

/// A component that a host leaves aside because it is newer than the host; the rest of its library works.
struct SkippedComponent {
  std::string name;
  std::string kind;  ///< as kind_from_string takes it, or "kind 6"
  std::string version;
  std::string reason;
};

/// Parameter values in schema order, defaults filled in: what a component is created from.
using Parameters = std::vector<ParameterValue>;

}  // namespace osteon::plugin
