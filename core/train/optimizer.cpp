// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.hpp"

#include <map>

#include <osteon/sdk/torch/compat.hpp>
#include <torch/optim/adamw.h>

#include "base/error.hpp"

namespace osteon::train {
namespace {

torch::optim::AdamWParamState& adamw_state(torch::optim::Optimizer& optimizer, const torch::Tensor& leaf) {
  auto& slot = optimizer.state()[sdk::compat::optimizer_key(leaf)];
  if (!slot) slot = std::make_unique<torch::optim::AdamWParamState>();
  return static_cast<torch::optim::AdamWParamState&>(*slot);
}

}  // namespace

Optimizer::Optimizer(const recipe::OptimizerSection& options, const std::vector<HostTensor>& tensors)
    : leaves_(trainable_leaves(tensors)) {
  for (const HostTensor& tensor : tensors)
    if (tensor.parameter) names_.push_back(tensor.name);
  torch::optim::AdamWOptions adamw(options.lr);
  adamw.betas({options.betas[0], options.betas[1]}).eps(options.eps).weight_decay(options.weight_decay);
  optimizer_ = std::make_unique<torch::optim::AdamW>(leaves_, adamw);
}

void Optimizer::step(double learning_rate) {
  for (auto& group : optimizer_->param_groups())
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(learning_rate);
  optimizer_->step();
}

NamedState Optimizer::state() const {
  NamedState state;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    auto& slot = adamw_state(*optimizer_, leaves_[i]);
    if (!slot.exp_avg().defined()) continue;  // no step has touched it so far
    state.emplace_back("exp_avg/" + names_[i], slot.exp_avg());
    state.emplace_back("exp_avg_sq/" + names_[i], slot.exp_avg_sq());
    state.emplace_back("step/" + names_[i], torch::tensor(slot.step(), torch::kInt64));
  }
  return state;
}

void Optimizer::load(const NamedState& state) {
  std::map<std::string, torch::Tensor> by_name(state.begin(), state.end());
  const auto take = [&](const std::string& name, const torch::Tensor& like) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) throw Error(ExitCode::kData, "the optimizer's state has no tensor '" + name + "'");
    if (like.defined() && !found->second.sizes().equals(like.sizes()))
      throw Error(ExitCode::kData,
                  "the optimizer's tensor '" + name + "' has another shape than the model's parameter");
    return found->second;
  };
  if (by_name.empty()) return;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    auto& slot = adamw_state(*optimizer_, leaves_[i]);
    slot.exp_avg(take("exp_avg/" + names_[i], leaves_[i]).clone());
    slot.exp_avg_sq(take("exp_avg_sq/" + names_[i], leaves_[i]).clone());
    slot.step(take("step/" + names_[i], {}).item<std::int64_t>());
  }
}

}  // namespace osteon::train
