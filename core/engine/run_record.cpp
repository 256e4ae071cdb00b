// SPDX-License-Identifier: Apache-2.0
#include "engine/run_record.hpp"

#include <ctime>
#include <functional>

#include "engine/doctor.hpp"
#include "engine/environment.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

nlohmann::json plugins_of(const recipe::Recipe& recipe, plugin::Registry& registry) {
  nlohmann::json plugins = nlohmann::json::array();
  const auto add = [&](const recipe::Component& component) {
    plugins.push_back(run::plugin_record(registry.load(component.kind, component.plugin, component.version)));
  };
  if (recipe.model) add(recipe.model->component);
  if (recipe.ensemble) add(recipe.ensemble->component);
  for (const recipe::LossTerm& term : recipe.loss) add(term.component);
  const std::function<void(const recipe::AugmentStep&)> add_step = [&](const recipe::AugmentStep& step) {
    if (step.group.empty()) add(step.component);
    for (const recipe::AugmentStep& child : step.steps) add_step(child);
  };
  for (const recipe::AugmentStep& step : recipe.augment) add_step(step);
  for (const recipe::Component& post : recipe.predict.post) add(post);
  return plugins;
}

}  // namespace

nlohmann::json new_record(const TrainRequest& request, const Context& context) {
  nlohmann::json record = {
      {"name", request.recipe.name}, {"started", utc_now()}, {"sessions", nlohmann::json::array()}};
  add_session(record, request, context);
  return record;
}

void add_session(nlohmann::json& record, const TrainRequest& request, const Context& context) {
  const NumericEnvironment environment = prepare_numeric_environment();
  record["status"] = "running";
  record["osteon"] = OSTEON_VERSION;
  record["numeric"] = describe_libraries();
  record["blas"] = {{"kind", environment.blas_kind}, {"openblas_coretype", environment.core_type}};
  record["instruction_set"] = environment.instruction_set;
  record["kernels"] = to_json(context.kernels);
  record["threads"] = context.threads;
  record["plugins"] = plugins_of(request.recipe, *context.registry);
  if (request.recipe.model && request.recipe.train.epochs > 0)
    record["validation"] = {{"with", request.recipe.train.validate_with}, {"path", "plain"}};
  record.erase("ended");
  nlohmann::json& sessions = record["sessions"];
  if (!sessions.empty() && sessions.back().value("status", "") == "running") sessions.back()["status"] = "killed";
  sessions.push_back({{"started", utc_now()},
                      {"status", "running"},
                      {"osteon", OSTEON_VERSION},
                      {"threads", context.threads},
                      {"overrides", request.overrides},
                      {"plugins", record["plugins"]}});
}

void end_session(nlohmann::json& record, const char* status) {
  record["status"] = status;
  record["ended"] = utc_now();
  record["sessions"].back()["status"] = status;
  record["sessions"].back()["ended"] = record["ended"];
}

}  // namespace osteon::engine
