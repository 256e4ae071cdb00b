// SPDX-License-Identifier: Apache-2.0
#include "data/applied_step.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::data {
namespace {

constexpr double kDegrees = 180 / 3.14159265358979323846;

// The matrix says where pixels come from; a person sees where they go.
std::optional<Motion> motion_of(const double (&m)[6], cv::Size input, cv::Size output) {
  const double determinant = m[0] * m[4] - m[1] * m[3];
  if (determinant == 0) return std::nullopt;
  double a = m[4] / determinant, b = -m[1] / determinant, c = -m[3] / determinant, d = m[0] / determinant;
  const double x = (input.width - 1) / 2.0 - m[2], y = (input.height - 1) / 2.0 - m[5];
  Motion motion;
  motion.shift_x = a * x + b * y - (output.width - 1) / 2.0;
  motion.shift_y = c * x + d * y - (output.height - 1) / 2.0;
  motion.mirrored = determinant < 0;
  if (motion.mirrored) {
    a = -a;
    c = -c;
  }
  // A rotation times an upper triangle.
  motion.scale_x = std::hypot(a, c);
  motion.scale_y = std::abs(1 / determinant) / motion.scale_x;
  motion.angle = -std::atan2(c, a) * kDegrees;  // rows go down
  motion.shear = std::atan((a * b + c * d) / motion.scale_x / motion.scale_y) * kDegrees;
  return motion;
}

void measure_moves(const plugin::Augmentation::Warp& warp, DrawnWarp& drawn) {
  constexpr int kMost = 64;
  const int columns = std::min(drawn.output.width, kMost), rows = std::min(drawn.output.height, kMost);
  const auto spread = [](int i, int count, int size) {
    return count == 1 ? 0.0f : static_cast<float>(i) * static_cast<float>(size - 1) / static_cast<float>(count - 1);
  };
  std::vector<float> asked;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      asked.push_back(spread(c, columns, drawn.output.width));
      asked.push_back(spread(r, rows, drawn.output.height));
    }
  std::vector<float> found = asked;
  warp.map_points(found.size() / 2, found.data());
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); i += 2) {
    const double move = std::hypot(found[i] - asked[i], found[i + 1] - asked[i + 1]);
    sum += move;
    drawn.greatest_move = std::max(drawn.greatest_move, move);
  }
  drawn.mean_move = sum / static_cast<double>(found.size() / 2);
}

}  // namespace

DrawnWarp describe(const plugin::Augmentation::Warp& warp, cv::Size input) {
  const osteon_warp& raw = warp.get();
  DrawnWarp drawn;
  drawn.kind = raw.kind;
  drawn.input = input;
  drawn.output = cv::Size(static_cast<int>(raw.width), static_cast<int>(raw.height));
  if (raw.kind == OSTEON_WARP_FREE)
    measure_moves(warp, drawn);
  else if (raw.kind != OSTEON_WARP_IDENTITY)
    drawn.motion = motion_of(raw.matrix, drawn.input, drawn.output);
  return drawn;
}

}  // namespace osteon::data
