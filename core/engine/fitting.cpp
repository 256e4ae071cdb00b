// SPDX-License-Identifier: Apache-2.0
#include "engine/fitting.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "data/label_ops.hpp"
#include "engine/fitted_state.hpp"
#include "engine/opener.hpp"
#include "engine/session.hpp"
#include "predict/fit_task.hpp"
#include "predict/leaf.hpp"
#include "predict/predict.hpp"
#include "report/progress.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

/// Labelled images that are fitted on. All of it outlives what is made of it.
struct Images {
  const data::Dataset& dataset;
  const std::vector<int>& indices;
  data::BrokenSamples& broken;
};

// Fits one part, and says so. `silent`: which members have nothing to say of a sample.
nlohmann::json fit_part(const FittedPart& part, predict::FitTask task, const Images& images, const Context& context,
                        const std::function<std::vector<bool>(const data::Sample&)>& silent = {}) {
  task.fit = part.fit;
  task.n_images = images.indices.size();
  task.read = [&](std::size_t i, predict::FitImage& image) {
    const int index = images.indices[i];
    const data::Sample& sample = images.dataset.samples()[static_cast<std::size_t>(index)];
    try {
      image = {sample.id, images.dataset.read_image(index), {}, silent ? silent(sample) : std::vector<bool>()};
      image.truth = images.dataset.read_labels(index, image.image.size());
      if (!task.classes.empty())
        image.truth = data::select_classes(image.truth, {task.classes.begin(), task.classes.end()});
      return true;
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& e) {
      images.broken.handle(sample, e);
      return false;
    }
  };
  std::unique_ptr<report::Progress> progress;
  task.progress = [&](std::size_t pass, std::size_t i) {
    if (i == 0)
      progress = std::make_unique<report::Progress>(fmt::format("fitting {}, pass {}", part.plugin, pass + 1),
                                                    static_cast<std::int64_t>(task.n_images), "images");
    progress->advance(1);
  };
  const std::size_t count = predict::fit(call_of(context), task);
  if (progress) progress->finish();
  spdlog::info("{} was fitted on {} images", part.what, count);
  return {{"part", part.key}, {"plugin", part.plugin}, {"images", count}};
}

// What a post-processor is fitted on is the first of these that it works with and that is there.
std::uint32_t form_for(const predict::FittedLink& link) {
  const std::uint32_t both = link.post->info().needs_forms & link.inner->gives_forms();
  for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_BITS})
    if ((both & OSTEON_SET(form)) != 0) return form;
  return OSTEON_FORM_PROBABILITIES;  // a chain of these was refused before
}

void fit_links(const recipe::Recipe& recipe, const std::vector<predict::FittedLink>& links, const Images& images,
               const Context& context, std::vector<FittedPart>& parts, nlohmann::json& report) {
  for (const predict::FittedLink& link : links) {
    predict::Member inner;
    inner.predictor = link.inner;
    inner.channels.resize(link.inner->classes().names.size());
    std::iota(inner.channels.begin(), inner.channels.end(), 0);
    const std::vector<double> thresholds = predict::decision_of(recipe).thresholds;
    for (const std::int32_t c : link.classes) inner.thresholds.push_back(thresholds[static_cast<std::size_t>(c)]);
    if (link.classes.empty()) inner.thresholds = thresholds;
    predict::FitTask task;
    task.members.push_back(std::move(inner));
    task.form = form_for(link);
    task.classes = link.classes;
    parts.push_back(fitted_part(link));
    report.push_back(fit_part(parts.back(), std::move(task), images, context));
  }
}

// The images that a run was trained on, by id.
std::set<std::string> trained_on(const Opener& opener, const fs::path& run) {
  const recipe::Recipe recipe = opener.own_recipe(run);
  std::set<std::string> ids;
  if (recipe.ensemble) {
    for (const recipe::Member& member : recipe.ensemble->members) ids.merge(trained_on(opener, member.run));
    return ids;
  }
  if (recipe.train.epochs == 0) return ids;
  try {
    const TrainingData data = training_data(recipe.data);
    for (const int i : data.train) ids.insert(data.dataset->samples()[static_cast<std::size_t>(i)].id);
  } catch (const Error& e) {
    throw Error(
        e.code(),
        "what " + run.string() + " was trained on has to be known, so that nothing is fitted on it: " + e.what(),
        e.where());
  }
  return ids;
}

// A class's validation Dice as `evaluate` left it in a run; NaN where it left none.
double dice_of(const nlohmann::json& evaluation, const std::string& name) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  if (!evaluation.is_object() || evaluation.value("subset", "") != "validation") return kUnknown;
  const nlohmann::json::json_pointer place = nlohmann::json::json_pointer("/dice/per_class") / name;
  return evaluation.contains(place) && evaluation.at(place).is_number() ? evaluation.at(place).get<double>() : kUnknown;
}

// [members, classes]; empty where nothing is known.
std::vector<double> dice_table(const recipe::Recipe& recipe) {
  std::vector<double> table;
  for (const recipe::Member& member : recipe.ensemble->members) {
    const fs::path file = run::RunFolder(member.run).evaluation("json");
    nlohmann::json evaluation;
    if (is_file(file)) evaluation = parse_json(read_file(file), file.string());
    for (const std::string& name : recipe.data.classes) table.push_back(dice_of(evaluation, name));
  }
  if (std::all_of(table.begin(), table.end(), [](double value) { return std::isnan(value); })) table.clear();
  return table;
}

/// Which images of an ensemble's data which member was trained on.
struct Seen {
  Selection selection;
  std::vector<std::set<std::string>> by_member;

