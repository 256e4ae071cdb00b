// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
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

/// A model that an opened run predicts with.
struct OpenedModel {
  std::string who;  ///< as its notes are named by
  std::shared_ptr<predict::StoredModel> model;
};

/// A run, opened for prediction.
struct OpenedRun {
  std::shared_ptr<const predict::Predictor> predictor;
  std::shared_ptr<const predict::Predictor> bottom;  ///< the model or the ensembler, without the chain
  std::shared_ptr<predict::StoredModel> model;       ///< null for an ensemble
  predict::Chain chain;
  std::shared_ptr<plugin::Ensembler> ensembler;  ///< null for a model
  std::vector<predict::Member> members;
  std::vector<OtherLibrary> other_libraries;  ///< of this run and of those in it
  std::vector<OpenedModel> models;            ///< of this run and of those in it
  bool to_be_fitted = false;                  ///< what has to be fitted has no state yet
  std::shared_ptr<std::atomic<bool>> trial;   ///< of all its leaves; see predict::LeafOptions
};

/// Whether what has to be fitted gets its state as a run is opened, without which it cannot be, or will be fitted then.
enum class FittedState { kLoaded, kToBeFitted };

/// Opens runs and what they name in turn: finds models, builds the chain, opens an ensemble's members. One device, one
/// bound of memory and one predict.path serve them all: those of the recipe that was asked for. Models are the shared
/// store's (predict/model_store.hpp): their files are looked at here, and read when they are first predicted with. Not
/// for two threads at once.
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
  /// Opens what will be a run, of whose folder nothing is looked at: an ensemble. What has to be fitted is not.
  OpenedRun open_new(const std::filesystem::path& run, const recipe::Recipe& recipe);
  const std::vector<OtherLibrary>& other_libraries() const noexcept { return other_libraries_; }
  /// Opens the models of all that was opened, one after the other, so that one that cannot be is found before anything
  /// else is done.
  void try_models() const;
  const std::vector<OpenedModel>& models() const noexcept { return models_; }
  /// A run folder's own recipe.
  recipe::Recipe own_recipe(const std::filesystem::path& run) const;
  /// For post-processors that name runs.
  predict::OpenRun open_run();

 private:
  OpenedRun assemble(const run::RunFolder& folder, const recipe::Recipe& recipe, FittedState state,
                     const std::string& who);
  void compare_libraries(const run::RunFolder& folder, const recipe::Recipe& recipe);
  void open_model(const run::RunFolder& folder, const recipe::Recipe& recipe, const std::string& who,
                  OpenedRun& opened);
  void open_ensemble(const run::RunFolder& folder, const recipe::Recipe& recipe, FittedState state,
                     const std::string& who, OpenedRun& opened);

  Context context_;
  std::string device_;
  bool plain_;
  std::shared_ptr<std::atomic<bool>> trial_ = std::make_shared<std::atomic<bool>>(false);
  std::set<std::filesystem::path> above_;     // the runs on the way here
  std::set<std::filesystem::path> compared_;  // runs whose libraries were looked at
  std::vector<OtherLibrary> other_libraries_;
  std::vector<OpenedModel> models_;
  bool same_libraries_ = false;
};

/// Names of an ensemble's members: their run folders, made unique.
std::vector<std::string> member_names(const recipe::EnsembleSection& ensemble);

}  // namespace osteon::engine
