// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluation.hpp"

#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "engine/notes.hpp"
#include "engine/prediction.hpp"
#include "engine/session.hpp"
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

}  // namespace

void evaluate_images(const plugin::Call& call, const predict::Predictor& predictor, const predict::Decision& decision,
                     const data::Dataset& dataset, const std::vector<int>& indices, data::BrokenSamples& broken,
                     const std::string& what, metrics::Evaluation& evaluation) {
  report::Progress progress(what, static_cast<std::int64_t>(indices.size()), "images");
  for (const int index : indices) {
    const data::Sample& sample = dataset.samples()[static_cast<std::size_t>(index)];
    const plugin::Call own = call.derive({});
    std::vector<metrics::ClassCounts> counts;
    try {
      const data::Image image = dataset.read_image(index);
      const data::Labels truth = dataset.read_labels(index);
      counts =
          metrics::count_confusion(predict::predict_labels(own.raw(), predictor, image, sample.id, decision), truth);
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
  data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
  metrics::Evaluation evaluation(recipe.data.classes);
  const plugin::Call call = call_of(context);
  evaluate_images(call, *run.predictor, predict::decision_of(recipe), *selection.dataset, selection.indices, broken,
                  "evaluating", evaluation);
  if (broken.count() > 0) spdlog::warn("{}", broken.summary());
  nlohmann::ordered_json result = evaluation.to_json();
  const std::vector<plugin::Note> notes = call.notes();
  for (nlohmann::ordered_json& image : result["per_image"])
    if (const nlohmann::json of_image = notes_json(notes, {image.at("image")}); !of_image.empty())
      image["notes"] = of_image;
  if (const nlohmann::json of_requests = notes_json(notes, {""}); !of_requests.empty()) result["notes"] = of_requests;
  result["subset"] = name_of(request.subset);
  result["skipped"] = broken.count();
  write_file_atomically(folder.evaluation("json"), json_text(result, 2) + "\n");
  write_file_atomically(folder.evaluation("csv"), evaluation.to_csv());
  return result;
}

}  // namespace osteon::engine
