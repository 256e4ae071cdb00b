// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/augmentation.hpp>

/// What augmentations share that put holes into an image.
namespace osteon::augmentations {

/// Rows top .. bottom - 1 and columns left .. right - 1.
struct Hole {
  std::int64_t left = 0, top = 0, right = 0, bottom = 0;
};

/// What becomes of pixels and labels in holes.
struct Filling {
  double fill = 0;
  std::string labels = "keep";
};

/// The parameters of a Filling, which every dropout has. (Not a base of their structs: GCC 12 warns of its string.)
template <class P>
void add_filling(sdk::Schema<P>& s, double P::*fill, std::string P::*labels) {
  s.add("fill", fill, "intensity of the holes, as a share of the greatest").between(0, 1).aliases({"fill_value"});
  s.add("labels", labels,
        "in the holes. keep: as they are; empty: no class; ignore: invalid, so that no loss counts them")
      .choices({"keep", "empty", "ignore"});
}

/// Fills the holes and edits the labels in them.
void punch(const sdk::Call& call, const std::vector<Hole>& holes, const Filling& filling, const sdk::Pixels& pixels);

}  // namespace osteon::augmentations
