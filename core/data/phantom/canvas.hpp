// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/phantom/outline.hpp"

namespace osteon::data::phantom {

/// A part of the image on a finer grid: shapes are drawn finely and averaged down, so that edges are smooth and thin
/// cortices survive in small images.
struct Window {
  int fine;       ///< fine pixels per pixel, each way
  cv::Rect area;  ///< pixels; may reach outside the image

  cv::Size fine_size() const { return area.size() * fine; }
  cv::Point fine_origin() const { return area.tl() * fine; }
  /// Pixels to fine pixels; centres are at integers on both grids.
  cv::Matx33d to_fine() const {
    const double f = fine, o = (f - 1) / 2;
    return {f, 0, o, 0, f, o, 0, 0, 1};
  }
};

/// The window around `outline` (pixels) in an image of `size`, reaching at most `margin` pixels beyond the image. May
/// be empty.
Window window_for(const Outline& outline, cv::Size size, double margin);

/// CV_8UC1, 255 in `outline`, on the window's fine grid.
cv::Mat fine_mask(const Window& window, const Outline& outline);

/// Adds `fine` (CV_32FC1 on the window's fine grid), averaged down, to `image`.
void add_fine(cv::Mat& image, const Window& window, const cv::Mat& fine);

/// Adds `amount` inside `outline` (pixels), with smooth edges.
void add_area(cv::Mat& image, const Outline& outline, float amount);

}  // namespace osteon::data::phantom
