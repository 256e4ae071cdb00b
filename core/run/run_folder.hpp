// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/component.hpp"
#include "recipe/recipe.hpp"

namespace osteon::run {

/// A run: a folder that holds everything needed to use or repeat a training.
///
///     recipe.toml              the recipe, fully resolved
///     files/                   copies of the files that the recipe's plugins read, and of the weights it began with
///     run.json                 with what (LibTorch, BLAS), how it ended, how its labels lie in their images, and its
///                              sessions: when, with which plugins (version and SHA-256), threads and overrides
///     model.safetensors        the weights to predict with
///     fitted.safetensors       what its ensembler ("ensembler.") and post-processors ("post.0.") were fitted to
///     checkpoint.safetensors   what `train --resume` goes on from: weights, optimizer, averages, position
///     metrics.jsonl            one line per epoch
///     evaluation.json, .csv    of the validation images, by `evaluate`; ensembles read it
///     evaluation-*.json, .csv  of other images, or with other settings than the run's own
class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const noexcept { return root_; }
  std::filesystem::path recipe() const { return root_ / "recipe.toml"; }
  std::filesystem::path files() const { return root_ / "files"; }
  std::filesystem::path info() const { return root_ / "run.json"; }
  std::filesystem::path model() const { return root_ / "model.safetensors"; }
  std::filesystem::path fitted() const { return root_ / "fitted.safetensors"; }
  std::filesystem::path checkpoint() const { return root_ / "checkpoint.safetensors"; }
  std::filesystem::path metrics() const { return root_ / "metrics.jsonl"; }
  /// @param of  what was evaluated; empty: the validation images, with the run's own settings
  std::filesystem::path evaluation(const std::string& extension, const std::string& of = {}) const {
    return root_ / ("evaluation" + (of.empty() ? "" : '-' + of) + '.' + extension);
  }

  /// Throws Error(kData) that says what is missing when this is no run folder, or one whose training never got as far
  /// as weights.
  void check_usable() const;

  /// Writes recipe.toml and the copies in files/ that it names. A file of this very folder may be among them: a run may
  /// be repeated over itself. Throws Error(kResources).
  void write_recipe(const recipe::Recipe& recipe) const;

  /// Whether somebody began a run here, however far it came.
  bool is_run() const;
  /// Nothing is in it, or it is not there; what killed processes leave does not count.
  bool is_blank() const;
  /// Its training came to its end, as far as its record says; where there is none, its weights say it.
  bool is_done() const;

  /// Makes the folder that of a run that begins with `info`: what an earlier one left is removed. Whenever the process
  /// is killed meanwhile, the folder is the earlier run's or that of one without a checkpoint, never of both.
  void begin(const recipe::Recipe& recipe, const nlohmann::json& info) const;
  /// Removes the unfinished files of processes that were killed while they wrote here. The folder is locked.
  void remove_leftovers() const;

  nlohmann::json read_info() const;
  void write_info(const nlohmann::json& info) const;

 private:
  std::filesystem::path root_;
};

/// Name, kind, version, path and SHA-256 of a plugin that a run used.
nlohmann::json plugin_record(const plugin::LoadedComponent& component);

}  // namespace osteon::run
