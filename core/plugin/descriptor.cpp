// SPDX-License-Identifier: Apache-2.0
#include "plugin/descriptor.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include <osteon/abi/all.h>
#include <osteon/sdk/known.hpp>

#include "base/error.hpp"
#include "plugin/type_table.hpp"
#include "plugin/version.hpp"

namespace osteon::plugin {
namespace {

[[noreturn]] void broken(const std::string& what) { throw Error(ExitCode::kPlugin, "broken descriptor: " + what); }

bool is_name(const char* text) {
  if (text == nullptr || *text < 'a' || *text > 'z') return false;
  for (const char* c = text; *c != '\0'; ++c)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_')) return false;
  return true;
}

std::string text_or_empty(const char* text) { return text != nullptr ? text : ""; }

// Keys of the recipe itself beside a component's parameters.
bool is_reserved(const std::string& name) {
  static const std::set<std::string> kReserved = {OSTEON_RESERVED_KEYS};
  return kReserved.count(name) > 0;
}

/// Thrown where a component asks of a host what this one does not know yet.
struct TooNew {
  std::string reason;
};

// A copy of a struct of the description; `where` names it.
template <class T>
T read(const T* given, const std::string& where, std::uint32_t flags = 0) {
  try {
    return sdk::known(given, where.c_str(), flags);
  } catch (const sdk::Unsupported& e) {
    throw TooNew{e.what()};
  } catch (const sdk::Error& e) {
    broken(e.what());
  }
}

// Numbers of a default: within the bounds, and ranges upwards.
template <class T>
std::vector<T> read_numbers(const T* numbers, std::uint64_t count, const ParameterSpec& spec,
                            const std::string& where) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto number = static_cast<double>(numbers[i]);
    if (!(number >= spec.minimum && number <= spec.maximum)) broken(where + ": its default breaks its own bounds");
    if (is_range(spec.type) && i % 2 == 1 && numbers[i - 1] > numbers[i])
      broken(where + ": its default runs downwards");
  }
  return std::vector<T>(numbers, numbers + count);
}

std::vector<std::string> read_texts(const osteon_value& value, const ParameterSpec& spec, const std::string& where) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < value.count; ++i) {
    if (value.strings[i] == nullptr) broken(where + ": its default holds a null string");
    texts.emplace_back(value.strings[i]);
    if (spec.type == ParameterType::kChoice &&
        std::find(spec.choices.begin(), spec.choices.end(), texts.back()) == spec.choices.end())
      broken(where + ": its default '" + texts.back() + "' is none of its choices");
  }
  return texts;
}

void check_count(std::uint64_t count, const ParameterSpec& spec, const std::string& where) {
  const std::uint64_t size = is_range(spec.type) ? 2 : 1;
  const std::string has = where + ": its default has " + std::to_string(count) + " elements";
  if (count % size != 0 || (!spec.list && count != size)) broken(has);
  if (spec.list && (count / size < spec.min_count || count / size > spec.max_count))
    broken(has + ", outside its own limits");
}

ParameterValue read_default(const osteon_param_spec& raw, const ParameterSpec& spec, const std::string& where) {
  const osteon_value value = read(raw.default_value, where + "'s default");
  if (value.type != raw.type) broken(where + ": its default has another type");
  check_count(value.count, spec, where);
  const auto need = [&](const void* array) {
    if (array == nullptr && value.count > 0) broken(where + ": its default has no elements where its type keeps them");
  };
  switch (spec.type) {
    case ParameterType::kBool: {
      need(value.ints);
      std::vector<bool> flags;
      for (std::uint64_t i = 0; i < value.count; ++i) flags.push_back(value.ints[i] != 0);
      return flags;
    }
    case ParameterType::kInt:
    case ParameterType::kIntRange:
      need(value.ints);
      return read_numbers(value.ints, value.count, spec, where);
    case ParameterType::kFloat:
    case ParameterType::kFloatRange:
      need(value.floats);
      return read_numbers(value.floats, value.count, spec, where);
    default:
      need(value.strings);
      return read_texts(value, spec, where);
  }
}

std::vector<std::string> strings_of(std::uint64_t count, const char* const* list, const std::string& where) {
  std::vector<std::string> texts;
  if (count > 0 && list == nullptr) broken(where + ": a list of strings is null");
  for (std::uint64_t i = 0; i < count; ++i) {
    if (list[i] == nullptr) broken(where + ": a string is null");
    texts.emplace_back(list[i]);
  }
  return texts;
}

