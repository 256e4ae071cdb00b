// SPDX-License-Identifier: Apache-2.0
#include "plugin/type_table.hpp"

#include <algorithm>
#include <deque>
#include <string>

#include <osteon/sdk/known.hpp>

#include "base/error.hpp"

namespace osteon::plugin {
namespace {

using sdk::Beneath;

bool decides(const ParameterSpec& spec) {
  return !spec.list && (spec.type == ParameterType::kBool || spec.type == ParameterType::kChoice);
}

std::vector<std::string> choices_of(const ParameterSpec& spec) {
  return spec.type == ParameterType::kBool ? std::vector<std::string>{"false", "true"} : spec.choices;
}

// All combinations, each with a value for every parameter that decides; none where there are too many.
std::vector<std::vector<std::string>> combinations_of(const ComponentSchema& schema) {
  std::vector<std::vector<std::string>> all = {{}};
  for (const ParameterSpec& spec : schema.parameters) {
    if (!decides(spec)) continue;
    std::vector<std::vector<std::string>> longer;
    for (const auto& combination : all)
      for (const std::string& choice : choices_of(spec)) {
        longer.push_back(combination);
        longer.back().push_back(choice);
      }
    if (longer.size() > kMostCombinations) return {};
    all = std::move(longer);
  }
  return all;
}

/// Values as the ABI wants them: one for each parameter, NULL but for those that decide.
class SomeValues {
 public:
  SomeValues(const ComponentSchema& schema, const std::vector<std::string>& combination) {
    auto next = combination.begin();
    for (const ParameterSpec& spec : schema.parameters) {
      pointers_.push_back(nullptr);
      if (!decides(spec)) continue;
      Storage& s = storage_.emplace_back();
      s.text = next->c_str();
      s.flag = *next++ == "true" ? 1 : 0;
      s.value = sdk::sized<osteon_value>();
      s.value.count = 1;
      const bool flag = spec.type == ParameterType::kBool;
      s.value.type = flag ? OSTEON_PARAM_BOOL : OSTEON_PARAM_CHOICE;
      if (flag)
        s.value.ints = &s.flag;
      else
        s.value.strings = &s.text;
      pointers_.back() = &s.value;
    }
  }
  const osteon_value* const* get() const noexcept { return pointers_.data(); }

