// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "encoders/encoder.hpp"

/// The encoders by tier: one of each kind, and all others for the long one.
namespace osteon::test {

inline const std::vector<std::string> kTypicalEncoders = {"resnet18", "resnet50", "efficientnet-b0", "basic"};

inline std::vector<std::string> other_encoders() {
  std::vector<std::string> names = encoders::encoder_names();
  const auto typical = [](const std::string& name) {
    return std::find(kTypicalEncoders.begin(), kTypicalEncoders.end(), name) != kTypicalEncoders.end();
  };
  names.erase(std::remove_if(names.begin(), names.end(), typical), names.end());
  return names;
}

inline std::string encoder_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace osteon::test