ParameterSpec read_spec(const osteon_param_spec* given, const std::string& component) {
  const osteon_param_spec copy = read(given, component + ": a parameter", OSTEON_PARAM_REQUIRED | OSTEON_PARAM_LIST);
  const osteon_param_spec* raw = &copy;
  if (!is_name(raw->name)) broken(component + ": a parameter's name is not [a-z][a-z0-9_]*");
  const std::string where = component + "." + raw->name;
  if (is_reserved(raw->name)) broken(where + ": this key belongs to recipes");
  if (raw->type < OSTEON_PARAM_BOOL || raw->type > OSTEON_PARAM_INT_RANGE)
    throw TooNew{"its parameter '" + std::string(raw->name) + "' is of type " + std::to_string(raw->type) +
                 ", which this host does not know"};
  ParameterSpec spec;
  spec.name = raw->name;
  spec.type = static_cast<ParameterType>(raw->type - OSTEON_PARAM_BOOL);
  spec.list = (raw->flags & OSTEON_PARAM_LIST) != 0;
  spec.doc = text_or_empty(raw->doc);
  spec.unit = text_or_empty(raw->unit);
  spec.minimum = raw->minimum;
  spec.maximum = raw->maximum;
  spec.min_count = raw->min_count;
  spec.max_count = raw->max_count;
  spec.choices = strings_of(raw->n_choices, raw->choices, where);
  spec.aliases = strings_of(raw->n_aliases, raw->aliases, where);
  for (const std::string& alias : spec.aliases) {
    if (!is_name(alias.c_str())) broken(where + ": its other name '" + alias + "' is not [a-z][a-z0-9_]*");
    if (is_reserved(alias)) broken(where + ": its other name '" + alias + "' is a key that belongs to recipes");
  }
  if (spec.doc.empty()) broken(where + ": it has no line of documentation");
  if (spec.type == ParameterType::kClasses && !spec.list) broken(where + ": class names are always a list");
  if (spec.type == ParameterType::kChoice && spec.choices.empty()) broken(where + ": a choice without choices");
  if (std::isnan(spec.minimum) || std::isnan(spec.maximum) || spec.minimum > spec.maximum)
    broken(where + ": its bounds are upside down");
  const bool required = (raw->flags & OSTEON_PARAM_REQUIRED) != 0;
  if (required != (raw->default_value == nullptr)) broken(where + ": a parameter is either required or has a default");
  if (!required) spec.default_value = read_default(*raw, spec, where);
  return spec;
}

// The functions that a kind cannot do without.
template <class Api, class... Functions>
bool complete(const void* raw, const std::string& name, Functions Api::*... functions) {
  const Api api = read(static_cast<const Api*>(raw), name + "'s functions");
  return (... && (api.*functions != nullptr));
}
bool has_functions(std::uint32_t kind, const void* raw, const std::string& name) {
  switch (kind) {
    case OSTEON_KIND_MODEL: {
      using A = osteon_model_api;
      return complete(raw, name, &A::create, &A::destroy, &A::info, &A::tensors, &A::set_trainable, &A::bind,
                      &A::parameters_changed, &A::move, &A::forward, &A::backward, &A::release_tape);
    }
    case OSTEON_KIND_LOSS: {
      using A = osteon_loss_api;
      return complete(raw, name, &A::create, &A::destroy, &A::evaluate);
    }
    case OSTEON_KIND_AUGMENTATION: {
      using A = osteon_augmentation_api;
      return complete(raw, name, &A::create, &A::destroy, &A::info) &&
             (complete(raw, name, &A::sample_warp) || complete(raw, name, &A::apply));
    }
    case OSTEON_KIND_POSTPROCESSOR: {
      using A = osteon_postprocessor_api;
      return complete(raw, name, &A::create, &A::destroy, &A::info, &A::process);
    }
    case OSTEON_KIND_ENSEMBLER: {
      using A = osteon_ensembler_api;
      return complete(raw, name, &A::create, &A::destroy, &A::info, &A::needed, &A::begin, &A::add, &A::finish);
    }
    default:
      return false;
  }
}

// What stands at the beginning of every component, whatever its version: kind, name, version.
osteon_component read_head(const osteon_component* given) {
  if (given == nullptr) broken("a component is null");
  osteon_component component{};
  try {
    // The flags are looked at later, when the component can be named.
    component = sdk::known(given, "a component", OSTEON_FLAGS_MUST);
  } catch (const sdk::Error& e) {
    broken(e.what());
  }
  if (!is_name(component.name)) broken("a component's name is not [a-z][a-z0-9_]*");
  if (component.version == nullptr || *component.version == '\0')
    broken(std::string(component.name) + ": it has no version");
  return component;
}

bool is_known_kind(std::uint32_t kind) { return kind >= OSTEON_KIND_MODEL && kind <= OSTEON_KIND_ENSEMBLER; }

std::string kind_text(std::uint32_t kind) {
  return is_known_kind(kind) ? to_string(static_cast<Kind>(kind - OSTEON_KIND_MODEL)) : "kind " + std::to_string(kind);
}

