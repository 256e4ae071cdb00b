// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "data/applied_step.hpp"
#include "data/image.hpp"
#include "data/labels.hpp"
#include "data/random_key.hpp"
#include "plugin/augmentation.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"

namespace osteon::data {

/// The recipe's `[[augment]]` steps. Thread-safe.
///
/// Steps work on the view, at the size the model sees, in the file's own depth, to which a view that was resized is
/// rounded before the first step that runs. Geometric steps in a row are resampled
/// once; a photometric step in between makes the image's part of the chain be resampled first, while labels wait for
/// what may still move them, and are resampled once. The call's threads share the work of each step. Probabilities and
/// groups are the host's business, not the plugins'.
class AugmentPipeline {
 public:
  AugmentPipeline(const std::vector<recipe::AugmentStep>& steps, plugin::Registry& registry,
                  const plugin::ClassContext& classes);
  ~AugmentPipeline();
  AugmentPipeline(const AugmentPipeline&) = delete;
  AugmentPipeline& operator=(const AugmentPipeline&) = delete;

  /// Changes image and labels, which have one size and keep it; pixels and planes that came in are replaced, never
  /// written to. `key` decides all that is random; `view_index` says which view of its image this is. What ran is
  /// added to `applied`, in its order. Throws Error(kPlugin) when the steps end at another size.
  void apply(const plugin::Call& call, const RandomKey& key, Image& image, Labels& labels, std::int64_t view_index = 0,
             std::vector<AppliedStep>* applied = nullptr) const;

 private:
  struct Step;
  struct Work;
  std::unique_ptr<Step> build(const recipe::AugmentStep& step, const std::string& path, plugin::Registry& registry,
                              const plugin::ClassContext& classes, const plugin::Call& call) const;
  void run(const Step& step, const RandomKey& key, Work& work) const;
  void run_plugin(const Step& step, const RandomKey& key, const plugin::Call& call, Work& work) const;
  void run_group(const Step& step, const RandomKey& key, Work& work) const;
  std::vector<std::unique_ptr<Step>> steps_;
  std::size_t geometric_before_ = 0;  ///< no step from this one on moves pixels
};

}  // namespace osteon::data
