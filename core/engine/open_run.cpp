// SPDX-License-Identifier: Apache-2.0
#include "engine/open_run.hpp"

#include "predict/tensor_cache.hpp"

namespace osteon::engine {

OpenedRun open_run(const std::filesystem::path& run, const recipe::Recipe& recipe, const Context& context,
                   bool same_libraries) {
  predict::shared_cache().set_bound(static_cast<std::size_t>(recipe.predict.cache_mb) << 20);
  Opener opener(context, recipe);
  if (same_libraries) opener.require_same_libraries();
  OpenedRun opened = opener.open(run, recipe);
  opened.other_libraries = opener.other_libraries();
  opened.models = opener.models();
  return opened;
}

}  // namespace osteon::engine
