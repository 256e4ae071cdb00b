// SPDX-License-Identifier: Apache-2.0
#include "engine/prediction.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "engine/device.hpp"
#include "engine/evaluation.hpp"
#include "engine/session.hpp"
#include "exports/mask_png.hpp"
#include "exports/overlay.hpp"
#include "exports/submission.hpp"
#include "predict/chain.hpp"
#include "predict/ensemble.hpp"
#include "predict/predict.hpp"
#include "recipe/load.hpp"
#include "report/progress.hpp"
#include "run/run_folder.hpp"
#include "weights/state.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

// Opens runs and what they name in turn; `above` are the runs on the way here. One device serves them all: that of the
// recipe that was asked for.
class Opener {
 public:
  Opener(const Context& context, const recipe::Recipe& asked_for)
      : context_(context), device_(asked_for.predict.device) {}

  OpenedRun open(const fs::path& run, const recipe::Recipe& recipe) {
    const run::RunFolder folder(run);
    folder.check_usable();
    const fs::path key = fs::weakly_canonical(run);
    if (!above_.insert(key).second) throw Error(ExitCode::kUsage, "this run contains itself", run.string());
    OpenedRun opened = recipe.ensemble ? open_ensemble(folder, recipe) : open_model(folder, recipe);
    opened.predictor = predict::build_chain(opened.predictor, recipe, *context_.registry,
                                            [this](const fs::path& other) { return member(other); });
    above_.erase(key);
    return opened;
  }

 private:
  recipe::Recipe own_recipe(const fs::path& run) const {
    recipe::LoadOptions options;
    options.schemas = context_.registry->schemas();
    return recipe::load_recipe(run::RunFolder(run).recipe(), options).recipe;
  }

  std::shared_ptr<const predict::Predictor> member(const fs::path& run) { return open(run, own_recipe(run)).predictor; }

  OpenedRun open_model(const run::RunFolder& folder, const recipe::Recipe& recipe) {
    if (!fs::exists(folder.model()))
      throw Error(ExitCode::kData,
                  "the run has no weights; its training did not get to its first validation. Go on with: osteon train "
                  "--resume " +
                      folder.root().string(),
                  folder.model().string());
    OpenedRun opened;
    opened.model = make_model(recipe, *context_.registry, context_.threads);
    // A model that shows none keeps its weights in a file of its own.
    if (!opened.model->tensors().empty()) load_weights(*opened.model, folder.model(), {/*strict=*/true});
    const osteon_device device = choose_device("predict.device", device_, {opened.model->component()});
    move_model(*opened.model, device);
    predict::LeafOptions options;
    options.device = model_device(device);
    opened.predictor =
        std::make_shared<predict::Leaf>(opened.model, recipe, class_context(recipe.data), std::move(options));
    return opened;
  }

  OpenedRun open_ensemble(const run::RunFolder& folder, const recipe::Recipe& recipe) {
    std::vector<std::shared_ptr<const predict::Predictor>> members;
    std::vector<std::vector<double>> thresholds;
    std::vector<std::string> names;
    for (const recipe::Member& each : recipe.ensemble->members) {
      const recipe::Recipe own = own_recipe(each.run);
      members.push_back(open(each.run, own).predictor);
      thresholds.push_back(predict::decision_of(own).thresholds);
      names.push_back(each.run.string());
    }
    const plugin::ClassContext classes = class_context(recipe.data);
    auto ensembler = std::make_shared<plugin::Ensembler>(
        context_.registry->load(plugin::Kind::kEnsembler, recipe.ensemble->component.plugin),
        recipe.ensemble->component.parameters, classes, names, plugin::Call());
    if (const auto state = ensembler->tensors(); !state.empty() && fs::exists(folder.model()))
      weights::load_state(weights::SafetensorsFile(folder.model()).tensors(), state, folder.model().string());
    OpenedRun opened;
    opened.predictor =
        std::make_shared<predict::Ensemble>(std::move(ensembler), std::move(members), classes, std::move(thresholds));
    return opened;
  }

