// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/names.hpp"
#include "weights/safetensors.hpp"
#include "weights/state.hpp"

namespace osteon::weights {

/// What to do with the first convolution of a file when it is for RGB and the model's images have other channels.
enum class Stem {
  kExact,  ///< nothing: it is misshapen
  kSum,    ///< one channel: the sum over RGB, so that a grey image gives what it gave as RGB; n: RGB again and again,
           ///< times 3 / n
  kMean,   ///< every channel: the mean over RGB
};
/// By its name in recipes, "exact", "sum" or "mean"; throws std::invalid_argument for another one.
Stem stem_by_name(const std::string& name);

/// The weights [O, channels, h, w] that a stem [O, 3, h, w] of any float type becomes, row-major.
std::vector<float> adapt_stem(const TensorData& rgb, std::int64_t channels, Stem stem);

struct LoadOptions {
  bool strict = false;  ///< a missing, unexpected or misshapen tensor is an error, and nothing is loaded
  Stem stem = Stem::kExact;
};

/// Writes the tensors of a file into a model, its names read as match_names() does. The plugin is to be told
/// (Model::parameters_changed). Throws Error(kData) at `where`, and loads nothing, when nothing fits, when names can be
/// read in two ways, when a value that fits is not finite (expect_finite), and as `strict` says.
LoadReport load_into(const std::vector<TensorData>& file, const ModelWeights& model, const LoadOptions& options,
                     const std::string& where);

}  // namespace osteon::weights
