// SPDX-License-Identifier: Apache-2.0
#include "engine/prediction.hpp"

#include <optional>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/visible.hpp"
#include "data/inputs.hpp"
#include "engine/device.hpp"
#include "engine/evaluation.hpp"
#include "engine/notes.hpp"
#include "engine/plausible.hpp"
#include "engine/probabilities_file.hpp"
#include "engine/session.hpp"
#include "exports/mask_png.hpp"
#include "exports/output_folder.hpp"
#include "exports/overlay.hpp"
#include "exports/rle.hpp"
#include "exports/submission.hpp"
#include "plugin/interrupt.hpp"
#include "predict/cache.hpp"
#include "predict/chain.hpp"
#include "predict/leaf.hpp"
#include "predict/predict.hpp"
#include "report/progress.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

/// Writes what was asked for, image by image.
class Outputs {
 public:
  Outputs(const exports::OutputFolder& out, const PredictRequest& request, const recipe::Recipe& recipe)
      : out_(out),
        recipe_(recipe),
        formats_(request.formats.begin(), request.formats.end()),
        half_(request.half_probabilities) {
    std::error_code failure;
    fs::create_directories(out_.root(), failure);
    if (failure)
      throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), out_.root().string());
    if (wants("csv")) csv_.emplace(out_.submission(), recipe.data.classes);
  }
  bool wants(const std::string& format) const { return formats_.count(format) > 0; }

  nlohmann::json write(const exports::OutputName& name, const data::Image& image, const data::Labels& labels,
                       const std::vector<std::string>& runs) {
    nlohmann::json files = nlohmann::json::object();
    if (wants("png")) {
      const bool one_file = recipe_.data.kind == "multiclass";
      const fs::path path = out_.masks() / (one_file ? name.file + ".png" : name.file);
      if (one_file)
        exports::write_index_mask(path, labels);
      else
        exports::write_class_masks(path, labels, recipe_.data.classes);
      files["png"] = path.string();
    }
    if (wants("overlay")) {
      const fs::path path = out_.overlays() / (name.file + ".png");
      exports::write_png(path, exports::render_overlay(image, labels, recipe_.data.classes));
      files["overlay"] = path.string();
    }
    if (csv_) csv_->add(name.image, runs);
    return files;
  }

  std::string write_probabilities(const exports::OutputName& name, const predict::OwnedPrediction& prediction) {
    const fs::path path = out_.probabilities() / (name.file + ".safetensors");
    engine::write_probabilities(path, prediction.view(), half_);
    return path.string();
  }

  void finish() {
    if (csv_) csv_->finish();
  }

 private:
  const exports::OutputFolder& out_;
  const recipe::Recipe& recipe_;
  std::set<std::string> formats_;
  bool half_;
  std::optional<exports::SubmissionWriter> csv_;
};

}  // namespace

OpenedRun open_run(const fs::path& run, const recipe::Recipe& recipe, const Context& context, bool same_libraries) {
  predict::shared_cache().set_bound(static_cast<std::size_t>(recipe.predict.cache_mb) << 20);
  Opener opener(context, recipe);
  if (same_libraries) opener.require_same_libraries();
  OpenedRun opened = opener.open(run, recipe);
  opened.other_libraries = opener.other_libraries();
  return opened;
}

double validation_dice(const recipe::Recipe& recipe, plugin::Model& model, const data::Dataset& dataset,
                       const std::vector<int>& indices, osteon_device device, const Context& context,
                       data::BrokenSamples& broken, const plugin::Call& call) {
  predict::shared_cache().set_bound(static_cast<std::size_t>(recipe.predict.cache_mb) << 20);
  predict::LeafOptions options;
  options.plain = true;
  options.device = model_device(device);
  // The model is the trainer's; the leaf only borrows it for as long as this takes.
  const std::shared_ptr<const plugin::Model> borrowed(&model, [](const plugin::Model*) {});
  Opener opener(context, recipe);
  const predict::Chain chain = predict::build_chain(
      std::make_shared<predict::Leaf>(borrowed, recipe, class_context(recipe.data), std::move(options)), recipe,
      *context.registry, opener.open_run(), predict::Extent::kUpToFitted);
  metrics::Evaluation evaluation(recipe.data.classes);
  evaluate_images(call, *chain.predictor, predict::decision_of(recipe), dataset, indices, broken, "validating",
                  evaluation);
  return evaluation.dice().mean;
}

