// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.hpp"

#include <cmath>
#include <map>

#include <ATen/ATen.h>
#include <torch/optim/adamw.h>
#include <torch/optim/rmsprop.h>
#include <osteon/sdk/torch/compat.hpp>

#include "base/error.hpp"

namespace osteon::train {

class Optimizer::Method {
 public:
  virtual ~Method() = default;
  virtual void step(double learning_rate) = 0;
  /// The names of the tensors that are kept for a parameter, each of its shape; a step count is kept beside them.
  virtual std::vector<const char*> kept() const = 0;
  /// Those tensors, none before the first step touched the parameter, and its count of steps.
  struct Slot {
    std::vector<torch::Tensor> tensors;
    std::int64_t steps = 0;
  };
  virtual Slot slot(const torch::Tensor& leaf) const = 0;
  virtual void set_slot(const torch::Tensor& leaf, const Slot& slot) = 0;
};

namespace {

/// What is trained, by whether it decays.
struct Leaves {
  std::vector<torch::Tensor> decaying, others;
};

/// A method by one of LibTorch's optimizers, whose options and whose state of a parameter have types of their own.
template <class Algorithm, class Options, class State>
class TorchMethod : public Optimizer::Method {
 public:
  TorchMethod(const Leaves& leaves, const Options& options) : algorithm_(groups(leaves, options), options) {}

  void step(double learning_rate) override {
    for (auto& group : algorithm_.param_groups()) static_cast<Options&>(group.options()).lr(learning_rate);
    algorithm_.step();
  }

 protected:
  /// nullptr before the first step: LibTorch takes a state that is there for one that it has filled.
  const State* find(const torch::Tensor& leaf) const {
    const auto found = algorithm_.state().find(sdk::compat::optimizer_key(leaf));
    return found == algorithm_.state().end() ? nullptr : static_cast<const State*>(found->second.get());
  }
  State& state(const torch::Tensor& leaf) {
    auto& slot = algorithm_.state()[sdk::compat::optimizer_key(leaf)];
    if (!slot) slot = std::make_unique<State>();
    return static_cast<State&>(*slot);
  }

 private:
  static std::vector<torch::optim::OptimizerParamGroup> groups(const Leaves& leaves, const Options& options) {
    std::vector<torch::optim::OptimizerParamGroup> groups;
    if (!leaves.decaying.empty()) groups.emplace_back(leaves.decaying, std::make_unique<Options>(options));
    if (!leaves.others.empty())
      groups.emplace_back(leaves.others, std::make_unique<Options>(Options(options).weight_decay(0)));
    return groups;
  }

  Algorithm algorithm_;
};

class AdamW final : public TorchMethod<torch::optim::AdamW, torch::optim::AdamWOptions, torch::optim::AdamWParamState> {
 public:
  AdamW(const Leaves& leaves, const recipe::OptimizerSection& o)
      : TorchMethod(
            leaves,
            torch::optim::AdamWOptions(o.lr).betas({o.betas[0], o.betas[1]}).eps(o.eps).weight_decay(o.weight_decay)),
        leaves_(leaves),
        options_(o) {}

  void step(double learning_rate) override {
    const bool on_cuda = (!leaves_.decaying.empty() && leaves_.decaying.front().is_cuda()) ||
                         (!leaves_.others.empty() && leaves_.others.front().is_cuda());
    if (!on_cuda) return TorchMethod::step(learning_rate);
    step_together(leaves_.decaying, learning_rate, options_.weight_decay);
    step_together(leaves_.others, learning_rate, 0);
  }
  std::vector<const char*> kept() const override { return {"exp_avg", "exp_avg_sq"}; }
  Slot slot(const torch::Tensor& leaf) const override {
    const auto* s = find(leaf);
    return s == nullptr ? Slot() : Slot{{s->exp_avg(), s->exp_avg_sq()}, s->step()};
  }
  void set_slot(const torch::Tensor& leaf, const Slot& slot) override {
    state(leaf).exp_avg(slot.tensors[0]).exp_avg_sq(slot.tensors[1]).step(slot.steps);
  }

