// SPDX-License-Identifier: Apache-2.0
#include "window_sums.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/vector_math.hpp>

namespace osteon::guided_filter {
namespace {

OSTEON_MULTIVERSION void add_row(const float* row, double sign, std::int64_t n, double* columns) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x) columns[x] += sign * static_cast<double>(row[x]);
}

OSTEON_MULTIVERSION void add_products(const float* a, const float* b, double sign, std::int64_t n, double* columns) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x) columns[x] += sign * (static_cast<double>(a[x]) * static_cast<double>(b[x]));
}

// Each sum waits for the one before it, so that two rows take no longer than one. Returns what is left at the end.
void slide(const double* a, const double* b, std::int64_t radius, std::int64_t n, double* sums_a, double* sums_b) {
  double sum_a = 0, sum_b = 0;
  for (std::int64_t x = radius + 1; x <= 2 * radius; ++x) {  // zeros before these
    sum_a += a[x];
    sum_b += b[x];
  }
  for (std::int64_t x = 0; x < n; ++x) {
    sum_a += a[x + 2 * radius + 1] - a[x];
    sum_b += b[x + 2 * radius + 1] - b[x];
    sums_a[x] = sum_a;
    sums_b[x] = sum_b;
  }
}

}  // namespace

WindowSums::WindowSums(std::int64_t quantities, std::int64_t width, std::int64_t radius)
    : quantities_(quantities),
      width_(width),
      radius_(radius),
      padded_(width + 2 * radius + 1),
      columns_(static_cast<std::size_t>(quantities * padded_)),
      sums_(static_cast<std::size_t>(quantities * width)) {}

void WindowSums::add(std::int64_t quantity, const float* row) { add_row(row, 1, width_, columns(quantity)); }
void WindowSums::take(std::int64_t quantity, const float* row) { add_row(row, -1, width_, columns(quantity)); }
void WindowSums::add(std::int64_t quantity, const float* a, const float* b) {
  add_products(a, b, 1, width_, columns(quantity));
}
void WindowSums::take(std::int64_t quantity, const float* a, const float* b) {
  add_products(a, b, -1, width_, columns(quantity));
}

void WindowSums::sum_windows() {
  for (std::int64_t q = 0; q < quantities_; q += 2) {
    const std::int64_t other = std::min(q + 1, quantities_ - 1);
    slide(columns_.data() + q * padded_, columns_.data() + other * padded_, radius_, width_, sums_.data() + q * width_,
          sums_.data() + other * width_);
  }
}

// What is not finite stays in the sums of its row to the end.
bool WindowSums::finite() const {
  for (std::int64_t q = 0; q < quantities_; ++q)
    if (!std::isfinite(sums(q)[width_ - 1])) return false;
  return true;
}

std::vector<double> inverse_counts(std::int64_t size, std::int64_t radius) {
  std::vector<double> counts;
  for (std::int64_t i = 0; i < size; ++i)
    counts.push_back(1 /
                     static_cast<double>(std::min(size - 1, i + radius) - std::max<std::int64_t>(0, i - radius) + 1));
  return counts;
}

}  // namespace osteon::guided_filter
