// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "plugin/loss.hpp"
#include "plugin/model.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"
#include "train/target.hpp"

namespace osteon::train {

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
    std::vector<double> terms;         ///< per loss: its unweighted value on its own output, else on the main one; NaN
                                       ///< where that does not count
    std::vector<torch::Tensor> grads;  ///< per output: scale x d value / d logits, shape and dtype of the output;
                                       ///< undefined where the output does not count
  };

  /// Evaluates one output after another and frees each as it goes. Outputs smaller than the target are resized to it
  /// (bilinear, with the output's align_corners) and the gradient is brought back; the target is never resized.
  Result evaluate(const plugin::Call& call, std::vector<sdk::OwnedTensor> outputs, const Target& target,
                  double scale) const;

  const std::vector<std::string>& term_names() const noexcept { return names_; }

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
  /// Adds the losses on `logits`, which `native` was resized to; gives the gradient of native.
  torch::Tensor add_output(const plugin::Call& call, std::size_t index, const torch::Tensor& native,
                           const Target& target, double scale, Result& result) const;

  std::vector<Term> terms_;
  std::vector<std::string> names_;
  std::vector<plugin::ModelOutput> outputs_;
  std::vector<std::vector<Use>> uses_;  ///< by output
};

}  // namespace osteon::train