 private:
  struct Storage {
    const char* text = nullptr;
    std::int64_t flag = 0;
    osteon_value value{};
  };
  std::deque<Storage> storage_;
  std::vector<const osteon_value*> pointers_;
};

// One answer; nullopt where it is a failure, or newer than this host.
template <class Api, class Info>
std::optional<ComponentType> ask(const Api& api, const SomeValues& values, const Beneath& beneath, const Info& empty,
                                 std::uint32_t known_flags) {
  auto below = sdk::sized<osteon_beneath>();
  below.labels = beneath.multiclass ? std::uint32_t{OSTEON_LABELS_MULTICLASS} : std::uint32_t{OSTEON_LABELS_MULTILABEL};
  below.gives_forms = beneath.gives_forms;
  below.gives_grids = beneath.gives_grids;
  Info info = empty;
  sdk::ErrorBuffer error;
  if (api.types(values.get(), &below, &info, error.out()) != OSTEON_OK) return std::nullopt;
  if (OSTEON_FLAGS_UNKNOWN(info.flags, known_flags) != 0) return std::nullopt;
  return type_of(info);
}

bool within(std::uint32_t some, std::uint32_t all) { return some != 0 && (some & ~all) == 0; }

[[noreturn]] void broken(const ComponentSchema& schema, const std::string& what) {
  throw Error(ExitCode::kPlugin, "broken descriptor: " + schema.name + ": " + what);
}

void expect_type(const ComponentSchema& schema, const ComponentType& type) {
  const bool shaped = schema.kind == Kind::kEnsembler || type.shape == OSTEON_POSTPROCESSOR_MAP ||
                      type.shape == OSTEON_POSTPROCESSOR_WRAPPER;
  if (!shaped || !within(type.needs_forms, Beneath::kForms) || !within(type.needs_grids, Beneath::kGrids) ||
      !within(type.gives_forms, Beneath::kForms) || !within(type.gives_grids, Beneath::kGrids))
    broken(schema, "its types need or give nothing, or something unknown");
}

void add_less(const ComponentSchema& schema, const Beneath& beneath, const ComponentType& type, TypeRow& row) {
  ComponentType same = type;
  same.gives_forms = row.whole.gives_forms;
  same.gives_grids = row.whole.gives_grids;
  if (!(same == row.whole)) broken(schema, "what its types need depends on what lies beneath");
  if (!within(type.gives_forms, row.whole.gives_forms) || !within(type.gives_grids, row.whole.gives_grids))
    broken(schema, "its types give nothing over some predictors, or more than over one that gives everything");
  if (!(type == row.whole))
    row.less.push_back({beneath.gives_forms, beneath.gives_grids, type.gives_forms, type.gives_grids});
}

template <class Api, class Info>
std::vector<TypeRow> ask_all(const Api& api, const ComponentSchema& schema, const Info& empty,
                             std::uint32_t known_flags) {
  std::vector<TypeRow> rows;
  if (api.types == nullptr) return rows;
  for (const auto& combination : combinations_of(schema)) {
    const SomeValues values(schema, combination);
    for (const bool multiclass : {false, true}) {
      TypeRow row{combination, multiclass, {}, {}};
      const auto whole = ask(api, values, Beneath{multiclass}, empty, known_flags);
      if (!whole) continue;
      expect_type(schema, *whole);
      row.whole = *whole;
      bool known = true;
      for (std::uint32_t forms = 1; forms < 8; ++forms)
        for (std::uint32_t grids = 1; grids < 4; ++grids) {
          const Beneath beneath{multiclass, forms << 1, grids << 1};
          // What is beneath a component gives what that needs, or is not beneath it.
          if ((row.whole.needs_forms & beneath.gives_forms) == 0 || (row.whole.needs_grids & beneath.gives_grids) == 0)
            continue;
          const auto type = ask(api, values, beneath, empty, known_flags);
          known = known && type.has_value();
          if (type) add_less(schema, beneath, *type, row);
        }
      if (known) rows.push_back(std::move(row));
    }
  }
  return rows;
}

template <class Api>
Api functions_of(const osteon_component& component) {
  return sdk::known(static_cast<const Api*>(component.api), "the functions of its kind");
}

}  // namespace

std::vector<TypeRow> ask_types(const osteon_component& component, const ComponentSchema& schema) {
  switch (schema.kind) {
    case Kind::kPostprocessor:
      return ask_all(functions_of<osteon_postprocessor_api>(component), schema, sdk::sized<osteon_postprocessor_info>(),
                     OSTEON_POSTPROCESSOR_FITS);
    case Kind::kEnsembler:
      return ask_all(functions_of<osteon_ensembler_api>(component), schema, sdk::sized<osteon_ensembler_info>(),
                     OSTEON_ENSEMBLER_FITS);
    default:
      return {};
  }
}

std::optional<ComponentType> type_of(const ComponentSchema& schema, const Parameters& parameters,
                                     const Beneath& beneath) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < schema.parameters.size() && i < parameters.size(); ++i) {
    if (!decides(schema.parameters[i])) continue;
    if (const auto* flags = std::get_if<std::vector<bool>>(&parameters[i]); flags != nullptr && flags->size() == 1)
      values.push_back((*flags)[0] ? "true" : "false");
    else if (const auto* texts = std::get_if<std::vector<std::string>>(&parameters[i]);
             texts != nullptr && texts->size() == 1)
      values.push_back((*texts)[0]);
    else
      return std::nullopt;
  }
  for (const TypeRow& row : schema.types) {
    if (row.multiclass != beneath.multiclass || row.values != values) continue;
    ComponentType type = row.whole;
    for (const TypeRow::Less& less : row.less)
      if (less.beneath_forms == (beneath.gives_forms & Beneath::kForms) &&
          less.beneath_grids == (beneath.gives_grids & Beneath::kGrids)) {
        type.gives_forms = less.gives_forms;
        type.gives_grids = less.gives_grids;
      }
    return type;
  }
  return std::nullopt;
}

ComponentType type_of(const osteon_postprocessor_info& info) noexcept {
  return {info.flags, info.shape, info.needs_forms, info.needs_grids, info.gives_forms, info.gives_grids};
}

ComponentType type_of(const osteon_ensembler_info& info) noexcept {
  const auto set = [](std::uint32_t form) {
    return form >= OSTEON_FORM_LOGITS && form <= OSTEON_FORM_BITS ? OSTEON_SET(form) : 0;
  };
  return {info.flags, 0, set(info.takes), Beneath::kGrids, set(info.gives), OSTEON_SET(OSTEON_GRID_IMAGE)};
}

}  // namespace osteon::plugin
