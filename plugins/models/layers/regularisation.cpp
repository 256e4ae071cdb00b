// SPDX-License-Identifier: Apache-2.0
#include "regularisation.hpp"

namespace osteon::layers {

at::Tensor drop_path(const at::Tensor& branch, double probability, bool training) {
  if (probability == 0 || !training) return branch;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(branch.dim()), 1);
  shape[0] = branch.size(0);
  const double keep = 1 - probability;
  return branch * at::empty(shape, branch.options()).bernoulli_(keep).div_(keep);
}

std::vector<double> drop_path_rates(std::int64_t blocks, double last) {
  std::vector<double> rates;
  for (std::int64_t i = 0; i < blocks; ++i)
    rates.push_back(blocks > 1 ? last * static_cast<double>(i) / static_cast<double>(blocks - 1) : 0);
  return rates;
}

}  // namespace osteon::layers
