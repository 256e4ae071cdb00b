// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "plugin/model.hpp"
#include "weights/safetensors.hpp"

/// How the names in a file of weights meet those of a model, whatever wrote the file and whatever the model is.
namespace osteon::weights {

/// Names of another implementation that a model's plugin knows.
struct Dialect {
  std::string name;  ///< for people: "timm"
  std::function<std::vector<plugin::WeightPart>(const std::vector<plugin::WeightEntry>&)> translate;
};

/// A model as weights see it.
struct ModelWeights {
  std::vector<plugin::NamedTensor> tensors;
  std::int64_t in_channels = 3;
  std::vector<Dialect> dialects;
};
/// Borrows `model`, on the CPU; valid until it moves.
ModelWeights weights_of(plugin::Model& model, const plugin::Call& call);

/// The tensors of a file under the model's names.
struct MatchedNames {
  std::vector<TensorData> tensors;  ///< each has a place in the model, maybe of another shape; they point into the file
  std::vector<std::string> unexpected;  ///< names in the file that mean nothing to the model
  std::vector<std::string> unused;  ///< names in the file of which the plugin says that the model has no use for them
  std::string how;                  ///< "names read below `encoder.`"; empty: as they are
};

/// Finds the reading of a file's names with which the most tensors of the model (counters aside) find values of their
/// shape. Readings are:
///  - the names as they are;
///  - the names below a prefix in the file ("module.", "state_dict.model.") as names below a prefix in the model
///    ("encoder."), either of them empty;
///  - the names, or those below a prefix in the file, as a dialect of the plugin;
/// and each of these without what wrappers put into names (wrappers.hpp). A tensor whose name is the model's own keeps
/// its place in all of them; a dialect may know it as something else where the shape is another. Among equals, the
/// reading with the fewest names that mean nothing to the model, then the one that changes the least (a component of a
/// prefix, a wrapper, or a dialect, is a change). A reading other than the names as they are must find a place for a
/// tenth of the file's tensors: two layers of another network may well have the same shape. Where no shape fits at all,
/// or names give a place to most of the file and to more than twice as many tensors as shapes do, names alone decide,
/// so that it can be said what is misshapen.
///
/// Throws Error(kData) at `where` when two readings are equal in all of this and give the model other values, or when
/// two tensors of the file are read as one of the model.
MatchedNames match_names(const std::vector<TensorData>& file, const ModelWeights& model, const std::string& where);

/// Whether `shape` is that of a convolution of RGB, [O, 3, h, w], in the place of the model's [O, in_channels, h, w].
bool is_rgb_stem(const std::vector<std::int64_t>& shape, const osteon_tensor_view& place, std::int64_t in_channels);

}  // namespace osteon::weights