namespace {

/// What is predicted with, and what predictions are held against.
struct Prediction {
  const recipe::Recipe& recipe;
  const OpenedRun& run;
  std::optional<metrics::LabelRanges> seen;  ///< in training
};

/// What one file of a prediction comes to.
nlohmann::json predict_file(const Prediction& with, const fs::path& input, const exports::OutputName& name,
                            const Context& context, Outputs& outputs) {
  const recipe::Recipe& recipe = with.recipe;
  const OpenedRun& run = with.run;
  const plugin::Call call = call_of(context);
  const data::Image image = data::read_image(input);
  const data::Labels labels =
      predict::predict_labels(call.raw(), *run.predictor, image, name.image, predict::decision_of(recipe));
  const std::vector<std::string> runs = exports::encode_rle(labels);
  nlohmann::json entry = {{"height", image.size().height}, {"width", image.size().width}};
  entry["files"] = outputs.write(name, image, labels, runs);
  if (with.seen) entry["implausible"] = implausible(*with.seen, recipe.data.classes, name.image, labels, runs);
  if (outputs.wants("probabilities"))
    entry["files"]["probabilities"] = outputs.write_probabilities(
        name, predict::predict_probabilities(call.raw(), *run.predictor, image, name.image));
  std::size_t c = 0;
  for (const std::int64_t area : labels.areas()) entry["areas"][recipe.data.classes[c++]] = area;
  if (const nlohmann::json notes = notes_json(call.notes(), {"", name.image}); !notes.empty()) entry["notes"] = notes;
  return entry;
}

}  // namespace

nlohmann::json run_prediction(const PredictRequest& request, const Context& context) {
  const recipe::Recipe& recipe = *request.recipe;
  const exports::OutputFolder out(request.out);
  const std::vector<fs::path> inputs =
      data::find_inputs(request.inputs, [&](const fs::path& path) { return out.owns(path); });
  const std::vector<exports::OutputName> names = exports::output_names(inputs);
  const OpenedRun run = open_run(request.run, recipe, context, request.same_plugins);
  const Prediction with{recipe, run, label_ranges(request.run, recipe, Opener(context, recipe))};
  if (!with.seen) say_no_ranges();
  Outputs outputs(out, request, recipe);
  report::Progress progress("predicting", static_cast<std::int64_t>(names.size()), "images");
  nlohmann::json images = nlohmann::json::array();
  int failed = 0, odd = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (plugin::interrupted().load())
      throw Interrupted("interrupted; the images predicted so far are complete, submission.csv is not written");
    nlohmann::json entry;
    try {
      entry = predict_file(with, inputs[i], names[i], context, outputs);
      if (!entry.value("implausible", nlohmann::json::array()).empty()) ++odd;
    } catch (const Error& e) {
      // One bad file is no reason to leave the others; anything else is.
      if (e.code() != ExitCode::kData) throw;
      spdlog::warn("{}: {}", e.where().empty() ? inputs[i].string() : e.where(), e.what());
      entry = {{"error", {{"message", e.what()}, {"where", e.where()}}}};
      ++failed;
    }
    entry["input"] = inputs[i].string();
    entry["name"] = names[i].image;
    images.push_back(std::move(entry));
    progress.advance(1);
  }
  outputs.finish();
  progress.finish();
  if (request.show_plan && run.model)
    for (const std::string& line : run.model->inference_plan()) fmt::print(stderr, "plan: {}\n", visible(line));
  nlohmann::json libraries = nlohmann::json::array();
  for (const OtherLibrary& other : run.other_libraries) libraries.push_back(to_json(other));
  const nlohmann::json implausible = with.seen ? nlohmann::json(odd) : nlohmann::json();
  return {{"run", request.run.string()}, {"out", request.out.string()}, {"images", images}, {"failed", failed},
          {"implausible", implausible},  {"other_libraries", libraries}};
}

}  // namespace osteon::engine
