// SPDX-License-Identifier: Apache-2.0
#include "plugin/descriptor.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <osteon/abi/all.h>

#include "base/error.hpp"

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
  static const std::set<std::string> kReserved = {"plugin", "p",     "weight", "weights", "strict",
                                                  "stem",   "group", "steps",  "count",   "member"};
  return kReserved.count(name) > 0;
}

ParameterValue read_default(const osteon_param_spec& raw, const ParameterSpec& spec, const std::string& where) {
  const osteon_value& value = *raw.default_value;
  if (value.type != raw.type) broken(where + ": its default has another type");
  const auto need = [&](const void* array) {
    if (array == nullptr && value.count > 0) broken(where + ": its default has no elements where its type keeps them");
  };
  if (!spec.list && value.count != (spec.type == ParameterType::kFloatRange ? 2u : 1u))
    broken(where + ": its default has " + std::to_string(value.count) + " elements");
  if (spec.list && (value.count < spec.min_count || value.count > spec.max_count))
    broken(where + ": its default has " + std::to_string(value.count) + " elements, outside its own limits");
  const auto check_bounds = [&](double number) {
    if (!(number >= spec.minimum && number <= spec.maximum)) broken(where + ": its default breaks its own bounds");
  };
  switch (spec.type) {
    case ParameterType::kBool: {
      need(value.ints);
      std::vector<bool> flags;
      for (std::uint64_t i = 0; i < value.count; ++i) flags.push_back(value.ints[i] != 0);
      return flags;
    }
    case ParameterType::kInt: {
      need(value.ints);
      std::for_each(value.ints, value.ints + value.count,
                    [&](std::int64_t v) { check_bounds(static_cast<double>(v)); });
      return std::vector<std::int64_t>(value.ints, value.ints + value.count);
    }
    case ParameterType::kFloat:
    case ParameterType::kFloatRange: {
      need(value.floats);
      std::for_each(value.floats, value.floats + value.count, check_bounds);
      if (spec.type == ParameterType::kFloatRange && !spec.list && value.floats[0] > value.floats[1])
        broken(where + ": its default runs downwards");
      return std::vector<double>(value.floats, value.floats + value.count);
    }
    default: {
      need(value.strings);
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

ParameterSpec read_spec(const osteon_param_spec* raw, const std::string& component) {
  if (raw == nullptr) broken(component + ": a parameter is null");
  if (raw->struct_size < sizeof(osteon_param_spec)) broken(component + ": a parameter's struct is too small");
  if (!is_name(raw->name)) broken(component + ": a parameter's name is not [a-z][a-z0-9_]*");
  const std::string where = component + "." + raw->name;
  if (is_reserved(raw->name)) broken(where + ": this key belongs to recipes");
  if (raw->type < OSTEON_PARAM_BOOL || raw->type > OSTEON_PARAM_CLASSES)
    broken(where + ": unknown type " + std::to_string(raw->type));
  if ((raw->flags & ~static_cast<std::uint32_t>(OSTEON_PARAM_REQUIRED | OSTEON_PARAM_LIST)) != 0)
    broken(where + ": unknown flags");
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
    if (!is_name(alias.c_str())) broken(where + ": its old name '" + alias + "' is not [a-z][a-z0-9_]*");
    if (is_reserved(alias)) broken(where + ": its old name '" + alias + "' is a key that belongs to recipes");
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
bool has_functions(std::uint32_t kind, const void* raw) {
  const auto complete = [](const auto* api, auto... functions) {
    return api->struct_size >= sizeof *api && (... && (functions != nullptr));
  };
  switch (kind) {
    case OSTEON_KIND_MODEL: {
      const auto* a = static_cast<const osteon_model_api*>(raw);
      return complete(a, a->create, a->destroy, a->info, a->tensors, a->set_trainable, a->parameters_changed, a->move,
                      a->forward, a->backward, a->release_tape);
    }
    case OSTEON_KIND_LOSS: {
      const auto* a = static_cast<const osteon_loss_api*>(raw);
      return complete(a, a->create, a->destroy, a->evaluate);
    }
    case OSTEON_KIND_AUGMENTATION: {
      const auto* a = static_cast<const osteon_augmentation_api*>(raw);
      return complete(a, a->create, a->destroy, a->info) && (a->sample_warp != nullptr || a->apply != nullptr);
    }
    case OSTEON_KIND_POSTPROCESSOR: {
      const auto* a = static_cast<const osteon_postprocessor_api*>(raw);
      return complete(a, a->create, a->destroy, a->info, a->process);
    }
    case OSTEON_KIND_ENSEMBLER: {
      const auto* a = static_cast<const osteon_ensembler_api*>(raw);
      return complete(a, a->create, a->destroy, a->info, a->needed, a->begin, a->add, a->finish);
    }
    default:
      return false;
  }
}

ComponentSchema read_component(const osteon_component* raw) {
  if (raw == nullptr) broken("a component is null");
  if (raw->struct_size < sizeof(osteon_component)) broken("a component's struct is too small");
  if (!is_name(raw->name)) broken("a component's name is not [a-z][a-z0-9_]*");
  const std::string name = raw->name;
  if (raw->kind < OSTEON_KIND_MODEL || raw->kind > OSTEON_KIND_ENSEMBLER)
    broken(name + ": unknown kind " + std::to_string(raw->kind));
  if (raw->version == nullptr || *raw->version == '\0') broken(name + ": it has no version");
  if (raw->api == nullptr || !has_functions(raw->kind, raw->api)) broken(name + ": functions of its kind are missing");
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
  return schema;
}

}  // namespace

std::string abi_text(std::uint32_t abi_version) {
  return std::to_string(abi_version >> 16) + "." + std::to_string(abi_version & 0xffff);
}

bool abi_fits(std::uint32_t abi_version) noexcept {
  if ((abi_version >> 16) != OSTEON_ABI_MAJOR) return false;
  return OSTEON_ABI_MAJOR != 0 || (abi_version & 0xffff) == OSTEON_ABI_MINOR;
}

LibraryDescription describe(const osteon_plugin& plugin) {
  if (plugin.struct_size < 2 * sizeof(std::uint32_t)) broken("its struct is too small");
  if (!abi_fits(plugin.abi_version))
    throw Error(ExitCode::kPlugin, "built for plugin ABI " + abi_text(plugin.abi_version) + ", this host has " +
                                       abi_text(OSTEON_ABI_VERSION) + "; rebuild the plugin against this host's SDK");
  if (plugin.struct_size < sizeof plugin) broken("its struct is too small");
  LibraryDescription description;
  description.abi_version = plugin.abi_version;
  description.name = text_or_empty(plugin.name);
  description.version = text_or_empty(plugin.version);
  if (description.name.empty()) broken("the library has no name");
  if (plugin.n_components == 0 || plugin.components == nullptr) broken("the library holds no component");
  std::set<std::pair<Kind, std::string>> names;
  for (std::uint64_t i = 0; i < plugin.n_components; ++i) {
    description.components.push_back(read_component(plugin.components[i]));
    const ComponentSchema& schema = description.components.back();
    if (!names.insert({schema.kind, schema.name}).second) broken("two components are called '" + schema.name + "'");
  }
  return description;
}

LoadedComponent component_of(const osteon_plugin& plugin, Kind kind, const std::string& name) {
  const LibraryDescription description = describe(plugin);
  for (std::size_t i = 0; i < description.components.size(); ++i)
    if (description.components[i].kind == kind && description.components[i].name == name) {
      LoadedComponent component;
      component.component = plugin.components[i];
      component.schema = description.components[i];
      return component;
    }
  throw Error(ExitCode::kPlugin, "the library holds no " + std::string(to_string(kind)) + " '" + name + "'");
}

}  // namespace osteon::plugin
