// SPDX-License-Identifier: Apache-2.0
#include "engine/dry_run.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "data/augment.hpp"
#include "engine/device.hpp"
#include "engine/session.hpp"
#include "plugin/interrupt.hpp"
#include "predict/chain.hpp"
#include "predict/leaf.hpp"
#include "predict/predict.hpp"
#include "train/trial_step.hpp"

namespace osteon::engine {
namespace {

/// Tries at the smallest size, and where that fails at the real one: a window of a loss or a cut may want more pixels.
template <class Try>
void at_either_size(const char* what, cv::Size smallest, cv::Size real, Try&& attempt) {
  try {
    return attempt(smallest);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    if (smallest == real) throw;
    spdlog::debug("trial of {} at {} x {}: {}", what, smallest.height, smallest.width, e.what());
  }
  attempt(real);
}

// What components say of a made-up image is nothing for a reader.
plugin::Call trial_call(const Context& context) {
  plugin::CallOptions options;
  options.threads = context.threads;
  options.cancel = &plugin::interrupted();
  options.quiet = true;
  return plugin::Call(std::move(options));
}

cv::Size real_size(const recipe::Recipe& recipe) { return {recipe.data.image_size[1], recipe.data.image_size[0]}; }

void add_paths(const std::vector<recipe::AugmentStep>& steps, const std::string& above, std::set<std::string>& paths) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].p <= 0) continue;
    const std::string path = above + "[" + std::to_string(i) + "]";
    if (steps[i].group.empty())
      paths.insert(path);
    else
      add_paths(steps[i].steps, path + ".steps", paths);
  }
}

void try_augmentations(const recipe::Recipe& recipe, cv::Size size, const Context& context) {
  // What runs now and then runs always. Groups still choose, since what they choose from need not go together.
  std::vector<recipe::AugmentStep> steps = recipe.augment;
  for (recipe::AugmentStep& step : steps) step.p = step.p > 0 ? 1 : 0;
  std::set<std::string> missing;
  add_paths(steps, "augment", missing);
  const data::AugmentPipeline pipeline(steps, *context.registry, class_context(recipe.data));
  const auto classes = static_cast<int>(recipe.data.classes.size());
  constexpr int kMostDraws = 32;  // of choices that are seldom made
  for (int draw = 0; draw < kMostDraws && !missing.empty(); ++draw) {
    data::Image image{cv::Mat(size, CV_8UC(recipe.data.channels), cv::Scalar::all(96))};
    data::Labels labels(classes, size);
    cv::Mat square(size, CV_8U, cv::Scalar(0));
    square(cv::Rect(size.width / 4, size.height / 4, size.width / 2, size.height / 2)).setTo(1);
    image.pixels.setTo(cv::Scalar::all(200), square);
    labels.add(0, square);
    std::vector<data::AppliedStep> applied;
    pipeline.apply(trial_call(context), data::sample_key(static_cast<std::uint64_t>(recipe.train.seed), draw, "trial"),
                   image, labels, 0, &applied);
    for (const data::AppliedStep& step : applied) missing.erase(step.path);
  }
}

/// For as long as it lives, the leaves of a run see images at the smallest size.
class AtSmallestSize {
 public:
  explicit AtSmallestSize(std::atomic<bool>& trial) : trial_(trial) { trial_ = true; }
  ~AtSmallestSize() { trial_ = false; }
  AtSmallestSize(const AtSmallestSize&) = delete;
  AtSmallestSize& operator=(const AtSmallestSize&) = delete;

 private:
  std::atomic<bool>& trial_;
};

void try_predictor(const recipe::Recipe& recipe, const predict::Predictor& predictor, std::atomic<bool>& trial,
                   const Context& context) {
  const auto attempt = [&] {
    const plugin::Call call = trial_call(context);
    predict::Decision decision = predict::decision_of(recipe);
    decision.thresholds.resize(predictor.classes().names.size(), recipe.predict.threshold);
    predict::try_out(call.raw(), predictor, recipe.data.channels, decision);
  };
  try {
    const AtSmallestSize smallest(trial);
    return attempt();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    spdlog::debug("trial of {}: {}", predictor.name(), e.what());
  }
  attempt();
}

}  // namespace

void try_training(const recipe::Recipe& recipe, osteon_device device, const Context& context) {
  const auto model = make_model(recipe, *context.registry, context.threads);
  move_model(*model, device);
  const cv::Size smallest = predict::smallest_size(model->size_multiple(), recipe.data.image_size);
  at_either_size("the augmentations", smallest, real_size(recipe),
                 [&](cv::Size size) { try_augmentations(recipe, size, context); });
  at_either_size("a training step", smallest, real_size(recipe), [&](cv::Size size) {
    train::try_step(recipe, *context.registry, class_context(recipe.data), *model, size, device, context.threads);
  });
  try_chain(recipe, *model, device, context);
}

void try_chain(const recipe::Recipe& recipe, plugin::Model& model, osteon_device device, const Context& context) {
  const std::shared_ptr<const plugin::Model> borrowed(&model, [](const plugin::Model*) {});
  const auto trial = std::make_shared<std::atomic<bool>>(false);
  predict::LeafOptions options;
  options.plain = true;
  options.device = model_device(device);
  options.trial = trial;
  Opener opener(context, recipe);
  const predict::Chain chain = predict::build_chain(
      std::make_shared<predict::Leaf>(borrowed, recipe, class_context(recipe.data), std::move(options)), recipe,
      *context.registry, opener.open_run(), predict::Extent::kUpToFitted);
  try_predictor(recipe, *chain.predictor, *trial, context);
}

void try_prediction(const recipe::Recipe& recipe, const OpenedRun& run, const Context& context) {
  // What is not fitted yet refuses to predict, but what lies beneath it does not.
  if (run.ensembler != nullptr && run.ensembler->fit() != nullptr && run.to_be_fitted) {
    for (const predict::Member& member : run.members) try_predictor(recipe, *member.predictor, *run.trial, context);
  } else if (!run.chain.fitted.empty() && run.to_be_fitted) {
    try_predictor(recipe, *run.chain.fitted.front().inner, *run.trial, context);
  } else {
    try_predictor(recipe, *run.predictor, *run.trial, context);
  }
}

}  // namespace osteon::engine
