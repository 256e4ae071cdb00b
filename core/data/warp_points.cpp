// SPDX-License-Identifier: Apache-2.0
#include "data/warp_points.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <osteon/sdk/vector_math.hpp>

namespace osteon::data {
namespace {

using sdk::vector_select;

// `count` points of one output row, from column `x` on.
OSTEON_MULTIVERSION void start_row(std::int64_t x, std::int64_t count, double row_x, double row_y, double step_x,
                                   double step_y, float* to_x, float* to_y) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const double column = static_cast<double>(static_cast<std::int32_t>(x + i));
    to_x[i] = static_cast<float>(step_x * column + row_x);
    to_y[i] = static_cast<float>(step_y * column + row_y);
  }
}

OSTEON_MULTIVERSION void apply_matrix(const double* m, std::int64_t count, float* x, float* y) {
  const double m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3], m4 = m[4], m5 = m[5];
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const double from_x = static_cast<double>(x[i]), from_y = static_cast<double>(y[i]);
    x[i] = static_cast<float>(m0 * from_x + m1 * from_y + m2);
    y[i] = static_cast<float>(m3 * from_x + m4 * from_y + m5);
  }
}

OSTEON_MULTIVERSION void reflect_axis(std::int32_t size, std::int64_t count, float* x) {
  const float last = static_cast<float>(size - 1), period = size > 1 ? 2 * last : 1, inverse = 1 / period;
  constexpr float kFar = 1e9f;  // what is farther away has no fraction left, and has to fit an int32
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    float at = vector_select(x[i] < 0, -x[i], x[i]);
    at = vector_select(at < kFar, at, 0);  // NaN as well
    // Whole periods less; the rounding of the quotient can leave it a hair outside.
    at -= static_cast<float>(static_cast<std::int32_t>(at * inverse)) * period;
    at = vector_select(at > last, period - at, at);
    at = vector_select(at < 0, -at, at);
    x[i] = vector_select(at > last, last, at);
  }
}

OSTEON_MULTIVERSION void clamp_axis(std::int32_t size, std::int64_t count, float* x) {
  const float last = static_cast<float>(size - 1);
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float above = vector_select(x[i] > 0, x[i], 0);
    x[i] = vector_select(above < last, above, last);
  }
}

OSTEON_MULTIVERSION void index_of(const float* x, const float* y, std::int64_t count, std::int32_t stride,
                                  std::int32_t* index) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i)
    index[i] = static_cast<std::int32_t>(y[i] + 0.5f) * stride + static_cast<std::int32_t>(x[i] + 0.5f);
}

OSTEON_MULTIVERSION void gather_words(const std::int32_t* from, const std::int32_t* index, std::int64_t count,
                                      std::int32_t* to) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[index[i]];
}

template <class T>
T rounded(float value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(value + 0.5f);  // values are not below 0
  else
    return value;
}

template <class T, int kChannels>
void interpolate_as(const cv::Mat& image, const Points& points, T* to) {
  const T* const first = image.ptr<T>();
  const auto stride = static_cast<std::ptrdiff_t>(image.step1());
  const int channels = kChannels > 0 ? kChannels : image.channels();
  // The pixel on the left or above is never the last one, so that there is one beside it; in a single row or column
  // that is itself.
  const std::ptrdiff_t right = image.cols > 1 ? channels : 0, down = image.rows > 1 ? stride : 0;
  const int before_last_x = std::max(0, image.cols - 2), before_last_y = std::max(0, image.rows - 2);
  const float* const x = points.x.data();
  const float* const y = points.y.data();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const int x0 = std::min(static_cast<int>(x[i]), before_last_x),
              y0 = std::min(static_cast<int>(y[i]), before_last_y);
    const float by_x = x[i] - static_cast<float>(x0), by_y = y[i] - static_cast<float>(y0);
    const T* at = first + y0 * stride + static_cast<std::ptrdiff_t>(x0) * channels;
    for (int c = 0; c < channels; ++c, ++at, ++to) {
      const float a = static_cast<float>(at[0]), b = static_cast<float>(at[right]);
      const float d = static_cast<float>(at[down]), e = static_cast<float>(at[down + right]);
      // Each end to the bit, where a point lies on a pixel.
      const float above = (1 - by_x) * a + by_x * b, below = (1 - by_x) * d + by_x * e;
      *to = rounded<T>((1 - by_y) * above + by_y * below);
    }
  }
}

// The pixel on the left and above of each point, as in interpolate_as(), and how far the point is from it.
OSTEON_MULTIVERSION void split(const float* x, const float* y, std::int64_t count, std::int32_t before_last_x,
                               std::int32_t before_last_y, std::int32_t stride, std::int32_t* index, float* by_x,
                               float* by_y) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    std::int32_t left = static_cast<std::int32_t>(x[i]), top = static_cast<std::int32_t>(y[i]);
    left = left < before_last_x ? left : before_last_x;
    top = top < before_last_y ? top : before_last_y;
    by_x[i] = x[i] - static_cast<float>(left);
    by_y[i] = y[i] - static_cast<float>(top);
    index[i] = top * stride + left;
  }
}

