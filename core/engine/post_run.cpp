// SPDX-License-Identifier: Apache-2.0
#include "engine/post_run.hpp"

#include <chrono>

#include <fmt/format.h>

#include "base/error.hpp"
#include "data/image.hpp"
#include "engine/notes_json.hpp"
#include "engine/opener.hpp"
#include "engine/probabilities_file.hpp"
#include "engine/session.hpp"
#include "predict/bridge.hpp"
#include "predict/chain.hpp"
#include "predict/predict.hpp"
#include "predict/stored.hpp"
#include "predict/tensor_cache.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

// Pixels of each class, and how many were added and taken away.
nlohmann::ordered_json changes(const data::Labels& before, const data::Labels& after,
                               const std::vector<std::string>& classes) {
  nlohmann::ordered_json table = nlohmann::ordered_json::object();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const cv::Mat a = before.mask(static_cast<int>(c)), b = after.mask(static_cast<int>(c));
    table[classes[c]] = {{"before", cv::countNonZero(a)},
                         {"after", cv::countNonZero(b)},
                         {"added", cv::countNonZero(b & ~a)},
                         {"removed", cv::countNonZero(a & ~b)}};
  }
  return table;
}

predict::OwnedPrediction process(const plugin::Call& call, const predict::Stored& stored,
                                 const predict::Predictor& post, const data::Image& image, const std::string& name) {
  try {
    return predict::predict_probabilities(call.raw(), post, image, name);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    if (!stored.asked_for_another()) throw;
    throw Error(ExitCode::kUsage,
                post.name() +
                    " asks for predictions of images of its own making (mirrored, cut or resized), and there are "
                    "stored probabilities of the image as it is alone; run it over the model, in a recipe");
  }
}

void expect_another_file(const PostRunRequest& request) {
  for (const fs::path& input : {request.image, request.probabilities}) {
    std::error_code unknown;
    if (fs::equivalent(request.output, input, unknown))
      throw Error(ExitCode::kUsage, "the output would replace what it is made of; name another file by --output",
                  request.output.string());
  }
}

}  // namespace

nlohmann::ordered_json run_post_alone(const PostRunRequest& request, const Context& context) {
  const recipe::Recipe& recipe = request.recipe;
  expect_another_file(request);
  predict::shared_cache().set_bound(static_cast<std::size_t>(recipe.predict.cache_mb) << 20);
  const plugin::Call call = call_of(context);
  const data::Image image = data::read_image(request.image);
  const plugin::ClassContext classes = class_context(recipe.data);
  const auto stored = std::make_shared<const predict::Stored>(
      classes, read_probabilities(request.probabilities, static_cast<std::int64_t>(classes.names.size()), call),
      image.size(), predict::decision_of(recipe).thresholds);
  Opener opener(context, recipe);
  std::shared_ptr<const predict::Predictor> post =
      predict::build_chain(stored, recipe, *context.registry, opener.open_run()).predictor;
  opener.try_models();
  const predict::Decision decision = predict::decision_of(recipe);
  if ((post->gives_forms() & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) == 0)
    post = std::make_shared<predict::Bridge>(post, OSTEON_SET(OSTEON_FORM_PROBABILITIES), decision);

  const std::string name = request.image.filename().string();
  const auto begin = std::chrono::steady_clock::now();
  const predict::OwnedPrediction after = process(call, *stored, *post, image, name);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  write_probabilities(request.output, after.view(), false);

  const data::Labels masks_before = predict::predict_labels(call.raw(), *stored, image, name, decision);
  const data::Labels masks_after = predict::decide(call.raw(), after.raw(), static_cast<int>(classes.names.size()),
                                                   image.size().height, image.size().width, decision);
  nlohmann::ordered_json result = {{"plugin", recipe.predict.post.at(0).plugin},
                                   {"image", request.image.string()},
                                   {"output", request.output.string()},
                                   {"height", image.size().height},
                                   {"width", image.size().width},
                                   {"seconds", seconds.count()},
                                   {"areas", changes(masks_before, masks_after, classes.names)}};
  if (const nlohmann::json notes = notes_json(call.notes(), {"", name}); !notes.empty()) result["notes"] = notes;
  return result;
}

}  // namespace osteon::engine
