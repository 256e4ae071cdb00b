// SPDX-License-Identifier: Apache-2.0
#include "engine/validation_dice.hpp"

#include <memory>

#include "engine/device.hpp"
#include "engine/evaluation.hpp"
#include "engine/opener.hpp"
#include "engine/session.hpp"
#include "metrics/scores.hpp"
#include "predict/chain.hpp"
#include "predict/leaf.hpp"
#include "predict/predict.hpp"
#include "predict/tensor_cache.hpp"

namespace osteon::engine {

double validation_dice(const recipe::Recipe& recipe, plugin::Model& model, const data::Dataset& dataset,
                       const std::vector<int>& indices, osteon_device device, const Context& context,
                       data::BrokenSamples& broken, const plugin::Call& call) {
  predict::shared_cache().set_bound(static_cast<std::size_t>(recipe.predict.cache_mb) << 20);
  predict::LeafOptions options;
  options.plain = true;
  options.device = model_device(device);
  // The model is the trainer's; the leaf only borrows it for as long as this takes.
  const std::shared_ptr<const plugin::Model> borrowed(&model, [](const plugin::Model*) {});
  std::shared_ptr<const predict::Predictor> predictor =
      std::make_shared<predict::Leaf>(borrowed, recipe, class_context(recipe.data), std::move(options));
  if (recipe.train.validate_with == "chain") {
    Opener opener(context, recipe);
    predictor =
        predict::build_chain(predictor, recipe, *context.registry, opener.open_run(), predict::Extent::kUpToFitted)
            .predictor;
  }
  metrics::Scores scores(recipe.data.classes);
  evaluate_images(call, *predictor, predict::decision_of(recipe), dataset, indices, broken, "validating", scores);
  return scores.dice().mean;
}

}  // namespace osteon::engine
