// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>

#include <osteon/sdk/torch/guards.hpp>

namespace osteon::sdk {
namespace detail {

/// What a part of a network looked like when it first ran, so that it can run again just so: the mode of every layer,
/// the random numbers ahead, the precision.
class Snapshot {
 public:
  Snapshot(torch::nn::Module& part, at::Device device)
      : device_(device), precision_(compat::autocast_type(device.type())) {
    for (const auto& module : part.modules(/*include_self=*/true)) modes_.emplace_back(module, module->is_training());
    at::Generator generator = at::globalContext().defaultGenerator(device);
    const std::lock_guard<std::mutex> lock(generator.mutex());
    random_ = generator.get_state();
  }

  /// Runs `body` as it ran first. Running statistics, which that first run has updated, stay as they are.
  template <class Body>
  at::Tensor replay(Body&& body) const {
    const SeedGuard random(device_, random_);
    const Modes modes(modes_);
    std::optional<compat::AutocastGuard> precision;
    if (precision_) precision.emplace(device_.type(), *precision_);
    return body();
  }

 private:
  using Module = std::shared_ptr<torch::nn::Module>;
  using ModeList = std::vector<std::pair<Module, bool>>;

  /// Sets modes and hides running statistics from layers that would update them: without them such a layer computes the
  /// same and records nothing.
  class Modes {
   public:
    explicit Modes(const ModeList& wanted) {
      // Parents come first and take their children along, which are then set themselves.
      for (const auto& [module, training] : wanted) before_.emplace_back(module, module->is_training());
      for (const auto& [module, training] : wanted) module->train(training);
      for (const auto& [module, training] : wanted)
        if (training)
          hide<torch::nn::BatchNorm1d>(*module), hide<torch::nn::BatchNorm2d>(*module),
              hide<torch::nn::BatchNorm3d>(*module);
    }
    ~Modes() {
      for (auto& [slot, value] : hidden_) *slot = std::move(value);
      for (const auto& [module, training] : before_) module->train(training);
    }
    Modes(const Modes&) = delete;
    Modes& operator=(const Modes&) = delete;

   private:
    template <class Holder>
    void hide(torch::nn::Module& module) {
      auto* layer = module.as<Holder>();
      if (layer == nullptr) return;
      for (at::Tensor* slot : {&layer->running_mean, &layer->running_var, &layer->num_batches_tracked})
        hidden_.emplace_back(slot, std::exchange(*slot, at::Tensor()));
    }

    ModeList before_;
    std::vector<std::pair<at::Tensor*, at::Tensor>> hidden_;
  };

  at::Device device_;
  std::optional<at::ScalarType> precision_;
  ModeList modes_;
  at::Tensor random_;
};

/// The node of the graph that stands for a part whose inside was not kept: on the way back it runs the part again.
class RecomputeNode final : public torch::autograd::Node {
 public:
  using Body = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

  /// `inputs` are the first `n_inputs` of `leaves`; the part's parameters follow.
  RecomputeNode(Snapshot snapshot, Body body, const std::vector<at::Tensor>& leaves, std::size_t n_inputs)
      : snapshot_(std::move(snapshot)), body_(std::move(body)), n_inputs_(n_inputs) {
    for (const at::Tensor& leaf : leaves) leaves_.emplace_back(leaf, /*is_output=*/false);
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    torch::autograd::variable_list result(leaves_.size());
    if (!grads.at(0).defined()) return result;
    if (released_) throw Error(OSTEON_FAILED, "a recomputed part of the network goes back once");
    std::vector<at::Tensor> inputs, wanted;
    std::vector<std::size_t> slots;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      at::Tensor leaf = leaves_[i].unpack();
      const bool needed = leaf.defined() && leaf.requires_grad();
      if (i < n_inputs_) {
        if (leaf.defined()) leaf = leaf.detach().set_requires_grad(needed);
        inputs.push_back(leaf);
      }
      if (!needed || !task_should_compute_output(i)) continue;
      wanted.push_back(leaf);
      slots.push_back(i);
    }
    if (wanted.empty()) return result;
    const torch::AutoGradMode differentiable(true);
    const at::Tensor output = snapshot_.replay([&] { return body_(inputs); });
    const auto found = torch::autograd::grad({output}, wanted, {grads[0]}, /*retain_graph=*/false,
                                             /*create_graph=*/false, /*allow_unused=*/true);
    for (std::size_t i = 0; i < slots.size(); ++i) result[slots[i]] = found[i];
    return result;
  }

  void release_variables() override {
    leaves_.clear();
    leaves_.resize(num_outputs());
    released_ = true;
  }

 private:
  Snapshot snapshot_;
  Body body_;
  std::size_t n_inputs_;
  std::vector<torch::autograd::SavedVariable> leaves_;
  bool released_ = false;
};

}  // namespace detail

/// Runs `body(inputs)`, a part of a network, and keeps only its inputs for the way back, where the part runs once more:
/// memory for time. Gradients are the same; dropout draws the same numbers again, and running statistics of
/// normalisation are updated by the first run alone.
///
/// Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174.
///
/// @param part    the module whose parameters `body` uses, and all that it uses; held by a shared pointer
/// @param body    gives one tensor; changes none of its inputs; must stay callable until the tape is released
/// @param inputs  at least one; undefined tensors are passed on
/// Outside training, where nothing is kept anyway, this is body(inputs).
inline at::Tensor checkpoint(torch::nn::Module& part, detail::RecomputeNode::Body body,
                             const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> leaves = inputs;
  for (const at::Tensor& parameter : part.parameters()) leaves.push_back(parameter);
  bool differentiable = false;
  for (const at::Tensor& leaf : leaves) differentiable = differentiable || (leaf.defined() && leaf.requires_grad());
  if (!torch::GradMode::is_enabled() || !differentiable) return body(inputs);
  detail::Snapshot snapshot(part, inputs.at(0).device());
  at::Tensor output;
  {
    const torch::NoGradGuard keep_nothing;
    output = body(inputs);
  }
  const auto node =
      compat::make_node<detail::RecomputeNode>(std::move(snapshot), std::move(body), leaves, inputs.size());
  node->set_next_edges(torch::autograd::collect_next_edges(leaves));
  torch::autograd::set_history(output, node);
  return output;
}

}  // namespace osteon::sdk
