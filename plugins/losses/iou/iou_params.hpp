// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "overlap/overlap_params.hpp"

/// What iou.cpp computes in two passes on the CPU and iou_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

struct IouParams : OverlapParams {
  static void schema(sdk::Schema<IouParams>& s) { schema_of(s); }
};

}  // namespace osteon::losses
