// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "support/model_checks.hpp"
#include "unet.hpp"

namespace osteon::models {

using test::ModelUnderTest;
using test::random_tensor;
using test::RecordingCall;

/// Small enough for a test of seconds: 8..64 channels.
inline ModelUnderTest::Values narrow(const std::string& encoder = "resnet18",
                                     const std::string& upsampling = "nearest") {
  ModelUnderTest::Values values;
  values.strings = {{"encoder", encoder}, {"upsampling", upsampling}};
  values.ints["decoder_channels"] = {16, 16, 8, 8};
  if (encoder != "basic") values.ints["decoder_channels"].push_back(8);
  values.floats["width"] = 0.125;
  return values;
}

}  // namespace osteon::models
