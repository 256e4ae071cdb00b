// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace osteon::models {

/// What is known of an operator of ONNX before anything runs it.
struct OperatorRule {
  std::string_view type;
  std::size_t inputs = 1;        ///< that it cannot be without
  bool float_constants = false;  ///< its constants are weights, and are read as floats whatever they are
};

/// Of an operator that is not known here: one input, any constants.
OperatorRule rule_of(std::string_view type);

/// What a node's parameter is, and so which values it can have.
struct ParameterRule {
  std::string_view type;       ///< of the node that has it as an input; empty: it is an attribute, of any node
  std::size_t input;           ///< which of the node's
  std::string_view attribute;  ///< its name, where it is one
  double least, greatest;
  bool zero = true;  ///< whether it may be 0, where that lies between
};

/// All parameters that say where and how large. OpenCV (4.6) indexes, resizes and divides by most of them unseen.
const std::vector<ParameterRule>& parameter_rules();

}  // namespace osteon::models
