// SPDX-License-Identifier: Apache-2.0
#include "noise_field.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace osteon::augmentations {
namespace {

// Of the blur between nodes: sigma^2 less the variance of a cubic B-spline, 1/3, in units of the nodes' distance.
constexpr int kReach = 4;
constexpr double kNodeVariance = 1 - 1.0 / 3;

// exp(-x^2 / 2 v) at whole numbers up to `reach`, summing to 1; the first is the middle.
std::vector<double> half_gaussian(double variance, int reach) {
  std::vector<double> half;
  double sum = 0;
  for (int i = 0; i <= reach; ++i) {
    half.push_back(std::exp(-i * i / (2 * variance)));
    sum += i == 0 ? half.back() : 2 * half.back();
  }
  for (double& weight : half) weight /= sum;
  return half;
}

// The sum of squares of a kernel along one axis: what it leaves of the variance of white noise.
double energy_of_pixels(double sigma) {
  const auto half = half_gaussian(sigma * sigma, static_cast<int>(std::ceil(6 * sigma)));
  double sum = half[0] * half[0];
  for (std::size_t i = 1; i < half.size(); ++i) sum += 2 * half[i] * half[i];
  return sum;
}

// The same of the blur between nodes followed by the spline, in the mean over where a point lies between nodes:
// products of splines integrate to the spline of degree seven.
double energy_of_nodes() {
  constexpr double kSeptic[4] = {151.0 / 315, 397.0 / 1680, 1.0 / 42, 1.0 / 5040};
  const auto half = half_gaussian(kNodeVariance, kReach);
  double sum = 0;
  for (int a = -kReach; a <= kReach; ++a)
    for (int b = -kReach; b <= kReach; ++b)
      if (const int apart = std::abs(a - b); apart < 4)
        sum +=
            half[static_cast<std::size_t>(std::abs(a))] * half[static_cast<std::size_t>(std::abs(b))] * kSeptic[apart];
  return sum;
}

// Four weights of the cubic B-spline for a point `t` of the way from one node to the next.
void spline_weights(double t, float* w) {
  const double u = 1 - t;
  w[0] = static_cast<float>(u * u * u / 6);
  w[1] = static_cast<float>((3 * t * t * t - 6 * t * t + 4) / 6);
  w[2] = static_cast<float>((3 * u * u * u - 6 * u * u + 4) / 6);
  w[3] = static_cast<float>(t * t * t / 6);
}

// Where a place of the table lies between nodes: the first of four, and their weights.
struct Places {
  std::vector<std::int32_t> first;
  std::vector<float> weights;
  Places(std::int64_t count, double step) {
    weights.resize(static_cast<std::size_t>(count) * 4);
    for (std::int64_t i = 0; i < count; ++i) {
      const double at = static_cast<double>(i) * step;
      first.push_back(static_cast<std::int32_t>(at));
      spline_weights(at - std::floor(at), weights.data() + 4 * i);
    }
  }
};

// A row of `count` numbers of white noise with the given greatest value.
void noise_row(std::uint64_t key, std::uint64_t row, std::int64_t count, float greatest, float* out) {
  const std::array<std::uint32_t, 2> words{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  const float scale = greatest / 32768;
  for (std::int64_t first = 0; first < count; first += 8) {
    const auto block = sdk::philox({static_cast<std::uint32_t>(first / 8), 0, static_cast<std::uint32_t>(row),
                                    static_cast<std::uint32_t>(row >> 32)},
                                   words);
    float eight[8];
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t word = block[static_cast<std::size_t>(i)];
      eight[2 * i] = (static_cast<float>(word & 0xffffu) - 32767.5f) * scale;
      eight[2 * i + 1] = (static_cast<float>(word >> 16) - 32767.5f) * scale;
    }
    std::copy_n(eight, std::min<std::int64_t>(8, count - first), out + first);
  }
}

// to[i] = sum over k of weight[|k|] from[i + k * apart].
OSTEON_MULTIVERSION void blur(const float* from, std::int64_t apart, const float* weight, std::int64_t count,
                              float* to) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    float sum = weight[0] * from[i];
    for (std::int64_t k = 1; k <= kReach; ++k) sum += weight[k] * (from[i - k * apart] + from[i + k * apart]);
    to[i] = sum;
  }
}

OSTEON_MULTIVERSION void mix_rows(const float* from, std::int64_t stride, const float* w, std::int64_t count,
                                  float* to) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i)
    to[i] = w[0] * from[i] + w[1] * from[i + stride] + w[2] * from[i + 2 * stride] + w[3] * from[i + 3 * stride];
}

OSTEON_MULTIVERSION void mix_columns(const float* row, const std::int32_t* first, const float* weights,
                                     std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* from = row + 2 * first[i];
    const float* w = weights + 4 * i;
    to[2 * i] = w[0] * from[0] + w[1] * from[2] + w[2] * from[4] + w[3] * from[6];
    to[2 * i + 1] = w[0] * from[1] + w[1] * from[3] + w[2] * from[5] + w[3] * from[7];
  }
}

struct Table {
  const float* data;
  std::int32_t rows, cols;
  float per_pixel;
};

