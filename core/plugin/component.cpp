// SPDX-License-Identifier: Apache-2.0
#include "plugin/component.hpp"

#include <algorithm>
#include <deque>

#include <osteon/sdk/error.hpp>

#include "base/error.hpp"
#include "base/suggest.hpp"
#include "plugin/interrupt.hpp"

namespace osteon::plugin {

bool LoadedComponent::supports_device(std::int32_t type) const noexcept {
  return std::find(component->devices, component->devices + component->n_devices, type) !=
         component->devices + component->n_devices;
}

bool LoadedComponent::supports_dtype(osteon_dtype type) const noexcept {
  return std::any_of(component->dtypes, component->dtypes + component->n_dtypes,
                     [type](osteon_dtype other) { return other == type; });
}

namespace {

// One value's arrays. A deque holds them, because the ABI's structs point into them.
struct Storage {
  std::vector<std::int64_t> ints;
  std::vector<double> floats;
  std::vector<std::string> strings;
  std::vector<const char*> pointers;
  std::vector<const osteon_predictor*> predictors;
  osteon_value value{};
};

std::uint32_t abi_type(ParameterType type) {
  switch (type) {
    case ParameterType::kBool:
      return OSTEON_PARAM_BOOL;
    case ParameterType::kInt:
      return OSTEON_PARAM_INT;
    case ParameterType::kFloat:
      return OSTEON_PARAM_FLOAT;
    case ParameterType::kString:
      return OSTEON_PARAM_STRING;
    case ParameterType::kChoice:
      return OSTEON_PARAM_CHOICE;
    case ParameterType::kFloatRange:
      return OSTEON_PARAM_FLOAT_RANGE;
    case ParameterType::kPath:
      return OSTEON_PARAM_PATH;
    case ParameterType::kPredictor:
      return OSTEON_PARAM_PREDICTOR;
    case ParameterType::kClasses:
      return OSTEON_PARAM_CLASSES;
    case ParameterType::kIntRange:
      return OSTEON_PARAM_INT_RANGE;
  }
  return 0;
}

std::int64_t channel_of(const std::string& name, const ParameterSpec& spec, const ClassContext& classes) {
  const auto found = std::find(classes.names.begin(), classes.names.end(), name);
  if (found == classes.names.end())
    throw Error(ExitCode::kUsage, "parameter '" + spec.name + "' names the class '" + name +
                                      "', which the data does not have" + did_you_mean(name, classes.names));
  return found - classes.names.begin();
}

}  // namespace

struct ValueArray::State {
  std::deque<Storage> storage;
  std::vector<const osteon_value*> values;
};

ValueArray::ValueArray(const ComponentSchema& schema, const Parameters& parameters, const ClassContext& classes,
                       const PredictorResolver& resolver)
    : state_(std::make_unique<State>()) {
  if (parameters.size() != schema.parameters.size())
    throw Error(ExitCode::kUsage, schema.name + ": " + std::to_string(parameters.size()) +
                                      " parameter values for a schema of " + std::to_string(schema.parameters.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const ParameterSpec& spec = schema.parameters[i];
    Storage& s = state_->storage.emplace_back();
    if (const auto* bools = std::get_if<std::vector<bool>>(&parameters[i]))
      s.ints.assign(bools->begin(), bools->end());
    else if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&parameters[i]))
      s.ints = *ints;
    else if (const auto* floats = std::get_if<std::vector<double>>(&parameters[i]))
      s.floats = *floats;
    else
      s.strings = std::get<std::vector<std::string>>(parameters[i]);
    for (const std::string& text : s.strings) s.pointers.push_back(text.c_str());
    if (spec.type == ParameterType::kClasses)
      for (const std::string& name : s.strings) s.ints.push_back(channel_of(name, spec, classes));
    if (spec.type == ParameterType::kPredictor)
      for (const std::string& path : s.strings) {
        if (!resolver)
          throw Error(ExitCode::kUsage, schema.name + ": parameter '" + spec.name + "' names a predictor, which a " +
                                            to_string(schema.kind) + " cannot be given");
        s.predictors.push_back(resolver(path));
      }
    const std::size_t count = !s.pointers.empty() ? s.pointers.size()
                              : !s.floats.empty() ? s.floats.size()
                                                  : s.ints.size();
    s.value = sdk::sized<osteon_value>();
    s.value.type = abi_type(spec.type);
    s.value.count = count;
    if (!s.ints.empty()) s.value.ints = s.ints.data();
    if (!s.floats.empty()) s.value.floats = s.floats.data();
    if (!s.pointers.empty()) s.value.strings = s.pointers.data();
    if (!s.predictors.empty()) s.value.predictors = s.predictors.data();
    state_->values.push_back(&s.value);
  }
}

ValueArray::~ValueArray() = default;
const osteon_value* const* ValueArray::get() const noexcept { return state_->values.data(); }

namespace {

bool is_known(osteon_status status) { return status >= OSTEON_OK && status <= OSTEON_BAD_INPUT; }

}  // namespace

void check_call(const LoadedComponent& component, const char* call,
                const std::function<osteon_status(osteon_error*)>& function, const osteon_call* request) {
  sdk::ErrorBuffer error;
  const osteon_status status = [&] {
    const RunningCall running(std::string(to_string(component.schema.kind)) + " '" + component.schema.name + "'", call);
    return function(error.out());
  }();
  if (status == OSTEON_OK) return;
  const bool asked = request != nullptr && request->cancelled(request) != 0;
  if (status == OSTEON_CANCELLED && asked) throw Interrupted();
  const std::string where = std::string(to_string(component.schema.kind)) + " '" + component.schema.name + "'";
  const std::string named = where + ", " + call + ": ";
  const std::string text = error.text(), what = text.empty() ? "failed without saying why" : text;
  if (status == OSTEON_CANCELLED)
    throw Error(ExitCode::kPlugin, named + "says that it was cancelled, and nobody cancelled it");
  if (!is_known(status))
    throw Error(ExitCode::kPlugin, named + "returned status " + std::to_string(status) +
                                       ", which the ABI does not know" + (text.empty() ? "" : ": " + text));
  if (status == OSTEON_BAD_INPUT) throw Error(ExitCode::kData, named + what);
  if (status == OSTEON_OUT_OF_MEMORY || status == OSTEON_OUT_OF_DEVICE_MEMORY)
    throw Error(ExitCode::kResources, named + what);
  const bool refused = status == OSTEON_INVALID_ARGUMENT || status == OSTEON_UNSUPPORTED;
  if (refused && std::string(call) == "create") throw Error(ExitCode::kUsage, where + " cannot be made: " + what);
  if (status == OSTEON_UNSUPPORTED && std::string(call) == "set_trainable")
    throw Error(ExitCode::kUsage, where + " cannot be trained: " + what);
  throw Error(ExitCode::kPlugin, named + what);
}

}  // namespace osteon::plugin