 private:
  /// LibTorch's step for many parameters at once: on CUDA a call for each costs more than its arithmetic.
  void step_together(const std::vector<torch::Tensor>& leaves, double learning_rate, double weight_decay) {
    if (leaves.empty()) return;
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> grads, means, squares;
    std::int64_t steps = 0;
    for (const torch::Tensor& leaf : leaves) {
      auto& s = state(leaf);
      if (!s.exp_avg().defined()) s.exp_avg(at::zeros_like(leaf)).exp_avg_sq(at::zeros_like(leaf));
      steps = s.step() + 1;
      s.step(steps);
      grads.push_back(leaf.grad());
      means.push_back(s.exp_avg());
      squares.push_back(s.exp_avg_sq());
    }
    const double beta1 = options_.betas[0], beta2 = options_.betas[1];
    const double bias1 = 1 - std::pow(beta1, steps), bias2 = 1 - std::pow(beta2, steps);
    at::_foreach_mul_(leaves, 1 - learning_rate * weight_decay);
    at::_foreach_mul_(means, beta1);
    at::_foreach_add_(means, grads, 1 - beta1);
    at::_foreach_mul_(squares, beta2);
    at::_foreach_addcmul_(squares, grads, grads, 1 - beta2);
    std::vector<torch::Tensor> roots = at::_foreach_sqrt(squares);
    at::_foreach_div_(roots, std::sqrt(bias2));
    at::_foreach_add_(roots, options_.eps);
    at::_foreach_addcdiv_(leaves, means, roots, -learning_rate / bias1);
  }

  Leaves leaves_;
  recipe::OptimizerSection options_;
};

class RmsProp final
    : public TorchMethod<torch::optim::RMSprop, torch::optim::RMSpropOptions, torch::optim::RMSpropParamState> {
 public:
  RmsProp(const Leaves& leaves, const recipe::OptimizerSection& o)
      : TorchMethod(leaves, torch::optim::RMSpropOptions(o.lr)
                                .alpha(o.alpha)
                                .eps(o.eps)
                                .weight_decay(o.weight_decay)
                                .momentum(o.momentum)),
        momentum_(o.momentum > 0) {}
  std::vector<const char*> kept() const override {
    return momentum_ ? std::vector<const char*>{"square_avg", "momentum_buffer"}
                     : std::vector<const char*>{"square_avg"};
  }
  Slot slot(const torch::Tensor& leaf) const override {
    const auto* s = find(leaf);
    if (s == nullptr) return {};
    Slot slot{{s->square_avg()}, s->step()};
    if (momentum_) slot.tensors.push_back(s->momentum_buffer());
    return slot;
  }
  void set_slot(const torch::Tensor& leaf, const Slot& slot) override {
    auto& s = state(leaf).square_avg(slot.tensors[0]);
    s.step(slot.steps);
    if (momentum_) s.momentum_buffer(slot.tensors[1]);
  }

 private:
  bool momentum_;
};

std::unique_ptr<Optimizer::Method> make_method(const recipe::OptimizerSection& options, const Leaves& leaves) {
  if (options.name == "rmsprop") return std::make_unique<RmsProp>(leaves, options);
  return std::make_unique<AdamW>(leaves, options);
}

}  // namespace

Optimizer::Optimizer(const recipe::OptimizerSection& options, const std::vector<HostTensor>& tensors)
    : leaves_(trainable_leaves(tensors)) {
  Leaves leaves;
  for (const HostTensor& tensor : tensors) {
    if (!tensor.grad.defined()) continue;
    auto& group = options.decay == "all" || tensor.decays ? leaves.decaying : leaves.others;
    group.push_back(leaves_[names_.size()]);
    names_.push_back(tensor.name);
  }
  method_ = make_method(options, leaves);
}

Optimizer::~Optimizer() = default;

void Optimizer::step(double learning_rate) { method_->step(learning_rate); }

NamedState Optimizer::state() const {
  NamedState state;
  const auto kept = method_->kept();
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const Method::Slot slot = method_->slot(leaves_[i]);
    if (slot.tensors.empty()) continue;  // no step has touched it so far
    for (std::size_t k = 0; k < kept.size(); ++k)
      state.emplace_back(std::string(kept[k]) + "/" + names_[i], slot.tensors[k]);
    state.emplace_back("step/" + names_[i], torch::tensor(slot.steps, torch::kInt64));
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
  // Before the first step there is nothing, though averages may be kept already.
  const auto first_step = by_name.lower_bound("step/");
  if (first_step == by_name.end() || first_step->first.rfind("step/", 0) != 0) return;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    Method::Slot slot;
    for (const char* kept : method_->kept())
      slot.tensors.push_back(take(std::string(kept) + "/" + names_[i], leaves_[i])
                                 .to(leaves_[i].options(), /*non_blocking=*/false,
                                     /*copy=*/true));
    slot.steps = take("step/" + names_[i], {}).item<std::int64_t>();
    method_->set_slot(leaves_[i], slot);
  }
}

}  // namespace osteon::train
