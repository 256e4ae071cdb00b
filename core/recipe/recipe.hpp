// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/schema.hpp"

namespace osteon::recipe {

/// A place in a recipe. `file` is a path, or "--set" / "environment NAME" / "default" / "schema of PLUGIN" for values
/// that no file gave; line and column are 1-based, 0 when there are none.
struct Location {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

/// A plugin as a recipe names it, its parameters complete and typed.
struct Component {
  plugin::Kind kind = plugin::Kind::kModel;
  std::string plugin;
  std::string version;               ///< that the recipe asks for: "1.2" is any 1.2.x; empty: the highest there is
  plugin::Parameters parameters;     ///< in the order of the plugin's schema, defaults filled in
  Location location;                 ///< of the table
  std::vector<std::string> classes;  ///< of `[[predict.post]]`: those that it acts on, and sees; empty: all
};

/// `[data]`: what is read, how it is split and what the model sees of it.
struct DataSection {
  std::string layout;                   ///< "boostcamp", "index_png" or "class_png"
  std::filesystem::path root;           ///< resolved against the recipe's folder
  std::string kind = "multilabel";      ///< "multilabel" (sigmoid) or "multiclass" (softmax, arg max)
  std::vector<std::string> classes;     ///< in channel order
  std::vector<int> mirrored;            ///< class that class c becomes in a mirrored image; empty: itself
  std::vector<int> image_size;          ///< {height, width} in px; one number in the recipe means a square
  int channels = 3;                     ///< 1 or 3, what the model sees; a grey image is repeated, colour is made grey
  std::vector<double> mean;             ///< per channel on 0..1 intensities; empty: 0
  std::vector<double> std;              ///< per channel; empty: 1
  std::string intensity = "fixed";      ///< "fixed", "percentile", "zscore" or "window"; before mean and std
  std::vector<double> intensity_range;  ///< "percentile": 0..100; "window": 0..1; empty: 0.5 and 99.5
  std::string intensity_of = "image";   ///< "image" or "exposed": what percentiles and deviations are of
  int ignore_index = 255;               ///< index_png only: pixels of this value are invalid
  int folds = 5;                        ///< patient-grouped k-fold
  int fold = 0;                         ///< the fold that validates; training uses the others
  std::int64_t seed = 21;               ///< of the split
  std::string on_broken = "fail";       ///< "fail": a broken image or annotation stops; "skip": it is named and counted
  std::string absent = "error";         ///< a class without annotation in an image: "error", "empty" or "unknown"
  std::filesystem::path weights;        ///< CSV of what training images count in the loss; empty: 1 each
  int workers = 2;                      ///< loader threads, 0: load in the caller
  int prefetch = 4;                     ///< batches made ahead, `workers` at least; bounds memory
  int cache_mb = 0;                     ///< memory for decoded images in MiB, 0: none
};

/// `[model]`.
struct ModelSection {
  Component component;
  std::filesystem::path weights;  ///< safetensors or .pth to start from; empty: none
  std::string weights_key;        ///< which state dict of `weights`, where it has several; empty: the usual one
  bool strict = false;            ///< missing, unexpected or misshapen weights are an error
  std::string stem = "exact";     ///< what an RGB stem becomes for other channels: "exact" (misshapen), "sum" or "mean"
};

/// One `[[augment]]`: a plugin, or a group of steps.
struct AugmentStep {
  std::string group;               ///< "", "one_of", "some_of" or "sequence"
  double p = 1.0;                  ///< probability of the step; inside one_of and some_of a weight of the choice
  int count = 1;                   ///< some_of: how many of the steps
  Component component;             ///< when group is empty
  std::vector<AugmentStep> steps;  ///< when it is not: `[[augment.steps]]`
  Location location;
};

/// One `[[loss]]`; the training loss is the weighted sum.
struct LossTerm {
  double weight = 1.0;
  std::string output;  ///< the only output of the model that it is for; empty: main and auxiliary ones
  Component component;
};

/// `[train.optimizer]`.
struct OptimizerSection {
  std::string name = "adamw";  ///< "adamw" or "rmsprop"
  double lr = 1e-4;
  double weight_decay = 1e-2;
  std::string decay = "all";                 ///< what decays: "all" or "weights", which leaves biases and norms alone
  std::vector<double> betas = {0.9, 0.999};  ///< adamw
  double alpha = 0.99;                       ///< rmsprop
  double momentum = 0.0;                     ///< rmsprop
  double eps = 1e-8;
};

/// `[train.scheduler]`.
struct SchedulerSection {
  std::string name = "cosine";  ///< "cosine" or "constant"
  double min_lr = 0.0;
  double warmup_epochs = 0.0;  ///< linear from 0
  std::string step = "epoch";  ///< "epoch" or "iteration"
};

/// `[train]`.
struct TrainSection {
  int epochs = 1;  ///< 0: the run keeps the model as it begins
  int batch_size = 1;
  int accumulate = 1;              ///< micro-batches per optimizer step
  std::string precision = "fp32";  ///< "fp32", "tf32" (as fp32 but on CUDA) or "amp" (fp16 on CUDA, bf16 on the CPU)
  std::string device = "auto";     ///< "auto", "cpu" or "cuda", which is the first that CUDA_VISIBLE_DEVICES leaves
  std::int64_t seed = 21;
  int validate_every = 1;                      ///< epochs; 0: only after the last
  std::string validate_with = "model";         ///< "model" (and thresholds) or "chain"
  double gradient_clip = 0.0;                  ///< greatest norm of all gradients together; 0: none
  double ema = 0.0;                            ///< decay of the moving average of weights that is kept; 0: none
  int checkpoint_every = 1;                    ///< epochs
  std::map<std::string, double> head_weights;  ///< by the model's output name; others keep the model's own weight
  OptimizerSection optimizer;
  SchedulerSection scheduler;
};

/// `[predict]`.
struct PredictSection {
  double threshold = 0.5;
  std::map<std::string, double> thresholds;  ///< by class name, over `threshold`
  int batch_size = 1;
  std::string device = "auto";  ///< where the model works, as `train.device`; the rest is the CPU's
  std::string path = "auto";    ///< how the model runs: "auto" (the fastest that was found) or "plain"
  int cache_mb = 512;           ///< memory for what post-processors keep of images, in MiB; 0: nothing is kept
  int memory_mb = 0;            ///< memory for open models, in MiB; 0: as much as they take
  std::vector<Component> post;  ///< `[[predict.post]]`: the first is next to the model, the last is outermost
};

/// `[plugins]`: which libraries a recipe may be run with.
struct PluginsSection {
  std::vector<std::string> allow;  ///< "sha256:..." of library files; empty: whatever the operator allows
};

/// One `[[ensemble.member]]`.
struct Member {
  std::filesystem::path run;
  Location location;
};

/// `[ensemble]`: a recipe with members instead of a model.
struct EnsembleSection {
  Component component;
  std::vector<Member> members;
};

/// One value of a resolved recipe and where it came from.
struct Origin {
  std::string key;                 ///< "train.optimizer.lr", "augment[0].limit"
  std::string value;               ///< as TOML
  std::string from;                ///< "file:line:column", "--set ...", "default", "default of rotate"
  std::vector<std::string> files;  ///< what it names on the disk, absolute, when that is a part of the recipe
};

/// A recipe, fully resolved: `extends`, overrides and environment variables applied, defaults filled in, every plugin's
/// parameters complete. Exactly one of `model` and `ensemble` is there.
struct Recipe {
  std::string name;
  std::string description;
  DataSection data;
  std::optional<ModelSection> model;
  std::optional<EnsembleSection> ensemble;
  std::vector<AugmentStep> augment;
  std::vector<LossTerm> loss;
  TrainSection train;
  PredictSection predict;
  PluginsSection plugins;
  std::vector<Origin> origins;  ///< of every value, in the recipe's order
};

}  // namespace osteon::recipe
