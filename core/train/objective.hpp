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

namespace osteon::train {

/// The truth of a batch, borrowed: planes int32 [N, P, H, W], valid uint8 [N, H, W] or undefined when all pixels are.
struct Target {
  torch::Tensor planes;
  torch::Tensor valid;
};

/// The training loss: the weighted sum of the recipe's losses over a model's outputs.
class Objective {
 public:
  Objective(const recipe::Recipe& recipe, plugin::Registry& registry, const plugin::ClassContext& classes,
            const std::vector<plugin::ModelOutput>& outputs, const plugin::Call& call);

  struct Result {
    double value = 0;                  ///< weighted sum over losses and heads, unscaled
    std::vector<double> terms;         ///< per loss: its unweighted value on the main output
    std::vector<torch::Tensor> grads;  ///< per output: scale x d value / d logits, shape and dtype of the output
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
  };
  std::vector<Term> terms_;
  std::vector<std::string> names_;
  std::vector<plugin::ModelOutput> outputs_;
  std::vector<double> head_weights_;
};

}  // namespace osteon::train