  Seen(const recipe::Recipe& recipe, const Opener& opener) : selection(select_images(recipe.data, Subset::kAll)) {
    if (!selection.dataset->has_labels())
      throw Error(ExitCode::kData, "there are no labels to fit on", recipe.data.root.string());
    for (const recipe::Member& member : recipe.ensemble->members) by_member.push_back(trained_on(opener, member.run));
  }
  std::vector<bool> silent(const data::Sample& sample) const {
    std::vector<bool> members;
    for (const auto& ids : by_member) members.push_back(ids.count(sample.id) > 0);
    return members;
  }
  /// Images that at most `most` members were trained on.
  std::vector<int> seen_by(std::ptrdiff_t most) const {
    std::vector<int> indices;
    for (const int i : selection.indices) {
      const auto members = silent(selection.dataset->samples()[static_cast<std::size_t>(i)]);
      if (std::count(members.begin(), members.end(), true) <= most) indices.push_back(i);
    }
    return indices;
  }
};

// Fits what of an ensemble has to be, and saves it.
nlohmann::json fit_parts(const recipe::Recipe& recipe, const run::RunFolder& folder, const OpenedRun& run,
                         const Opener& opener, const Context& context) {
  nlohmann::json report = nlohmann::json::array();
  if (run.ensembler->fit() == nullptr && run.chain.fitted.empty()) return report;
  opener.try_models();
  const Seen seen(recipe, opener);
  data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
  std::vector<FittedPart> parts;
  if (run.ensembler->fit() != nullptr) {
    parts.push_back(fitted_part(*run.ensembler));
    const std::vector<int> indices = seen.seen_by(static_cast<std::ptrdiff_t>(run.members.size()) - 1);
    if (indices.empty())
      throw Error(ExitCode::kUsage,
                  parts.back().what +
                      " has to be fitted on images that a member was not trained on, and every member "
                      "was trained on all of data.root",
                  recipe.data.root.string());
    predict::FitTask task;
    task.members = run.members;
    task.form = run.ensembler->info().takes;
    task.dice = dice_table(recipe);
    report.push_back(fit_part(parts.back(), std::move(task), {*seen.selection.dataset, indices, broken}, context,
                              [&](const data::Sample& sample) { return seen.silent(sample); }));
  }
  if (!run.chain.fitted.empty()) {
    const std::vector<int> indices = seen.seen_by(0);
    if (indices.empty())
      throw Error(ExitCode::kUsage,
                  fitted_part(run.chain.fitted.front()).what +
                      " has to be fitted on images that no member was trained on, and data.root has none: put it into "
                      "the members' recipes, or let data.root be other images",
                  run.chain.fitted.front().location);
    fit_links(recipe, run.chain.fitted, {*seen.selection.dataset, indices, broken}, context, parts, report);
  }
  if (broken.count() > 0) spdlog::warn("{}", broken.summary());
  save_fitted(folder, parts);
  return report;
}

}  // namespace

bool check_chain(const recipe::Recipe& recipe, plugin::Model& model, bool validates, const Context& context) {
  const std::shared_ptr<const plugin::Model> borrowed(&model, [](const plugin::Model*) {});
  Opener opener(context, recipe);
  const predict::Chain chain = predict::build_chain(
      std::make_shared<predict::Leaf>(borrowed, recipe, class_context(recipe.data), predict::LeafOptions()), recipe,
      *context.registry, opener.open_run());
  opener.try_models();
  if (chain.fitted.empty()) return false;
  const predict::FittedLink& first = chain.fitted.front();
  if (!validates)
    throw Error(ExitCode::kUsage,
                fitted_part(first).what +
                    " has to be fitted on validation images with labels, and "
                    "there are none",
                first.location);
  const bool seen = recipe.train.validate_with == "chain";
  spdlog::info("{} is fitted when training is done{}", fitted_part(first).what,
               seen ? "; until then validation leaves it and what is above it out" : "");
  return true;
}

nlohmann::json fit_postprocessors(const run::RunFolder& folder, const recipe::Recipe& recipe,
                                  const data::Dataset& dataset, const std::vector<int>& indices, const Context& context,
                                  data::BrokenSamples& broken) {
  const OpenedRun run = Opener(context, recipe).open(folder.root(), recipe, FittedState::kToBeFitted);
  nlohmann::json report = nlohmann::json::array();
  std::vector<FittedPart> parts;
  fit_links(recipe, run.chain.fitted, {dataset, indices, broken}, context, parts, report);
  save_fitted(folder, parts);
  return report;
}

nlohmann::json fit_ensemble(const TrainRequest& request, const OpenedRun& run, const Opener& opener,
                            const Context& context, nlohmann::json& info) {
  const recipe::Recipe& recipe = request.recipe;
  const run::RunFolder folder(request.out);
  nlohmann::json fitted = fit_parts(recipe, folder, run, opener, context);
  info["members"] = nlohmann::json::array();
  for (const recipe::Member& member : recipe.ensemble->members)
    info["members"].push_back(
        {{"run", member.run.string()},
         {"weights_sha256",
          fs::exists(member.run / "model.safetensors") ? sha256_file(member.run / "model.safetensors") : ""}});
  if (!fitted.empty()) info["fitted"] = fitted;
  std::string summary =
      fmt::format("an ensemble of {} members by '{}'", run.members.size(), run.ensembler->component().name());
  if (!fitted.empty()) summary += ", fitted";
  return {{"run", request.out.string()}, {"summary", summary}, {"result", {{"fitted", fitted}}}};
}

}  // namespace osteon::engine
