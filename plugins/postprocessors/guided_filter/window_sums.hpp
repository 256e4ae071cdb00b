// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace osteon::guided_filter {

/// Sums over windows of 2 radius + 1 columns, which end at the image's edge, and of as many rows as were added and not
/// taken away again: of several quantities. In double, in which thousands of rows come and go without a trace.
class WindowSums {
 public:
  /// @param radius  below `width`
  WindowSums(std::int64_t quantities, std::int64_t width, std::int64_t radius);

  void add(std::int64_t quantity, const float* row);
  void take(std::int64_t quantity, const float* row);
  /// Of products.
  void add(std::int64_t quantity, const float* a, const float* b);
  void take(std::int64_t quantity, const float* a, const float* b);

  /// Sums the columns that there are now; `sums` are theirs until this is called again.
  void sum_windows();
  const double* sums(std::int64_t quantity) const { return sums_.data() + quantity * width_; }
  /// Whether all that is in the columns is finite. Valid after sum_windows.
  bool finite() const;

 private:
  double* columns(std::int64_t quantity) { return columns_.data() + quantity * padded_ + radius_ + 1; }

  std::int64_t quantities_, width_, radius_, padded_;
  std::vector<double> columns_;  // with radius + 1 zeros before each quantity's, and radius behind
  std::vector<double> sums_;
};

/// 1 / how many of `size` pixels lie in the window around each.
std::vector<double> inverse_counts(std::int64_t size, std::int64_t radius);

}  // namespace osteon::guided_filter
