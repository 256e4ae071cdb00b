// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <opencv2/core.hpp>

namespace osteon::data::phantom {

/// A closed polygon; the last point is joined to the first.
using Outline = std::vector<cv::Point2d>;

/// A closed, smooth curve through `knots` (centripetal Catmull-Rom: no loops, however uneven the knots), `steps` points
/// per knot.
Outline smooth_closed(const Outline& knots, int steps);

/// Area (positive), centre of area and bounds of a closed polygon.
double area_of(const Outline& outline);
cv::Point2d centroid_of(const Outline& outline);
cv::Rect2d box_of(const Outline& outline);

/// The part with y <= `bottom` (Sutherland-Hodgman against one line).
Outline clipped_below(const Outline& outline, double bottom);

Outline transformed(const Outline& outline, const cv::Matx33d& matrix);

/// Sets pixels of `mask` (CV_8UC1) to 255 whose *centre* lies inside, with pixel centres at integers plus `origin`:
/// mask(0, 0) lies at `origin`. cv::fillPoly also sets every pixel that the edge touches, half a pixel too much all
/// round.
void fill(cv::Mat& mask, const Outline& outline, cv::Point origin);

/// Rotation by `degrees`, clockwise on the screen (y down), about `centre`; plain moves and stretches.
cv::Matx33d rotation_about(cv::Point2d centre, double degrees);
cv::Matx33d translation(cv::Point2d by);
cv::Matx33d stretch_about(cv::Point2d centre, cv::Point2d axis, double factor);
cv::Point2d apply(const cv::Matx33d& matrix, cv::Point2d p);

}  // namespace osteon::data::phantom