// `second`: 1 for the field of y, 0 for that of x to both.
OSTEON_INLINE void displace_points(const Table& table, std::int64_t second, std::int64_t count, float* xy) {
  const float* const data = table.data;
  const std::int32_t cols = table.cols;
  const float last_x = static_cast<float>(table.cols - 2), last_y = static_cast<float>(table.rows - 2);
  const float per_pixel = table.per_pixel;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    float u = xy[2 * i] * per_pixel, v = xy[2 * i + 1] * per_pixel;
    u = sdk::vector_select(u > 0, u, 0);
    v = sdk::vector_select(v > 0, v, 0);
    u = sdk::vector_select(u < last_x + 1, u, last_x + 1);
    v = sdk::vector_select(v < last_y + 1, v, last_y + 1);
    const float floor_u = sdk::vector_select(u < last_x, u, last_x),
                floor_v = sdk::vector_select(v < last_y, v, last_y);
    const std::int32_t left = static_cast<std::int32_t>(floor_u), top = static_cast<std::int32_t>(floor_v);
    const float by_u = u - static_cast<float>(left), by_v = v - static_cast<float>(top);
    const std::int32_t at = 2 * (top * cols + left), below = at + 2 * cols;
    const float a = data[at] + by_u * (data[at + 2] - data[at]);
    const float b = data[below] + by_u * (data[below + 2] - data[below]);
    const std::int64_t s = second;
    const float c = data[at + s] + by_u * (data[at + 2 + s] - data[at + s]);
    const float d = data[below + s] + by_u * (data[below + 2 + s] - data[below + s]);
    xy[2 * i] += a + by_v * (b - a);
    xy[2 * i + 1] += c + by_v * (d - c);
  }
}
OSTEON_MULTIVERSION void displace_apart(const Table& table, std::int64_t count, float* xy) {
  displace_points(table, 1, count, xy);
}
OSTEON_MULTIVERSION void displace_as_one(const Table& table, std::int64_t count, float* xy) {
  displace_points(table, 0, count, xy);
}

}  // namespace

NoiseField::NoiseField(const sdk::Call& call, sdk::Random& random, std::int64_t height, std::int64_t width,
                       double sigma, double amplitude)
    : step_(std::max<std::int64_t>(1, static_cast<std::int64_t>(sigma / 8))) {
  rows_ = (height - 1 + step_ - 1) / step_ + 2;  // one beyond the last, so that there is always a next one
  cols_ = (width - 1 + step_ - 1) / step_ + 2;
  const double per_node = static_cast<double>(step_) / sigma;
  const Places down(rows_, per_node), across(cols_, per_node);
  // Four nodes around the last place, and what the blur reaches beyond them.
  const std::int64_t node_rows = down.first.back() + 4, node_cols = across.first.back() + 4;
  const std::int64_t drawn_rows = node_rows + 2 * kReach, drawn = 2 * (node_cols + 2 * kReach);

  const std::uint64_t key = (std::uint64_t{random.bits()} << 32) | random.bits();
  const auto greatest = static_cast<float>(amplitude * energy_of_pixels(sigma) / energy_of_nodes());
  std::vector<float> weight;
  for (const double w : half_gaussian(kNodeVariance, kReach)) weight.push_back(static_cast<float>(w));

  // Pairs of both fields lie side by side. Rows are blurred as they are drawn, then columns.
  float* rows = call.scratch<float>(static_cast<std::size_t>(drawn_rows * 2 * node_cols));
  float* fresh = call.scratch<float>(static_cast<std::size_t>(call.threads() * drawn));
  sdk::parallel_for(call, drawn_rows, [&](std::int64_t row, int thread) {
    float* noise = fresh + thread * drawn;
    noise_row(key, static_cast<std::uint64_t>(row), drawn, greatest, noise);
    blur(noise + 2 * kReach, 2, weight.data(), 2 * node_cols, rows + row * 2 * node_cols);
  });
  float* nodes = call.scratch<float>(static_cast<std::size_t>(node_rows * 2 * node_cols));
  sdk::parallel_for(call, node_rows, [&](std::int64_t row, int) {
    blur(rows + (row + kReach) * 2 * node_cols, 2 * node_cols, weight.data(), 2 * node_cols,
         nodes + row * 2 * node_cols);
  });

  memory_ = call.allocate<float>({rows_, cols_, 2}, OSTEON_MEMORY_HOST);  // points are asked for after this call
  table_ = sdk::data_of<float>(memory_.view(), "a field");
  float* mixed = call.scratch<float>(static_cast<std::size_t>(call.threads() * 2 * node_cols));
  sdk::parallel_for(call, rows_, [&](std::int64_t row, int thread) {
    float* own = mixed + thread * 2 * node_cols;
    const auto at = static_cast<std::size_t>(row);
    mix_rows(nodes + down.first[at] * 2 * node_cols, 2 * node_cols, down.weights.data() + 4 * at, 2 * node_cols, own);
    mix_columns(own, across.first.data(), across.weights.data(), cols_, table_ + row * cols_ * 2);
  });
}

void NoiseField::displace(std::uint64_t count, float* xy) const {
  displace_apart(
      {table_, static_cast<std::int32_t>(rows_), static_cast<std::int32_t>(cols_), 1 / static_cast<float>(step_)},
      static_cast<std::int64_t>(count), xy);
}

void NoiseField::displace_alike(std::uint64_t count, float* xy) const {
  displace_as_one(
      {table_, static_cast<std::int32_t>(rows_), static_cast<std::int32_t>(cols_), 1 / static_cast<float>(step_)},
      static_cast<std::int64_t>(count), xy);
}

}  // namespace osteon::augmentations