  Context context_;
  std::string device_;
  std::set<fs::path> above_;
};

// Names of outputs: the files' names, made unique where two folders hold the same one.
std::vector<std::string> output_names(const std::vector<fs::path>& inputs) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const fs::path& input : inputs) {
    std::string name = input.filename().string();
    if (!taken.insert(name).second) {
      name = input.parent_path().filename().string() + "_" + name;
      if (!taken.insert(name).second)
        throw Error(ExitCode::kUsage,
                    "two inputs are called '" + input.filename().string() +
                        "', and so would be their masks; predict them into two folders",
                    input.string());
    }
    names.push_back(name);
  }
  return names;
}

/// Writes what was asked for, image by image.
class Outputs {
 public:
  Outputs(const PredictRequest& request, const recipe::Recipe& recipe)
      : out_(request.out), recipe_(recipe), formats_(request.formats.begin(), request.formats.end()) {
    std::error_code failure;
    fs::create_directories(out_, failure);
    if (failure) throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), out_.string());
    if (wants("csv")) csv_.emplace(out_ / "submission.csv", recipe.data.classes);
  }
  bool wants(const std::string& format) const { return formats_.count(format) > 0; }

  nlohmann::json write(const std::string& name, const data::Image& image, const data::Labels& labels) {
    nlohmann::json files = nlohmann::json::object();
    const std::string stem = fs::path(name).stem().string();
    if (csv_) csv_->add(name, labels);
    if (wants("png")) {
      if (recipe_.data.kind == "multiclass") {
        exports::write_index_mask(out_ / "masks" / (stem + ".png"), labels);
        files["png"] = (out_ / "masks" / (stem + ".png")).string();
      } else {
        exports::write_class_masks(out_ / "masks" / stem, labels, recipe_.data.classes);
        files["png"] = (out_ / "masks" / stem).string();
      }
    }
    if (wants("overlay")) {
      const fs::path path = out_ / "overlays" / (stem + ".png");
      exports::write_png(path, exports::render_overlay(image, labels, recipe_.data.classes));
      files["overlay"] = path.string();
    }
    return files;
  }

  std::string write_probabilities(const std::string& name, const predict::OwnedPrediction& prediction) {
    const fs::path path = out_ / "probabilities" / (fs::path(name).stem().string() + ".safetensors");
    const osteon_tensor_view& view = prediction.view();
    fs::create_directories(path.parent_path());
    weights::write_safetensors(path, {{"probabilities",
                                       "F32",
                                       {1, view.shape[0], view.shape[1], view.shape[2]},
                                       static_cast<const std::byte*>(view.data),
                                       static_cast<std::uint64_t>(sdk::element_count(view)) * sizeof(float)}});
    return path.string();
  }

  void finish() {
    if (csv_) csv_->finish();
  }

 private:
  fs::path out_;
  const recipe::Recipe& recipe_;
  std::set<std::string> formats_;
  std::optional<exports::SubmissionWriter> csv_;
};

}  // namespace

OpenedRun open_run(const fs::path& run, const recipe::Recipe& recipe, const Context& context) {
  return Opener(context, recipe).open(run, recipe);
}

double validation_dice(const recipe::Recipe& recipe, plugin::Model& model, const data::Dataset& dataset,
                       const std::vector<int>& indices, osteon_device device, const Context& context,
                       data::BrokenSamples& broken) {
  predict::LeafOptions options;
  options.plain = true;
  options.device = model_device(device);
  // The model is the trainer's; the leaf only borrows it for as long as this takes.
  const std::shared_ptr<const plugin::Model> borrowed(&model, [](const plugin::Model*) {});
  std::shared_ptr<const predict::Predictor> predictor =
      std::make_shared<predict::Leaf>(borrowed, recipe, class_context(recipe.data), std::move(options));
  Opener opener(context, recipe);
  predictor = predict::build_chain(predictor, recipe, *context.registry, [&](const fs::path& run) {
    recipe::LoadOptions load;
    load.schemas = context.registry->schemas();
    return opener.open(run, recipe::load_recipe(run::RunFolder(run).recipe(), load).recipe).predictor;
  });
  metrics::Evaluation evaluation(recipe.data.classes);
  evaluate_images(*predictor, predict::decision_of(recipe), dataset, indices, context, broken, "validating",
                  evaluation);
  return evaluation.dice().mean;
}

