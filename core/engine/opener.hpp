// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/library_record.hpp"
#include "plugin/ensembler.hpp"
#include "predict/chain.hpp"
#include "predict/member.hpp"
#include "predict/model_store.hpp"
#include "recipe/recipe.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {

/// A run, opened for prediction.
struct OpenedRun {
  std::shared_ptr<const predict::Predictor> predictor;
  std::shared_ptr<const predict::Predictor> bottom;  ///< the model or the ensembler, without the chain
  std::shared_ptr<predict::StoredModel> model;       ///< null for an ensemble
  predict::Chain chain;
  std::shared_ptr<plugin::Ensembler> ensembler;  ///< null for a model
  std::vector<predict::Member> members;
  std::vector<OtherLibrary> other_libraries;  ///< of this run and of those in it
};

/// Whether what has to be fitted gets its state as a run is opened, without which it cannot be, or will be fitted then.
enum class FittedState { kLoaded, kToBeFitted };

/// Opens runs and what they name in turn: finds models, builds the chain, opens an ensemble's members. One device
/// serves them all, and one bound of memory: those of the recipe that was asked for. Models are the shared store's
/// (predict/model_store.hpp): their files are looked at here, and read when they are first predicted with. Not for two
/// threads at once.
class Opener {
 public:
  Opener(const Context& context, const recipe::Recipe& asked_for);
  /// From now on a run that was made with other libraries than those that are here is refused. Else it is said, once
  /// for each run.
  void require_same_libraries() { same_libraries_ = true; }

  /// Opens a run folder with this recipe (its own, or its own with overrides). Ensembles of ensembles are fine; a run
  /// that contains itself is refused. `who`: what notes of its components begin with.
  OpenedRun open(const std::filesystem::path& run, const recipe::Recipe& recipe,
                 FittedState state = FittedState::kLoaded, const std::string& who = {});
  const std::vector<OtherLibrary>& other_libraries() const noexcept { return other_libraries_; }
  /// Opens the models of all that was opened, one after the other, so that one that cannot be is found before anything
  /// else is done.
  void try_models() const;
  /// A run folder's own recipe.
  recipe::Recipe own_recipe(const std::filesystem::path& run) const;
  /// For post-processors that name runs.
  predict::OpenRun open_run();

 private:
  void compare_libraries(const run::RunFolder& folder, const recipe::Recipe& recipe);
  void open_model(const run::RunFolder& folder, const recipe::Recipe& recipe, const std::string& who,
                  OpenedRun& opened);
  void open_ensemble(const run::RunFolder& folder, const recipe::Recipe& recipe, FittedState state,
                     const std::string& who, OpenedRun& opened);

  Context context_;
  std::string device_;
  std::set<std::filesystem::path> above_;     // the runs on the way here
  std::set<std::filesystem::path> compared_;  // runs whose libraries were looked at
  std::vector<OtherLibrary> other_libraries_;
  std::vector<std::shared_ptr<predict::StoredModel>> models_;
  bool same_libraries_ = false;
};

/// Names of an ensemble's members: their run folders, made unique.
std::vector<std::string> member_names(const recipe::EnsembleSection& ensemble);

}  // namespace osteon::engine
