// SPDX-License-Identifier: Apache-2.0
#include "engine/opener.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "engine/device.hpp"
#include "engine/fitted_state.hpp"
#include "engine/run_model.hpp"
#include "predict/ensemble.hpp"
#include "predict/leaf.hpp"
#include "predict/predict.hpp"
#include "recipe/class_context.hpp"
#include "recipe/load_recipe.hpp"
#include "recipe/located.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;

Opener::Opener(const Context& context, const recipe::Recipe& asked_for)
    : context_(context), device_(asked_for.predict.device), plain_(asked_for.predict.path == "plain") {
  predict::shared_store().set_bound(static_cast<std::size_t>(asked_for.predict.memory_mb) << 20);
}

recipe::Recipe Opener::own_recipe(const fs::path& run) const {
  recipe::LoadOptions options;
  options.schemas = context_.registry->schemas();
  return recipe::load_recipe(run::RunFolder(run).recipe(), options).recipe;
}

predict::OpenRun Opener::open_run() {
  return [this](const fs::path& run, const std::string& who) {
    return open(run, own_recipe(run), FittedState::kLoaded, who).predictor;
  };
}

OpenedRun Opener::open(const fs::path& run, const recipe::Recipe& recipe, FittedState state, const std::string& who) {
  const run::RunFolder folder(run);
  folder.check_usable();
  const fs::path key = fs::weakly_canonical(run);
  if (!above_.insert(key).second) throw Error(ExitCode::kUsage, "this run contains itself", run.string());
  if (compared_.insert(key).second) compare_libraries(folder, recipe);
  OpenedRun opened = assemble(folder, recipe, state, who);
  above_.erase(key);
  return opened;
}

OpenedRun Opener::open_new(const fs::path& run, const recipe::Recipe& recipe) {
  above_.insert(fs::weakly_canonical(run));
  OpenedRun opened = assemble(run::RunFolder(run), recipe, FittedState::kToBeFitted, {});
  opened.other_libraries = other_libraries_;
  opened.models = models_;
  return opened;
}

OpenedRun Opener::assemble(const run::RunFolder& folder, const recipe::Recipe& recipe, FittedState state,
                           const std::string& who) {
  OpenedRun opened;
  opened.trial = trial_;
  opened.to_be_fitted = state == FittedState::kToBeFitted;
  if (recipe.ensemble)
    open_ensemble(folder, recipe, state, who, opened);
  else
    open_model(folder, recipe, who, opened);
  opened.bottom = opened.predictor;
  opened.chain =
      predict::build_chain(opened.bottom, recipe, *context_.registry, open_run(), predict::Extent::kWhole, who);
  opened.predictor = opened.chain.predictor;
  if (state == FittedState::kLoaded)
    for (const predict::FittedLink& link : opened.chain.fitted)
      load_fitted(folder, fitted_part(link), recipe.ensemble.has_value());
  return opened;
}

void Opener::compare_libraries(const run::RunFolder& folder, const recipe::Recipe& recipe) {
  const nlohmann::json info = folder.read_info();
  const std::vector<OtherLibrary> others = engine::other_libraries(info, recipe, *context_.registry);
  if (same_libraries_ && !info.contains("plugins"))
    throw Error(ExitCode::kUsage, "the run does not say which libraries it was made with (run.json)",
                folder.root().string());
  for (const OtherLibrary& other : others) {
    if (same_libraries_) throw Error(ExitCode::kUsage, to_string(other), folder.root().string());
    spdlog::warn("{}: {}", folder.root().string(), to_string(other));
  }
  other_libraries_.insert(other_libraries_.end(), others.begin(), others.end());
}

void Opener::open_model(const run::RunFolder& folder, const recipe::Recipe& recipe, const std::string& who,
                        OpenedRun& opened) {
  const RunModel model = run_model(folder, recipe, device_, context_);
  opened.model = predict::shared_store().hold(model.key, model.open);
  predict::LeafOptions options;
  options.device = model_device(model.device);
  options.plain = plain_;
  options.trial = trial_;
  options.who = who + "model/" + model.plugin;
  models_.push_back({options.who, opened.model});
  opened.predictor =
      std::make_shared<predict::Leaf>([stored = opened.model] { return stored->acquire(); }, model.plugin, recipe,
                                      class_context(recipe.data), std::move(options));
}

void Opener::open_ensemble(const run::RunFolder& folder, const recipe::Recipe& recipe, FittedState state,
                           const std::string& who, OpenedRun& opened) {
  const plugin::ClassContext classes = class_context(recipe.data);
  const std::vector<std::string> names = member_names(*recipe.ensemble);
  for (std::size_t m = 0; m < names.size(); ++m) {
    const fs::path& run = recipe.ensemble->members[m].run;
    const recipe::Recipe own = own_recipe(run);
    predict::Member member;
    member.predictor = open(run, own, FittedState::kLoaded, who + "member." + std::to_string(m) + "/").predictor;
    member.channels = predict::channels_of(*member.predictor, classes, "member '" + names[m] + "'");
    member.thresholds = predict::decision_of(own).thresholds;
    opened.members.push_back(std::move(member));
  }
  const recipe::Component& component = recipe.ensemble->component;
  opened.ensembler = recipe::located(component, [&] {
    return std::make_shared<plugin::Ensembler>(
        context_.registry->load(plugin::Kind::kEnsembler, component.plugin, component.version), component.parameters,
        classes, names, plugin::Call(), predict::class_table(opened.members, classes));
  });
  if (opened.ensembler->fit() != nullptr && state == FittedState::kLoaded)
    load_fitted(folder, fitted_part(*opened.ensembler), true);
  opened.predictor = std::make_shared<predict::Ensemble>(opened.ensembler, opened.members, classes,
                                                         who + "ensembler/" + component.plugin,
                                                         predict::decision_of(recipe).thresholds);
}

void Opener::try_models() const {
  for (const OpenedModel& opened : models_) opened.model->acquire();
}

std::vector<std::string> member_names(const recipe::EnsembleSection& ensemble) {
  std::vector<std::string> names;
  for (const recipe::Member& member : ensemble.members) {
    const std::string own = member.run.string();
    std::string name = own;
    for (int i = 2; std::find(names.begin(), names.end(), name) != names.end(); ++i)
      name = own + " (" + std::to_string(i) + ")";
    names.push_back(name);
  }
  return names;
}

}  // namespace osteon::engine
