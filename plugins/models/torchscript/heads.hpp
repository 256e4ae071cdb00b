// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <ATen/core/ivalue.h>

namespace osteon::models {

/// The outputs of a network in what its script returned, the main one first.
///
/// `names` says where they are: keys of a dict, fields of a named tuple, positions ("0", "1") in a tuple or list.
/// Without names it is the tensor itself, the first element of a tuple or list, or the entry "out" of a dict, as
/// torchvision's networks have it.
///
/// @param all  false: the main output alone, for a network may leave its other heads out when it predicts
/// Throws InvalidArgument, with what there is, for anything else.
std::vector<at::Tensor> heads_of(const c10::IValue& returned, const std::vector<std::string>& names, bool all);

/// "'out', 'aux'": the names that `names` can say; empty where there is one tensor alone.
std::string head_names(const c10::IValue& returned);

}  // namespace osteon::models
