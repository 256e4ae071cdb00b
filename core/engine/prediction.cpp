// SPDX-License-Identifier: Apache-2.0
#include "engine/prediction.hpp"

#include <optional>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/visible.hpp"
#include "data/inputs.hpp"
#include "engine/dry_run.hpp"
#include "engine/inference_record.hpp"
#include "engine/notes_json.hpp"
#include "engine/open_run.hpp"
#include "engine/plausible.hpp"
#include "engine/prediction_files.hpp"
#include "engine/session.hpp"
#include "exports/output_folder.hpp"
#include "exports/rle.hpp"
#include "plugin/interrupt.hpp"
#include "predict/model_store.hpp"
#include "predict/predict.hpp"
#include "report/progress.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

/// What is predicted with, and what predictions are held against.
struct Prediction {
  const recipe::Recipe& recipe;
  const OpenedRun& run;
  std::optional<metrics::LabelRanges> seen;  ///< in training
};

/// Masks, and the file of probabilities where it is wanted: the model runs once for both.
data::Labels predict_and_write(const Prediction& with, const data::Image& image, const exports::OutputName& name,
                               const plugin::Call& call, PredictionFiles& files, nlohmann::json& written) {
  const predict::Decision decision = predict::decision_of(with.recipe);
  data::Labels labels;
  const auto predict = [&](const predict::ProbabilitySink& sink) {
    labels = predict::predict_labels(call.raw(), *with.run.predictor, image, name.image, decision, sink);
  };
  if (files.wants("probabilities"))
    written["probabilities"] = files.write_probabilities(name, image.size(), predict);
  else
    predict({});
  return labels;
}

/// What one file of a prediction comes to.
nlohmann::json predict_file(const Prediction& with, const fs::path& input, const exports::OutputName& name,
                            const Context& context, PredictionFiles& files) {
  const recipe::Recipe& recipe = with.recipe;
  const plugin::Call call = call_of(context);
  const data::Image image = data::read_image(input);
  nlohmann::json probabilities = nlohmann::json::object();
  const data::Labels labels = predict_and_write(with, image, name, call, files, probabilities);
  const std::vector<std::string> runs = exports::encode_rle(labels);
  nlohmann::json entry = {{"height", image.size().height}, {"width", image.size().width}};
  entry["files"] = files.write(name, image, labels, runs);
  if (with.seen) entry["implausible"] = implausible(*with.seen, recipe.data.classes, name.image, labels, runs);
  entry["files"].update(probabilities);
  std::size_t c = 0;
  for (const std::int64_t area : labels.areas()) entry["areas"][recipe.data.classes[c++]] = area;
  if (const nlohmann::json notes = notes_json(call.notes(), {"", name.image}); !notes.empty()) entry["notes"] = notes;
  return entry;
}

void show_plan(const nlohmann::json& inference) {
  const nlohmann::json& models = inference.at("models");
  for (const nlohmann::json& model : models) {
    const std::string who = models.size() == 1 ? "" : model.at("who").get<std::string>() + ": ";
    for (const std::string line : model.at("plan")) fmt::print(stderr, "plan: {}{}\n", who, visible(line));
  }
}

}  // namespace

nlohmann::json run_prediction(const PredictRequest& request, const Context& context) {
  const recipe::Recipe& recipe = *request.recipe;
  const exports::OutputFolder out(request.out);
  const std::vector<fs::path> inputs =
      data::find_inputs(request.inputs, [&](const fs::path& path) { return out.owns(path); });
  const std::vector<exports::OutputName> names = exports::output_names(inputs);
  const OpenedRun run = open_run(request.run, recipe, context, request.same_plugins);
  try_prediction(recipe, run, context);
  const Prediction with{recipe, run, label_ranges(request.run, recipe, Opener(context, recipe))};
  if (!with.seen) say_no_ranges();
  PredictionFiles files(out, request, recipe);
  report::Progress progress("predicting", static_cast<std::int64_t>(names.size()), "images");
  nlohmann::json images = nlohmann::json::array();
  int failed = 0, odd = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (plugin::interrupted().load())
      throw Interrupted("interrupted; the images predicted so far are complete, submission.csv is not written");
    nlohmann::json entry;
    try {
      entry = predict_file(with, inputs[i], names[i], context, files);
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
  files.finish();
  progress.finish();
  const nlohmann::json inference = inference_record(recipe, run, context);
  if (request.show_plan) show_plan(inference);
  nlohmann::json libraries = nlohmann::json::array();
  for (const OtherLibrary& other : run.other_libraries) libraries.push_back(to_json(other));
  const nlohmann::json implausible = with.seen ? nlohmann::json(odd) : nlohmann::json();
  const predict::ModelStore::Counts counts = predict::shared_store().counts();
  return {{"run", request.run.string()},
          {"out", request.out.string()},
          {"images", images},
          {"failed", failed},
          {"implausible", implausible},
          {"other_libraries", libraries},
          {"models", {{"distinct", counts.models}, {"opened", counts.opened}, {"given_up", counts.given_up}}},
          {"inference", inference}};
}

}  // namespace osteon::engine
