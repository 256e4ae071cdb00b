// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/kernel_check.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"

namespace osteon {

/// The engine: everything that computes. It lives in a library of its own with LibTorch and OpenCV behind it, which
/// take half a second to load, so that the program answers `-h`, `recipe check` and `plugins list` without it.
///
/// Each function does one verb. It throws Error; it prints progress and remarks to stderr, and nothing to stdout.
namespace engine {

/// Threads that work may keep busy, where plugins come from, and what is known of the kernels that they run; the same
/// for every verb.
struct Context {
  plugin::Registry* registry = nullptr;
  int threads = 1;
  KernelReport kernels = {};
};

struct PhantomRequest {
  std::filesystem::path out;
  int patients = 40;
  int test_patients = 10;
  int size = 1024;  ///< px, of the square images
  std::uint64_t seed = 1;
  double ring_fraction = 0.03;
  double bent_fraction = 0.1;
  bool overwrite = false;
};

struct TrainRequest {
  recipe::Recipe recipe;
  std::filesystem::path out;
  std::vector<std::string> overrides;  ///< that `recipe` was resolved with, for the run's record
  bool resume = false;                 ///< go on with the run in `out`
  bool go_on = false;      ///< the same where there is one; pass over one that is done, begin where there is none
  bool overwrite = false;  ///< a run folder that is there already is replaced
};

/// Which images of a run's data are looked at.
enum class Subset { kValidation, kTrain, kTest, kAll };

struct EvaluateRequest {
  std::filesystem::path run;
  std::optional<recipe::Recipe> recipe;  ///< instead of the run's own (with overrides); prediction settings and data
  Subset subset = Subset::kValidation;
  std::vector<std::string> overrides;  ///< what makes the recipe another than the run's own, as "key=value"
};

struct PredictRequest {
  std::filesystem::path run;
  std::optional<recipe::Recipe> recipe;
  std::vector<std::string> inputs;  ///< image files, folders of images, patterns; see data::find_inputs
  std::filesystem::path out;
  std::vector<std::string> formats;  ///< "csv", "png", "overlay", "probabilities"
  bool half_probabilities = false;   ///< "probabilities" in float16 instead of float32
  bool show_plan = false;            ///< say which way of running the model was chosen, and why
  bool same_plugins = false;         ///< refuse other libraries than those that the run was made with
};

struct ForwardRequest {
  recipe::Recipe recipe;
  std::filesystem::path weights, input, output;
  std::string key;                    ///< which state dict of the weights; empty: what the recipe says of its own
  std::string precision = "float32";  ///< or "tf32", "float16", "bfloat16"
  bool plain = false;                 ///< the reference path only
  bool all_outputs = false;           ///< beside the logits, all other outputs under their names
};

struct AugmentPreviewRequest {
  recipe::Recipe recipe;
  std::filesystem::path image;
  std::filesystem::path labels;  ///< see data::read_label_file; empty: those that the recipe's data set has
  std::filesystem::path out;     ///< the PNG
  int count = 8;                 ///< draws, one an epoch
  std::int64_t epoch = 1;        ///< the first of them, as training counts
  int columns = 0;               ///< of tiles; 0: as many as rows, or a few more
  int tile = 512;                ///< greatest side of a tile, px
};

struct PostRunRequest {
  recipe::Recipe recipe;  ///< of one post-processor, see recipe::load_post
  std::filesystem::path image;
  std::filesystem::path probabilities;  ///< safetensors with a tensor `probabilities`, [1, K, H, W]
  std::filesystem::path output;         ///< the same after the post-processor
};

struct PostPreviewRequest {
  std::filesystem::path run;
  recipe::Recipe recipe;  ///< the run's own, with overrides
  std::filesystem::path image;
  std::filesystem::path out;  ///< the PNG
  int tile = 768;             ///< greatest side of a tile, px
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual nlohmann::json phantom(const PhantomRequest& request) = 0;
  virtual nlohmann::json train(const TrainRequest& request) = 0;
  /// Classes in the data's order.
  virtual nlohmann::ordered_json evaluate(const EvaluateRequest& request) = 0;
  virtual nlohmann::json predict(const PredictRequest& request) = 0;
  virtual nlohmann::json forward(const ForwardRequest& request) = 0;
  virtual nlohmann::ordered_json preview_augment(const AugmentPreviewRequest& request) = 0;
  virtual nlohmann::ordered_json run_post(const PostRunRequest& request) = 0;
  virtual nlohmann::ordered_json preview_post(const PostPreviewRequest& request) = 0;
  /// LibTorch, BLAS, threads, instruction set, kernels, accelerators, as they are in this process.
  virtual nlohmann::json doctor() = 0;
  /// Tests the kernels of this process and answers the parent, for check_kernels(). The process is of no other use
  /// afterwards.
  virtual void test_kernels() = 0;
};

/// Whether and by which program kernels are tested first; see check_kernels().
struct KernelCheck {
  KernelTest test = KernelTest::kNone;
  std::filesystem::path program;
};

/// Puts the threads, the BLAS and the kernels in order, then loads the engine. The environment is read by libraries as
/// they load, so nothing of it may be loaded before. Throws Error(kResources) when the engine cannot be loaded.
std::unique_ptr<Engine> load(const Context& context, const KernelCheck& kernels);

/// The entry that load() looks up.
using CreateFunction = Engine* (*)(const Context*);
inline constexpr const char* kCreateSymbol = "osteon_create_engine";

}  // namespace engine
}  // namespace osteon
