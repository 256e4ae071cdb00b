// SPDX-License-Identifier: Apache-2.0
#include "train/ema.hpp"

#include <algorithm>
#include <map>

#include <torch/utils.h>

#include "base/error.hpp"

namespace osteon::train {

MovingAverage::MovingAverage(double decay, const std::vector<HostTensor>& tensors) : decay_(decay) {
  if (!active()) return;
  tensors_ = tensors;
  for (const HostTensor& tensor : tensors_) averages_.push_back(tensor.value.detach().clone());
}

void MovingAverage::update() {
  if (!active()) return;
  const torch::NoGradGuard no_grad;
  const double n = static_cast<double>(++updates_);
  const double decay = std::min(decay_, (1 + n) / (10 + n));
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].parameter)
      averages_[i].lerp_(tensors_[i].value, 1 - decay);
    else
      averages_[i].copy_(tensors_[i].value);
  }
}

void MovingAverage::swap() {
  if (!active()) return;
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const torch::Tensor kept = tensors_[i].value.clone();
    tensors_[i].value.copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
}

NamedState MovingAverage::state() const {
  NamedState state;
  if (!active()) return state;
  for (std::size_t i = 0; i < tensors_.size(); ++i) state.emplace_back("average/" + tensors_[i].name, averages_[i]);
  state.emplace_back("average_updates", torch::tensor(updates_, torch::kInt64));
  return state;
}

void MovingAverage::load(const NamedState& state) {
  if (!active()) return;
  const std::map<std::string, torch::Tensor> by_name(state.begin(), state.end());
  const auto take = [&](const std::string& name) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) throw Error(ExitCode::kData, "the checkpoint has no tensor '" + name + "'");
    return found->second;
  };
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors_.size(); ++i) averages_[i].copy_(take("average/" + tensors_[i].name));
  updates_ = take("average_updates").item<std::int64_t>();
}

}  // namespace osteon::train
