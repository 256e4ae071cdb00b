// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "exports/legend.hpp"

namespace osteon::exports {

/// One picture of a sheet and what is written under it.
struct SheetTile {
  cv::Mat picture;                   ///< CV_8UC3, RGB
  std::vector<std::string> caption;  ///< UTF-8; each is wrapped to the tile's width; the first is a title
};

struct ContactSheet {
  cv::Mat picture;              ///< CV_8UC3, RGB
  std::vector<cv::Rect> tiles;  ///< where each tile's picture lies, pixel for pixel
};

/// Pictures in rows of `columns`, each row as high as its longest caption wants, below a heading and beside a legend of
/// classes (none for no entries). The pictures have one size. What the font cannot show is written as to_ascii() has
/// it. [any-thread]
ContactSheet render_contact_sheet(const std::string& heading, const std::vector<SheetTile>& tiles, int columns,
                                  const std::vector<LegendEntry>& legend);

}  // namespace osteon::exports
