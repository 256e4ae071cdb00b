// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

/// What names of weights tell of where they lie.
namespace osteon::layers {

inline bool begins_with(const std::string& name, const std::string& prefix) {
  return name.compare(0, prefix.size(), prefix) == 0;
}

/// The number that follows `before` at the beginning of `name`: 3 of "layer3.0.conv1.weight" behind "layer"; -1 where
/// there is none.
inline std::int64_t number_behind(const std::string& before, const std::string& name) {
  const auto is_digit = [&name](std::size_t at) { return at < name.size() && name[at] >= '0' && name[at] <= '9'; };
  std::size_t at = before.size();
  if (!begins_with(name, before) || !is_digit(at)) return -1;
  std::int64_t number = 0;
  for (; is_digit(at); ++at) number = number * 10 + (name[at] - '0');
  return number;
}

}  // namespace osteon::layers