ComponentSchema read_component(const osteon_component* given) {
  const osteon_component copy = read_head(given);
  const osteon_component* raw = &copy;
  const std::string name = raw->name;
  if (!is_known_kind(raw->kind))
    throw TooNew{"it is of kind " + std::to_string(raw->kind) + ", which this host does not know"};
  read(given, name);  // its flags
  if (raw->api == nullptr || !has_functions(raw->kind, raw->api, name))
    broken(name + ": functions of its kind are missing");
  if (raw->n_params > 0 && raw->params == nullptr) broken(name + ": its parameters are null");
  if ((raw->n_devices > 0 && raw->devices == nullptr) || (raw->n_dtypes > 0 && raw->dtypes == nullptr))
    broken(name + ": its devices or element types are null");
  if (raw->n_devices == 0) broken(name + ": it lists no device");
  ComponentSchema schema;
  schema.name = name;
  schema.kind = static_cast<Kind>(raw->kind - OSTEON_KIND_MODEL);
  schema.version = raw->version;
  schema.doc = text_or_empty(raw->doc);
  schema.reference = text_or_empty(raw->reference);
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < raw->n_params; ++i) {
    schema.parameters.push_back(read_spec(raw->params[i], name));
    const ParameterSpec& spec = schema.parameters.back();
    bool fresh = names.insert(spec.name).second;
    for (const std::string& alias : spec.aliases) fresh = names.insert(alias).second && fresh;
    if (!fresh) broken(name + "." + spec.name + ": the name is taken twice");
  }
  schema.types = ask_types(*raw, schema);
  return schema;
}

}  // namespace

std::string abi_text(std::uint32_t abi_version) {
  return std::to_string(abi_version >> 16) + "." + std::to_string(abi_version & 0xffff);
}

std::string abi_refusal(std::uint32_t abi_version) {
  const std::uint32_t major = abi_version >> 16, minor = abi_version & 0xffff;
  if (major == OSTEON_ABI_MAJOR && (major != 0 || minor >= OSTEON_ABI_OLDEST_MINOR)) return "";
  const std::string takes = std::to_string(OSTEON_ABI_MAJOR) + "." + std::to_string(OSTEON_ABI_OLDEST_MINOR);
  return "was built for plugin ABI " + abi_text(abi_version) + ", and this host takes " + takes +
         " and what came after it within major version " + std::to_string(OSTEON_ABI_MAJOR) +
         "; build the plugin again with this host's SDK";
}

LibraryDescription describe(const osteon_plugin& plugin) {
  if (plugin.struct_size < 2 * sizeof(std::uint32_t)) broken("its struct is too small");
  if (const std::string why = abi_refusal(plugin.abi_version); !why.empty()) throw Error(ExitCode::kPlugin, why);
  osteon_plugin known{};
  try {
    known = read(&plugin, "the library's description");
  } catch (const TooNew& e) {
    throw Error(ExitCode::kPlugin, "is newer than this host: " + e.reason);
  }
  LibraryDescription description;
  description.abi_version = known.abi_version;
  description.name = text_or_empty(known.name);
  description.version = text_or_empty(known.version);
  if (description.name.empty()) broken("the library has no name");
  if (known.n_components == 0 || known.components == nullptr) broken("the library holds no component");
  std::set<std::tuple<std::uint32_t, std::string, std::string>> names;
  for (std::uint64_t i = 0; i < known.n_components; ++i) {
    const osteon_component head = read_head(known.components[i]);
    if (!names.insert({head.kind, head.name, head.version}).second)
      broken("two components are called '" + std::string(head.name) + "', and have one version");
    try {
      description.components.push_back(read_component(known.components[i]));
    } catch (const TooNew& e) {
      description.skipped.push_back({head.name, kind_text(head.kind), head.version, e.reason});
    }
  }
  return description;
}

LoadedComponent component_of(const osteon_plugin& plugin, Kind kind, const std::string& name,
                             const std::string& version) {
  const LibraryDescription description = describe(plugin);
  const ComponentSchema* found = highest(description.components, kind, name, version);
  const std::string wanted = "'" + name + "'" + (version.empty() ? "" : " of version " + version);
  if (found == nullptr)
    throw Error(ExitCode::kPlugin, "the library holds no " + std::string(to_string(kind)) + " " + wanted);
  LoadedComponent component;
  component.schema = *found;
  for (std::uint64_t i = 0; i < plugin.n_components; ++i) {
    const osteon_component head = read_head(plugin.components[i]);
    if (kind_text(head.kind) == to_string(kind) && head.name == name && head.version == found->version)
      component.component = plugin.components[i];
  }
  return component;
}

}  // namespace osteon::plugin
