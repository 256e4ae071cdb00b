// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "data/image.hpp"
#include "data/labels.hpp"

namespace osteon::exports {

struct OverlayOptions {
  double opacity = 0.30;  ///< of the fill, 0 (outlines only) to 1
  bool legend = true;     ///< a panel with the classes at the right of the picture
  int least_height =
      768;  ///< pixels; smaller images are enlarged by a whole factor to about this, so that text fits beside them
  int greatest_side = 4096;  ///< pixels; larger images are reduced to this
};

/// The image with its labels on it: each class filled translucently and outlined in its colour, class names beside
/// it. A class that is not in the image is dimmed in the legend. Numbers on the image repeat the legend's, because no
/// thirty colours are told apart by everyone. 16-bit images are shown between their 0.5 and 99.5 percent brightness.
///
/// The legend's letters grow with the picture, its columns with the number of classes. The built-in font has ASCII
/// only; other letters of a name show as '?', the number in front still tells the class.
///
/// @return CV_8UC3 in RGB order. Throws Error(kData) where sizes or numbers of classes differ. [any-thread]
cv::Mat render_overlay(const data::Image& image, const data::Labels& labels,
                       const std::vector<std::string>& class_names, const OverlayOptions& options = {});

}  // namespace osteon::exports
