// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluation.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "engine/dry_run.hpp"
#include "engine/inference_record.hpp"
#include "engine/notes_json.hpp"
#include "engine/open_run.hpp"
#include "engine/opener.hpp"
#include "engine/plausible.hpp"
#include "engine/session.hpp"
#include "exports/rle.hpp"
#include "metrics/confusion.hpp"
#include "predict/predict.hpp"
#include "report/progress.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {
namespace {

const char* name_of(Subset subset) {
  static const char* const kNames[] = {"validation", "train", "test", "all"};
  return kNames[static_cast<std::size_t>(subset)];
}

/// What an evaluation's files are called after; nothing for the validation images with the run's own settings. With
/// others, a digest of these is in it: each has files of its own, and the same evaluation has the same again.
std::string files_of(const EvaluateRequest& request) {
  const bool validation = request.subset == Subset::kValidation;
  if (request.overrides.empty()) return validation ? "" : name_of(request.subset);
  std::string settings = std::filesystem::weakly_canonical(request.recipe->data.root).string();
  for (const std::string& setting : request.overrides) settings += '\n' + setting;
  return std::string(name_of(request.subset)) + '-' + sha256(settings).substr(0, 8);
}

/// Writes the files. Where the run folder may only be read, the figures are no worse for it: a warning says that they
/// are not kept, and "files" is empty. So it is where writing fails, but that is an error, "not_kept", which the verb
/// reports after the figures.
void keep(const EvaluateRequest& request, const metrics::Scores& evaluation, nlohmann::ordered_json& result) {
  const run::RunFolder folder(request.run);
  result["files"] = nlohmann::ordered_json::array();
  if (::access(folder.root().c_str(), W_OK) != 0) {
    spdlog::warn("{}: the figures are not kept, because this folder cannot be written: {}", folder.root().string(),
                 std::strerror(errno));
    return;
  }
  const std::string of = files_of(request);
  const std::filesystem::path json = folder.evaluation("json", of), csv = folder.evaluation("csv", of);
  result["files"] = {json.string(), csv.string()};
  try {
    // A file's name may be no UTF-8.
    write_file_atomically(json, json_text(result, 2) + "\n");
    write_file_atomically(csv, evaluation.to_csv());
  } catch (const Error& error) {
    result["files"] = nlohmann::ordered_json::array();
    result["not_kept"] = {{"message", error.what()}, {"where", error.where()}};
  }
}

/// Adds to images what looks wrong with them; in how many something does.
int add_implausible(const std::map<std::string, nlohmann::json>& wrong, nlohmann::ordered_json& images) {
  int odd = 0;
  for (nlohmann::ordered_json& image : images)
    if (const auto found = wrong.find(image.at("image")); found != wrong.end()) {
      image["implausible"] = found->second;
      odd += found->second.empty() ? 0 : 1;
    }
  return odd;
}

}  // namespace

void evaluate_images(const plugin::Call& call, const predict::Predictor& predictor, const predict::Decision& decision,
                     const data::Dataset& dataset, const std::vector<int>& indices, data::BrokenSamples& broken,
                     const std::string& what, metrics::Scores& evaluation, const MaskLook& look) {
  report::Progress progress(what, static_cast<std::int64_t>(indices.size()), "images");
  for (const int index : indices) {
    const data::Sample& sample = dataset.samples()[static_cast<std::size_t>(index)];
    const plugin::Call own = call.derive({});
    std::vector<metrics::ClassCounts> counts;
    try {
      const data::Image image = dataset.read_image(index);
      const data::Labels truth = dataset.read_labels(index, image.size());
      const data::Labels found = predict::predict_labels(own.raw(), predictor, image, sample.id, decision);
      counts = metrics::count_confusion(found, truth);
      if (look) look(sample.id, found);
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& e) {
      broken.handle(sample, e);
      continue;
    }
    evaluation.add(sample.id, std::move(counts));
    progress.advance(1);
  }
}

nlohmann::ordered_json run_evaluation(const EvaluateRequest& request, const Context& context) {
  const recipe::Recipe& recipe = *request.recipe;
  const run::RunFolder folder(request.run);
  folder.check_usable();
  const OpenedRun run = open_run(request.run, recipe, context);
  const Selection selection = select_images(recipe.data, request.subset);
  if (!selection.dataset->has_labels())
    throw Error(ExitCode::kData,
                std::string("the ") + name_of(request.subset) + " images have no labels to evaluate against",
                recipe.data.root.string());
  try_prediction(recipe, run, context);
  data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
  metrics::Scores evaluation(recipe.data.classes);
  const plugin::Call call = call_of(context);
  const auto seen = label_ranges(request.run, recipe, Opener(context, recipe));
  if (!seen) say_no_ranges();
  std::map<std::string, nlohmann::json> wrong;  // of each image
  const auto look = [&](const std::string& image, const data::Labels& masks) {
    if (seen) wrong[image] = implausible(*seen, recipe.data.classes, image, masks, exports::encode_rle(masks));
  };
  evaluate_images(call, *run.predictor, predict::decision_of(recipe), *selection.dataset, selection.indices, broken,
                  "evaluating", evaluation, look);
  if (broken.count() > 0) spdlog::warn("{}", broken.summary());
  say_other_classes(*selection.dataset);
  if (const std::vector<std::string> left_out = evaluation.left_out(); !left_out.empty())
    spdlog::warn("no pixel counts in {} of the images, which are in no mean: {}", left_out.size(),
                 fmt::join(left_out, ", "));
  nlohmann::ordered_json result = evaluation.to_json();
  result["implausible"] = seen ? nlohmann::ordered_json(add_implausible(wrong, result["per_image"])) : nullptr;
  const std::vector<plugin::Note> notes = call.notes();
  for (nlohmann::ordered_json& image : result["per_image"])
    if (const nlohmann::json of_image = notes_json(notes, {image.at("image")}); !of_image.empty())
      image["notes"] = of_image;
  if (const nlohmann::json of_requests = notes_json(notes, {""}); !of_requests.empty()) result["notes"] = of_requests;
  result["subset"] = name_of(request.subset);
  result["data"] = recipe.data.root.string();
  result["overrides"] = request.overrides;
  result["skipped"] = broken.count();
  result["inference"] = inference_record(recipe, run, context);
  keep(request, evaluation, result);
  return result;
}

}  // namespace osteon::engine