OSTEON_MULTIVERSION void blend(const std::uint32_t* four, const float* by_x, const float* by_y, std::int64_t count,
                               std::uint8_t* to) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const auto word = static_cast<std::int32_t>(four[i]);
    const float a = static_cast<float>(word & 255), b = static_cast<float>((word >> 8) & 255);
    const float d = static_cast<float>((word >> 16) & 255), e = static_cast<float>((word >> 24) & 255);
    const float above = (1 - by_x[i]) * a + by_x[i] * b, below = (1 - by_x[i]) * d + by_x[i] * e;
    to[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>((1 - by_y[i]) * above + by_y[i] * below + 0.5f));
  }
}

// Grey bytes, which radiographs mostly are: the four pixels around a point are collected into a word, so that all the
// rest runs in vectors. At least two rows and columns.
void interpolate_bytes(const cv::Mat& image, const Points& points, std::uint8_t* to) {
  constexpr std::int64_t kBlock = 1024;
  std::int32_t index[kBlock];
  float by_x[kBlock], by_y[kBlock];
  std::uint32_t four[kBlock];
  const std::uint8_t* const first = image.ptr();
  const auto down = static_cast<std::ptrdiff_t>(image.step1());
  const auto total = static_cast<std::int64_t>(points.size());
  for (std::int64_t at = 0; at < total; at += kBlock, to += kBlock) {
    const std::int64_t count = std::min(kBlock, total - at);
    split(points.x.data() + at, points.y.data() + at, count, image.cols - 2, image.rows - 2,
          static_cast<std::int32_t>(down), index, by_x, by_y);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint8_t* pixel = first + index[i];
      four[i] = pixel[0] | static_cast<std::uint32_t>(pixel[1]) << 8 | static_cast<std::uint32_t>(pixel[down]) << 16 |
                static_cast<std::uint32_t>(pixel[down + 1]) << 24;
    }
    blend(four, by_x, by_y, count, to);
  }
}

template <class T>
void interpolate_depth(const cv::Mat& image, const Points& points, void* to) {
  if (image.channels() == 1)
    interpolate_as<T, 1>(image, points, static_cast<T*>(to));
  else if (image.channels() == 3)
    interpolate_as<T, 3>(image, points, static_cast<T*>(to));
  else
    interpolate_as<T, 0>(image, points, static_cast<T*>(to));
}

}  // namespace

void start_points(std::int64_t first, int width, const double (&m)[6], Points& points) {
  const auto end = first + static_cast<std::int64_t>(points.size());
  for (std::int64_t at = first; at < end;) {
    const std::int64_t row = at / width, column = at % width;
    const std::int64_t count = std::min<std::int64_t>(width - column, end - at);
    const double y = static_cast<double>(row);
    start_row(column, count, m[1] * y + m[2], m[4] * y + m[5], m[0], m[3], points.x.data() + (at - first),
              points.y.data() + (at - first));
    at += count;
  }
}

void move_points(const double (&matrix)[6], Points& points) {
  apply_matrix(matrix, static_cast<std::int64_t>(points.size()), points.x.data(), points.y.data());
}

void interleave(const Points& points, float* xy) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    xy[2 * i] = points.x[i];
    xy[2 * i + 1] = points.y[i];
  }
}

void separate(const float* xy, Points& points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    points.x[i] = xy[2 * i];
    points.y[i] = xy[2 * i + 1];
  }
}

void reflect(cv::Size size, Points& points) {
  const auto count = static_cast<std::int64_t>(points.size());
  reflect_axis(size.width, count, points.x.data());
  reflect_axis(size.height, count, points.y.data());
}

void leave(cv::Size size, std::int16_t stage, Points& points, std::int16_t* marks) {
  const float right = static_cast<float>(size.width) - 0.5f, bottom = static_cast<float>(size.height) - 0.5f;
  for (std::size_t i = 0; i < points.size(); ++i) {
    float &x = points.x[i], &y = points.y[i];
    if (x >= -0.5f && x <= right && y >= -0.5f && y <= bottom) continue;
    if (marks[i] < 0) marks[i] = stage;
    x = y = 0;
  }
}

void clamp(cv::Size size, Points& points) {
  const auto count = static_cast<std::int64_t>(points.size());
  clamp_axis(size.width, count, points.x.data());
  clamp_axis(size.height, count, points.y.data());
}

void nearest(const Points& points, std::int64_t stride, std::int32_t* index) {
  index_of(points.x.data(), points.y.data(), static_cast<std::int64_t>(points.size()),
           static_cast<std::int32_t>(stride), index);
}

void gather(const std::int32_t* from, const std::int32_t* index, std::size_t count, std::int32_t* to) {
  gather_words(from, index, static_cast<std::int64_t>(count), to);
}

void gather(const std::uint8_t* from, const std::int32_t* index, std::size_t count, std::uint8_t* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = from[index[i]];
}

void interpolate(const cv::Mat& image, const Points& points, void* to) {
  if (image.type() == CV_8UC1 && image.cols > 1 && image.rows > 1)
    interpolate_bytes(image, points, static_cast<std::uint8_t*>(to));
  else if (image.depth() == CV_8U)
    interpolate_depth<std::uint8_t>(image, points, to);
  else if (image.depth() == CV_16U)
    interpolate_depth<std::uint16_t>(image, points, to);
  else
    interpolate_depth<float>(image, points, to);
}

}  // namespace osteon::data
