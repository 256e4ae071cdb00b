// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <torch/csrc/jit/api/module.h>

namespace osteon::models {

/// The operation that makes an output of a script's forward, such as "aten::sigmoid", past those that only move, cast
/// or resize its values. Empty where that hangs on a branch, or the code does not show it.
///
/// @param output  as heads_of() takes it: the key of a dict, the position in a tuple or list; empty: as is usual
std::string last_operation(const torch::jit::Module& script, const std::string& output);

}  // namespace osteon::models