nlohmann::json run_prediction(const PredictRequest& request, const Context& context) {
  const recipe::Recipe& recipe = *request.recipe;
  const OpenedRun run = open_run(request.run, recipe, context);
  const predict::Decision decision = predict::decision_of(recipe);
  const std::vector<std::string> names = output_names(request.inputs);
  Outputs outputs(request, recipe);
  report::Progress progress("predicting", static_cast<std::int64_t>(names.size()), "images");
  nlohmann::json images = nlohmann::json::array();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (plugin::interrupted().load())
      throw Interrupted("interrupted; the images predicted so far are complete, submission.csv is not written");
    plugin::CallOptions options;
    options.threads = context.threads;
    options.cancel = &plugin::interrupted();
    const plugin::Call call(std::move(options));
    const data::Image image = data::read_image(request.inputs[i]);
    const data::Labels labels = predict::predict_labels(call.raw(), *run.predictor, image, names[i], decision);
    nlohmann::json entry = {{"input", request.inputs[i].string()},
                            {"name", names[i]},
                            {"height", image.size().height},
                            {"width", image.size().width}};
    entry["files"] = outputs.write(names[i], image, labels);
    if (outputs.wants("probabilities"))
      entry["files"]["probabilities"] = outputs.write_probabilities(
          names[i], predict::predict_probabilities(call.raw(), *run.predictor, image, names[i]));
    std::size_t c = 0;
    for (const std::int64_t area : labels.areas()) entry["areas"][recipe.data.classes[c++]] = area;
    images.push_back(std::move(entry));
    progress.advance(1);
  }
  outputs.finish();
  progress.finish();
  if (request.show_plan && run.model)
    for (const std::string& line : run.model->inference_plan()) fmt::print(stderr, "plan: {}\n", line);
  return {{"run", request.run.string()}, {"out", request.out.string()}, {"images", images}};
}

nlohmann::json fit_ensemble(const TrainRequest& request, const Context& context, nlohmann::json info) {
  if (request.resume)
    throw Error(ExitCode::kUsage, "an ensemble has no checkpoint to go on from; fit it anew with --overwrite");
  const run::RunFolder folder(request.out);
  folder.write_recipe(request.recipe);
  // Opening it checks the members: that they are runs, with these classes and with weights.
  const OpenedRun run = open_run(request.out, request.recipe, context);
  auto component = context.registry->load(plugin::Kind::kEnsembler, request.recipe.ensemble->component.plugin);
  const plugin::Ensembler ensembler(
      component, request.recipe.ensemble->component.parameters, class_context(request.recipe.data),
      std::vector<std::string>(request.recipe.ensemble->members.size(), "member"), plugin::Call());
  if (ensembler.info().fits != 0)
    throw Error(ExitCode::kUsage, "ensembler '" + component.name() +
                                      "' has to be fitted on out-of-fold predictions, which this program cannot do");
  info["status"] = "done";
  info["members"] = nlohmann::json::array();
  for (const recipe::Member& member : request.recipe.ensemble->members)
    info["members"].push_back(
        {{"run", member.run.string()},
         {"weights_sha256",
          fs::exists(member.run / "model.safetensors") ? sha256_file(member.run / "model.safetensors") : ""}});
  folder.write_info(info);
  return {{"run", request.out.string()},
          {"summary",
           fmt::format("an ensemble of {} members by '{}'", request.recipe.ensemble->members.size(), component.name())},
          {"result", nlohmann::json::object()}};
}

}  // namespace osteon::engine
