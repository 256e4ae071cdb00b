// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "data/labels.hpp"
#include "plugin/postprocessor.hpp"

namespace osteon::predict {

/// When a class is set.
struct Decision {
  bool multiclass = false;         ///< true: the greatest value wins; thresholds do not count
  std::vector<double> thresholds;  ///< on probabilities, per class; set when the probability is greater
};

/// Masks of an image of `height` x `width` from a prediction of all classes, by rows: resize, compare and pack in one
/// go, so that no full-size float image is made. Logits are compared with the logit of the threshold. Bits are taken as
/// they are. Throws sdk::Error for a prediction that does not fit, NotFinite for one with a value that is none.
data::Labels decide(const osteon_call* call, const osteon_prediction& prediction, int classes, std::int64_t height,
                    std::int64_t width, const Decision& decision);

}  // namespace osteon::predict
