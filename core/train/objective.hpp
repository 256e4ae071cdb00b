// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "base/error.hpp"
#include "plugin/loss.hpp"
#include "plugin/model.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"
#include "train/target.hpp"

namespace osteon::train {

/// A loss, or its gradient, is not finite. Says whose fault that is, and of which class and image.
class NotFinite : public Error {
 public:
  NotFinite(const std::string& message, bool by_model) : Error(ExitCode::kPlugin, message), by_model_(by_model) {}
  /// The model's outputs were not finite to begin with; no loss can make something of them.
  bool by_model() const noexcept { return by_model_; }

 private:
  bool by_model_;
};

/// The training loss: the weighted sum of the recipe's losses over a model's outputs.
///
/// A loss with `output` is for that output alone; others are for the main and the auxiliary ones. What an output counts
/// is what train.head_weights says, else 1 for a loss that names it and the model's own weight for others. Outputs that
/// say which classes are present get that as their target; without a loss that names one it does not count.
class Objective {
 public:
  /// Throws Error(kUsage), with the place in the recipe, for names of outputs that the model does not have and for
  /// losses that refuse what the data will say (see osteon_loss_input), which it tries on a few pixels.
  Objective(const recipe::Recipe& recipe, plugin::Registry& registry, const plugin::ClassContext& classes,
            const std::vector<plugin::ModelOutput>& outputs, const plugin::Call& call);

  struct Result {
    double value = 0;                  ///< weighted sum over losses and heads, unscaled
    std::vector<torch::Tensor> grads;  ///< per output: scale x d value / d logits, shape and dtype of the output;
                                       ///< undefined where the output does not count
  };

  /// Evaluates one output after another and frees each as it goes. Outputs smaller than the target are resized to it
  /// (bilinear, with the output's align_corners) and the gradient is brought back; the target is never resized. Throws
  /// NotFinite for a value that is not finite, and for a gradient that a loss makes so of finite logits; one that only
  /// `scale` makes so is the caller's to find.
  Result evaluate(const plugin::Call& call, std::vector<sdk::OwnedTensor> outputs, const Target& target,
                  double scale) const;

 private:
  struct Term {
    std::unique_ptr<plugin::Loss> loss;
    double weight;
    std::string output;  ///< empty: main and auxiliary ones
  };
  /// A loss on an output.
  struct Use {
    std::size_t term;
    double head_weight;  ///< not 0
  };

  void check_names(const recipe::Recipe& recipe) const;
  std::vector<Use> uses_of(const plugin::ModelOutput& output, const recipe::Recipe& recipe) const;
  void try_out(const recipe::Recipe& recipe, const plugin::ClassContext& classes, const plugin::Call& call) const;
  /// One loss on an output; sets `input.grad` to its gradient times `scale` and returns its unweighted value.
  double evaluate_use(const plugin::Call& call, const Use& use, osteon_loss_input input, double scale) const;
  /// Says whose fault a value is that is not finite.
  [[noreturn]] void blame_for_value(const plugin::Call& call, const Use& use, std::size_t index, double value,
                                    const torch::Tensor& logits, const Target& target) const;
  /// "class 'Radius', image 'x.png'": of which image's logits, and of which class among them, a loss alone gives a
  /// value that is not finite. Where it takes several together: those.
  std::string cause_of_value(const plugin::Call& call, const Use& use, const torch::Tensor& logits,
                             const Target& target) const;
  /// The value of a loss, without a gradient.
  double value_of(const plugin::Call& call, const Use& use, const torch::Tensor& logits, const Target& target) const;
  /// Throws NotFinite if one of the losses on an output makes a gradient that is not finite of finite logits.
  void blame_for_gradient(const plugin::Call& call, std::size_t index, const torch::Tensor& logits,
                          const Target& target) const;
  /// "output 'main', class 'Radius', image 'x.png'": the first place in a tensor [N, K, H, W] that is not finite; empty
  /// where all of it is.
  std::string place_in(const torch::Tensor& tensor, std::size_t index, const Target& target) const;
  /// Adds the losses on `logits`, which `native` was resized to; gives the gradient of native.
  torch::Tensor add_output(const plugin::Call& call, std::size_t index, const torch::Tensor& native,
                           const Target& target, double scale, Result& result) const;

  std::vector<Term> terms_;
  std::vector<std::string> names_;
  std::vector<std::string> classes_;
  std::vector<plugin::ModelOutput> outputs_;
  std::vector<std::vector<Use>> uses_;  ///< by output
};

}  // namespace osteon::train
