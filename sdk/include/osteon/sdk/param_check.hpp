// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include <osteon/abi/params.h>
#include <osteon/sdk/error.hpp>

namespace osteon::sdk::detail {

/// Throws InvalidArgument unless `value` is one that the schema allows. A host has looked at what a recipe says before;
/// this is the plugin's own wall, which makes no assumption about who calls.
inline void check_value(const osteon_param_spec& spec, const osteon_value& given) {
  const osteon_value* value = &given;
  if (value->type != spec.type) throw InvalidArgument("of another type than the schema's");
  const bool list = (spec.flags & OSTEON_PARAM_LIST) != 0 || spec.type == OSTEON_PARAM_CLASSES;
  const bool range = spec.type == OSTEON_PARAM_FLOAT_RANGE || spec.type == OSTEON_PARAM_INT_RANGE;
  const std::uint64_t size = range ? 2 : 1, elements = value->count / size;
  if (value->count % size != 0 || (list ? elements < spec.min_count || elements > spec.max_count : elements != 1))
    throw InvalidArgument(std::to_string(value->count) + " is not how many values it takes");

  const bool integers =
      spec.type == OSTEON_PARAM_BOOL || spec.type == OSTEON_PARAM_INT || spec.type == OSTEON_PARAM_INT_RANGE;
  const bool floats = spec.type == OSTEON_PARAM_FLOAT || spec.type == OSTEON_PARAM_FLOAT_RANGE;
  const bool predictors = spec.type == OSTEON_PARAM_PREDICTOR;
  const bool there = value->count == 0 ||
                     (integers ? value->ints != nullptr
                      : floats ? value->floats != nullptr
                               : value->strings != nullptr) ||
                     (predictors && value->predictors != nullptr);
  if (!there) throw InvalidArgument("without values");
  for (std::uint64_t i = 0; i < value->count; ++i) {
    if (integers || floats) {
      const double number = integers ? static_cast<double>(value->ints[i]) : value->floats[i];
      if (std::isnan(number)) throw InvalidArgument("not a number");
      if (number < spec.minimum || number > spec.maximum)
        throw InvalidArgument(std::to_string(number) + " is out of its bounds");
      if (spec.type == OSTEON_PARAM_BOOL && value->ints[i] != 0 && value->ints[i] != 1)
        throw InvalidArgument(std::to_string(value->ints[i]) + " is neither 0 nor 1");
      if (range && i % 2 == 1 &&
          (integers ? value->ints[i - 1] > value->ints[i] : value->floats[i - 1] > value->floats[i]))
        throw InvalidArgument("a range whose low end is above its high one");
      continue;
    }
    if (predictors) continue;
    if (value->strings[i] == nullptr) throw InvalidArgument("a string is missing");
    bool known = spec.type != OSTEON_PARAM_CHOICE;
    for (std::uint64_t c = 0; c < spec.n_choices && !known; ++c)
      known = std::strcmp(spec.choices[c], value->strings[i]) == 0;
    if (!known) throw InvalidArgument("'" + std::string(value->strings[i]) + "' is none of its choices");
  }
}

}  // namespace osteon::sdk::detail
