// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

/// Loops over points of a piece of the output, on their way back to the input; each is compiled for several instruction
/// sets. Pixel centres are whole numbers.
namespace osteon::data {

/// Points, in two arrays that vector instructions can load.
struct Points {
  std::vector<float> x, y;
  std::size_t size() const noexcept { return x.size(); }
  void resize(std::size_t count) {
    x.resize(count);
    y.resize(count);
  }
};

/// The points `first .. first + size` of an output of `width` columns, row by row, in an affine's input: the matrix
/// (row-major 2 x 3) is applied in double.
void start_points(std::int64_t first, int width, const double (&matrix)[6], Points& points);

/// Applies the matrix in double.
void move_points(const double (&matrix)[6], Points& points);

/// Between the two arrays and x, y in turn, as the ABI passes points.
void interleave(const Points& points, float* xy);
void separate(const float* xy, Points& points);

/// gfedcb|abcdefgh|gfedcba. Points inside stay what they are to the bit; NaN becomes 0.
void reflect(cv::Size size, Points& points);

/// Writes `stage` where a point is outside of the pixels of `size` and no mark was made yet (it is negative), and takes
/// the point to 0, 0.
void leave(cv::Size size, std::int16_t stage, Points& points, std::int16_t* marks);

/// Into 0 .. size - 1, as a border that repeats its pixel.
void clamp(cv::Size size, Points& points);

/// For points in 0 .. size - 1: which element of a matrix whose rows are `stride` elements apart is nearest.
void nearest(const Points& points, std::int64_t stride, std::int32_t* index);

void gather(const std::int32_t* from, const std::int32_t* index, std::size_t count, std::int32_t* to);
void gather(const std::uint8_t* from, const std::int32_t* index, std::size_t count, std::uint8_t* to);

/// Bilinear interpolation of pixels (CV_8U, CV_16U or CV_32F, any number of channels) at points in 0 .. size - 1, in
/// float32, rounded to nearest; `to` has room for them.
void interpolate(const cv::Mat& image, const Points& points, void* to);

}  // namespace osteon::data
