// SPDX-License-Identifier: Apache-2.0
#include "engine/run_model.hpp"

#include <filesystem>
#include <memory>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "engine/device.hpp"
#include "engine/session.hpp"
#include "recipe/located.hpp"
#include "weights/weights_file.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

void expect_weights(const run::RunFolder& folder) {
  if (!fs::exists(folder.model())) {
    // To go on with a run that is done changes nothing.
    const std::string what =
        folder.is_done()
            ? "the run is done, and its weights are gone; put the file back, or begin anew: osteon train " +
                  folder.recipe().string() + " --overwrite --out " + folder.root().string()
            : "the run has no weights; its training did not get to its first validation. Go on with: "
              "osteon train --resume " +
                  folder.root().string();
    throw Error(ExitCode::kData, what, folder.model().string());
  }
  const weights::WeightsFile header(folder.model());
}

// What the model is made of beside its weights, and the files that its parameters name.
predict::ModelKey key_of(const run::RunFolder& folder, const recipe::Recipe& recipe,
                         const plugin::LoadedComponent& component, osteon_device device) {
  predict::ModelKey key;
  key.name = folder.root().string();
  key.files = {folder.model()};
  nlohmann::json parameters = nlohmann::json::array();
  const plugin::Parameters& values = recipe.model->component.parameters;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto* paths = std::get_if<std::vector<std::string>>(&values[i]);
    bool files = paths != nullptr && component.schema.parameters.at(i).type == plugin::ParameterType::kPath;
    if (files)
      for (const std::string& path : *paths) files = files && fs::is_regular_file(path);
    // Copies of one file, each in its run's folder, are one.
    if (files) key.files.insert(key.files.end(), paths->begin(), paths->end());
    parameters.push_back(files ? nlohmann::json(paths->size())
                               : std::visit([](const auto& list) { return nlohmann::json(list); }, values[i]));
  }
  const plugin::ClassContext classes = class_context(recipe.data);
  key.kind = nlohmann::json({{"plugin", component.name()},
                             {"version", component.schema.version},
                             {"library", component.library_sha256},
                             {"parameters", parameters},
                             {"multiclass", classes.multiclass},
                             {"classes", classes.names},
                             {"mirrored", classes.mirrored},
                             {"channels", recipe.data.channels},
                             {"seed", recipe.train.seed},
                             {"device", {device.type, device.id}}})
                 .dump();
  return key;
}

}  // namespace

RunModel run_model(const run::RunFolder& folder, const recipe::Recipe& recipe, const std::string& device,
                   const Context& context) {
  if (!recipe.model) throw Error(ExitCode::kUsage, "the recipe has no [model]");
  expect_weights(folder);
  const recipe::Component& wanted = recipe.model->component;
  const plugin::LoadedComponent component = recipe::located(
      wanted, [&] { return context.registry->load(plugin::Kind::kModel, wanted.plugin, wanted.version); });
  RunModel model;
  model.plugin = component.name();
  model.device = choose_device("predict.device", device, {component});
  model.key = key_of(folder, recipe, component, model.device);
  model.open = [recipe, context, file = folder.model(), place = model.device] {
    std::unique_ptr<plugin::Model> opened = make_model(recipe, *context.registry, context.threads);
    // A model that shows none keeps its weights in a file of its own.
    if (!opened->tensors(plugin::Call()).empty()) load_weights(*opened, file, {{/*strict=*/true}, {}});
    move_model(*opened, place);
    return opened;
  };
  return model;
}

}  // namespace osteon::engine
