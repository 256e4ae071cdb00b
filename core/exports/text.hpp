// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <opencv2/core.hpp>

// Text beside pictures, in the one font that OpenCV has built in: ASCII, see to_ascii() in legend.hpp.
namespace osteon::exports {

inline const cv::Scalar kBackground(22, 24, 28);
inline const cv::Scalar kText(236, 238, 240);
inline const cv::Scalar kQuiet(172, 176, 182);
inline const cv::Scalar kDimmed(112, 116, 122);
inline constexpr double kCapitalHeight = 21.0;  ///< of the font at scale 1, px

/// Thickness of its lines at a scale, px.
int stroke(double scale);
/// px.
int width_of(const std::string& text, double scale);
void write(cv::Mat& picture, const std::string& text, cv::Point baseline, double scale, const cv::Scalar& ink);

/// The text in lines of at most `width` px, broken at spaces; a word that is wider than that is broken too. One line at
/// least.
std::vector<std::string> wrapped(const std::string& text, double scale, int width);

}  // namespace osteon::exports
