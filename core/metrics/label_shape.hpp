// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "data/labels.hpp"

namespace osteon::metrics {

/// How a class lies in an image. A part counts where it holds a tenth of the class's pixels or more: what is
/// smaller is a speck.
struct ClassShape {
  bool known = true;  ///< false: nobody knows of the class in this image, and the others are 0
  double area = 0;    ///< share of the image's pixels
  int parts = 0;      ///< of 8-connected pixels, that count
  double extent = 0;  ///< longer side of the box around these, as a share of the image's longer side
};

/// How the labels of an image, or a prediction, lie in it.
struct LabelShape {
  std::vector<ClassShape> classes;
  double foreground = 0;  ///< share of the pixels that have a class
  double overlap = 0;     ///< share of the foreground's pixels that have more than one
};

/// [any-thread]
LabelShape shape_of(const data::Labels& labels);

}  // namespace osteon::metrics
