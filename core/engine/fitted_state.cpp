// SPDX-License-Identifier: Apache-2.0
#include "engine/fitted_state.hpp"

#include <filesystem>
#include <list>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "weights/finite_tensors.hpp"
#include "weights/safetensors.hpp"
#include "weights/state.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;

FittedPart fitted_part(const predict::FittedLink& link) {
  const std::string index = std::to_string(link.index);
  const bool some = !link.classes.empty();
  return {"post." + index, link.plugin, "post-processor '" + link.plugin + "' (predict.post[" + index + "])",
          link.post->fit(), some ? nlohmann::json(link.inner->classes().names).dump() : ""};
}

FittedPart fitted_part(plugin::Ensembler& ensembler) {
  const std::string name = ensembler.component().name();
  return {"ensembler", name, "ensembler '" + name + "'", ensembler.fit(), {}};
}

void load_fitted(const run::RunFolder& folder, const FittedPart& part, bool ensemble) {
  const std::string recipe = folder.recipe().string(), root = folder.root().string();
  const std::string command =
      ensemble ? "osteon train " + recipe + " --out " + root + " --overwrite" : "osteon train --resume " + root;
  const std::string advice =
      "; `osteon train` fits it: train with it in the recipe, or put it into " + recipe + " and go on with: " + command;
  const auto refuse = [&](const std::string& why) {
    throw Error(ExitCode::kUsage, part.what + " has to be fitted, and " + why + advice, folder.fitted().string());
  };
  if (!fs::exists(folder.fitted())) refuse("this run has no fitted state");
  const weights::SafetensorsFile file(folder.fitted());
  const auto owner = file.metadata().find(part.key);
  if (owner == file.metadata().end()) refuse("this run has no fitted state for it");
  if (owner->second != part.plugin) refuse("the state at its place is that of '" + owner->second + "'");
  const auto classes = file.metadata().find(part.key + ".classes");
  if ((classes == file.metadata().end() ? std::string() : classes->second) != part.classes)
    refuse("the state at its place was fitted on other `classes`");
  const std::string prefix = part.key + ".";
  std::vector<weights::TensorData> own;
  for (weights::TensorData tensor : file.tensors()) {
    if (tensor.name.compare(0, prefix.size(), prefix) != 0) continue;
    tensor.name.erase(0, prefix.size());
    own.push_back(std::move(tensor));
  }
  const plugin::Call call;
  const std::vector<plugin::NamedTensor> tensors = part.fit->tensors(call);
  if (const weights::LoadReport report = weights::compare_state(own, tensors); !report.complete())
    throw Error(ExitCode::kData,
                part.what +
                    ": the fitted state does not fit; its parameters or the classes are others than they were\n" +
                    report.text(),
                folder.fitted().string());
  weights::expect_finite(own, tensors, folder.fitted().string());
  weights::load_matching_state(own, tensors);
  part.fit->changed();
}

void save_fitted(const run::RunFolder& folder, const std::vector<FittedPart>& parts) {
  const plugin::Call call;
  std::vector<weights::TensorData> all;
  std::list<weights::CollectedState> states;  // what `all` points into
  std::map<std::string, std::string> owners;
  for (const FittedPart& part : parts) {
    owners[part.key] = part.plugin;
    if (!part.classes.empty()) owners[part.key + ".classes"] = part.classes;
    for (weights::TensorData tensor : states.emplace_back(weights::collect_state(part.fit->tensors(call))).tensors) {
      tensor.name = part.key + "." + tensor.name;
      all.push_back(std::move(tensor));
    }
  }
  weights::write_safetensors(folder.fitted(), std::move(all), owners);
}

}  // namespace osteon::engine
