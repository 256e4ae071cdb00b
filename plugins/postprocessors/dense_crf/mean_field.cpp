// SPDX-License-Identifier: Apache-2.0
#include "mean_field.hpp"

#include <algorithm>

#include "mean_field_run.hpp"

namespace osteon::dense_crf {

MeanField::MeanField(const Tiling& tiling, std::vector<Kernel> kernels, const MeanFieldOptions& options)
    : tiling_(tiling), kernels_(std::move(kernels)), options_(options) {}

MeanFieldReport MeanField::run(const sdk::Call& call, float* logits, std::int64_t classes) const {
  Run run(call, *this, logits, classes);
  if (options_.labels == Labels::kExclusive) {
    run.infer(0, classes);
  } else {
    for (std::int64_t first = 0; first < classes; first += kLanes) run.infer(first, std::min(kLanes, classes - first));
  }
  return run.report();
}

}  // namespace osteon::dense_crf
