// SPDX-License-Identifier: Apache-2.0
#include "engine/inference_record.hpp"

#include "engine/environment.hpp"

namespace osteon::engine {

nlohmann::json inference_record(const recipe::Recipe& recipe, const OpenedRun& run, const Context& context) {
  nlohmann::json models = nlohmann::json::array();
  for (const OpenedModel& opened : run.models) {
    nlohmann::json plan = nlohmann::json::array();
    const std::shared_ptr<const plugin::Model> model = opened.model->if_open();
    if (recipe.predict.path != "plain") plan = model ? nlohmann::json(model->inference_plan()) : nullptr;
    models.push_back({{"who", opened.who}, {"plan", std::move(plan)}});
  }
  return {{"path", recipe.predict.path},
          {"threads", context.threads},
          {"instruction_set", prepare_numeric_environment().instruction_set},
          {"models", std::move(models)}};
}

}  // namespace osteon::engine
