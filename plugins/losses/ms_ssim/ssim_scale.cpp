// SPDX-License-Identifier: Apache-2.0
#include "ssim_scale.hpp"

#include <algorithm>
#include <utility>

#include <osteon/sdk/vector_math.hpp>

#include "ms_ssim_params.hpp"

namespace osteon::losses {
namespace {

using namespace osteon::sdk;

// Maps of weighted values, in the order of a row of moments(): w p, w t, w p^2, w t^2, w p t, w.
enum Moment { kP, kT, kPp, kTt, kPt, kMass, kMoments };
// Of a place's value by means: of p, of p^2, of p t.
constexpr std::int64_t kSlopes = 3;

OSTEON_MULTIVERSION void moments(const float* p, const float* t, const float* weight, std::int64_t width, double* rows,
                                 std::int64_t stride) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < width; ++x) {
    const double a = static_cast<double>(p[x]), b = static_cast<double>(t[x]);
    const double w = weight != nullptr ? static_cast<double>(weight[x]) : 1.0;
    rows[kP * stride + x] = w * a;
    rows[kT * stride + x] = w * b;
    rows[kPp * stride + x] = w * a * a;
    rows[kTt * stride + x] = w * b * b;
    rows[kPt * stride + x] = w * a * b;
    if (weight != nullptr) rows[kMass * stride + x] = w;
  }
}

/// out[x] = sum of window[k] rows[k][x], for a window of `kTaps`, or of `taps` where that is 0.
template <std::int64_t kTaps>
OSTEON_INLINE void weighted_sum(const double* const* rows, const double* window, std::int64_t taps, std::int64_t count,
                                double* out) {
  const std::int64_t n = kTaps != 0 ? kTaps : taps;
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < count; ++x) {
    double sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += window[k] * rows[k][x];
    out[x] = sum;
  }
}
OSTEON_MULTIVERSION void full_weighted_sum(const double* const* rows, const double* window, std::int64_t count,
                                           double* out) {
  const double* row[kSsimTaps];
  double tap[kSsimTaps];
  for (std::int64_t k = 0; k < kSsimTaps; ++k) row[k] = rows[k];
  for (std::int64_t k = 0; k < kSsimTaps; ++k) tap[k] = window[k];
  weighted_sum<kSsimTaps>(row, tap, kSsimTaps, count, out);
}

/// Down the columns: of rows that lie anywhere.
void filter_columns(const double* const* rows, const std::vector<double>& window, std::int64_t count, double* out) {
  const auto taps = static_cast<std::int64_t>(window.size());
  if (taps == kSsimTaps)
    full_weighted_sum(rows, window.data(), count, out);
  else
    weighted_sum<0>(rows, window.data(), taps, count, out);
}
/// Along a row of count + taps - 1 numbers.
void filter_row(const double* row, const std::vector<double>& window, std::int64_t count, double* out) {
  const double* shifted[kSsimTaps];
  for (std::size_t k = 0; k < window.size(); ++k) shifted[k] = row + k;
  filter_columns(shifted, window, count, out);
}

/// From a row of filtered moments to values times what the places count, and the slopes.
template <bool kLast>
OSTEON_INLINE void values_loop(const double* rows, std::int64_t stride, std::int64_t count, double* values,
                               double* slopes, std::int64_t slope_stride) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < count; ++x) {
    const double mass = rows[kMass * stride + x];
    const double share = 1 / (mass + (mass > 0 ? 0.0 : 1.0));
    const double a = rows[kP * stride + x] * share, b = rows[kT * stride + x] * share;
    const double spread = rows[kPp * stride + x] * share - a * a + (rows[kTt * stride + x] * share - b * b) + kSsimC2;
    const double shared = 2 * (rows[kPt * stride + x] * share - a * b) + kSsimC2;
    const double structure = shared / spread;
    const double by_mean = 2 * (a * structure - b) / spread;
    double luminance = 1, luminance_by_mean = 0;
    if (kLast) {
      const double squares = a * a + b * b + kSsimC1;
      luminance = (2 * a * b + kSsimC1) / squares;
      luminance_by_mean = 2 * (b - a * luminance) / squares;
    }
    values[x] = mass * structure * luminance;
    slopes[x] = luminance * by_mean + structure * luminance_by_mean;
    slopes[slope_stride + x] = -luminance * structure / spread;
    slopes[2 * slope_stride + x] = 2 * luminance / spread;
  }
}
OSTEON_MULTIVERSION void structure_values(const double* rows, std::int64_t stride, std::int64_t count, double* values,
                                          double* slopes, std::int64_t slope_stride) {
  values_loop<false>(rows, stride, count, values, slopes, slope_stride);
}
OSTEON_MULTIVERSION void ssim_values(const double* rows, std::int64_t stride, std::int64_t count, double* values,
                                     double* slopes, std::int64_t slope_stride) {
  values_loop<true>(rows, stride, count, values, slopes, slope_stride);
}

/// From a row of slopes that came back through the window to that of the pixels.
OSTEON_MULTIVERSION void pixel_slopes(const double* slopes, std::int64_t stride, const float* p, const float* t,
                                      const float* weight, std::int64_t width, float* out) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < width; ++x) {
    const double slope = slopes[x] + 2 * static_cast<double>(p[x]) * slopes[stride + x] +
                         static_cast<double>(t[x]) * slopes[2 * stride + x];
    out[x] = static_cast<float>(weight != nullptr ? static_cast<double>(weight[x]) * slope : slope);
  }
}

double sum_of(const double* values, std::int64_t count) {
  double sum = 0;
  for (std::int64_t x = 0; x < count; ++x) sum += values[x];
  return sum;
}

/// The last rows of several maps, filtered down the columns when as many are there as the window has taps.
class RowRing {
 public:
  RowRing(const std::vector<double>& window, std::int64_t maps, std::int64_t width, double* memory)
      : window_(window), maps_(maps), width_(width), memory_(memory) {}
  static std::int64_t room(std::int64_t taps, std::int64_t maps, std::int64_t width) { return taps * maps * width; }

  /// Where row `y` of map `map` goes, in the place of that of `taps` rows before.
  double* row(std::int64_t y, std::int64_t map) const { return memory_ + (y % taps() * maps_ + map) * width_; }
  /// Filters rows first .. first + taps - 1 of map `map`; those outside begin .. end - 1 are 0.
  void filter(std::int64_t map, std::int64_t first, std::int64_t begin, std::int64_t end, const double* zeros,
              double* out) const {
    const double* rows[kSsimTaps];
    for (std::int64_t k = 0; k < taps(); ++k)
      rows[k] = first + k >= begin && first + k < end ? row(first + k, map) : zeros;
    filter_columns(rows, window_, width_, out);
  }

 private:
  std::int64_t taps() const { return static_cast<std::int64_t>(window_.size()); }
  const std::vector<double>& window_;
  std::int64_t maps_, width_;
  double* memory_;
};

}  // namespace

SsimScale::SsimScale(std::vector<double> window, std::int64_t width, bool last)
    : window_(std::move(window)), width_(width), last_(last) {}

std::int64_t SsimScale::room() const {
  const auto taps = static_cast<std::int64_t>(window_.size());
  return RowRing::room(taps, kMoments + kSlopes, width_) + (2 * kMoments + 1 + 2 * kSlopes + 1) * (width_ + 2 * taps);
}

SsimMean SsimScale::run(const SsimPlanes& planes, double* memory) const {
  const auto taps = static_cast<std::int64_t>(window_.size());
  const std::int64_t width = width_, wide = width + 2 * taps;
  const std::int64_t places = width - taps + 1, place_rows = planes.height - taps + 1;
  const auto take = [&](std::int64_t count) { return std::exchange(memory, memory + count); };
  const RowRing above(window_, kMoments, places, take(RowRing::room(taps, kMoments, width)));
  const RowRing back(window_, kSlopes, width, take(RowRing::room(taps, kSlopes, width)));
  double *row = take(kMoments * wide), *filtered = take(kMoments * wide), *values = take(wide);
  double *slopes = take(kSlopes * wide), *returned = take(kSlopes * wide), *zeros = take(wide);
  std::fill_n(slopes, kSlopes * wide, 0.0);  // its edges stay 0: there are no places
  std::fill_n(zeros, wide, 0.0);
  const std::int64_t maps = planes.weight != nullptr ? kMoments : kMass;
  std::fill_n(filtered + kMass * wide, wide, 1.0);  // stays where no pixel has a weight

  SsimMean mean;
  const auto store_slope = [&](std::int64_t y) {
    for (std::int64_t map = 0; map < kSlopes; ++map)
      back.filter(map, y - taps + 1, 0, place_rows, zeros, returned + map * wide);
    const std::int64_t at = y * width;
    pixel_slopes(returned, wide, planes.p + at, planes.t + at, planes.weight != nullptr ? planes.weight + at : nullptr,
                 width, planes.slope + at);
  };
  for (std::int64_t y = 0; y < planes.height; ++y) {
    const std::int64_t at = y * width, place = y - taps + 1;
    moments(planes.p + at, planes.t + at, planes.weight != nullptr ? planes.weight + at : nullptr, width, row, wide);
    for (std::int64_t map = 0; map < maps; ++map) filter_row(row + map * wide, window_, places, above.row(y, map));
    if (place < 0) continue;
    for (std::int64_t map = 0; map < maps; ++map)
      above.filter(map, place, 0, planes.height, zeros, filtered + map * wide);
    (last_ ? ssim_values : structure_values)(filtered, wide, places, values, slopes + taps - 1, wide);
    mean.sum += sum_of(values, places);
    mean.mass += sum_of(filtered + kMass * wide, places);
    if (planes.slope == nullptr) continue;
    for (std::int64_t map = 0; map < kSlopes; ++map)
      filter_row(slopes + map * wide, window_, width, back.row(place, map));
    store_slope(place);
  }
  for (std::int64_t y = place_rows; planes.slope != nullptr && y < planes.height; ++y) store_slope(y);
  return mean;
}

void halve(const SsimPlanes& planes, float* p, float* t, float* half_weight) {
  const std::int64_t width = planes.width;
  for (std::int64_t y = 0; y < planes.height / 2; ++y)
    for (std::int64_t x = 0; x < width / 2; ++x) {
      const std::int64_t at = 2 * y * width + 2 * x, half = y * (width / 2) + x;
      const std::int64_t four[] = {at, at + 1, at + width, at + width + 1};
      float mass = 0, of_p = 0, of_t = 0;
      for (const std::int64_t i : four) {
        const float weight = planes.weight != nullptr ? planes.weight[i] : 1.0f;
        mass += weight;
        of_p += weight * planes.p[i];
        of_t += weight * planes.t[i];
      }
      p[half] = mass > 0 ? of_p / mass : 0;
      t[half] = mass > 0 ? of_t / mass : 0;
      if (planes.weight != nullptr) half_weight[half] = mass / 4;
    }
}

void add_halved_slope(const SsimPlanes& planes, const float* half_weight, const float* half_slope, float scale) {
  const std::int64_t width = planes.width, half_width = width / 2;
  for (std::int64_t i = 0; i < planes.height * width; ++i) planes.slope[i] *= scale;
  for (std::int64_t y = 0; y < planes.height / 2 * 2; ++y)
    for (std::int64_t x = 0; x < half_width * 2; ++x) {
      const std::int64_t at = y * width + x, half = y / 2 * half_width + x / 2;
      const float share = planes.weight == nullptr ? 0.25f
                          : half_weight[half] > 0  ? planes.weight[at] / (4 * half_weight[half])
                                                   : 0.0f;
      planes.slope[at] += share * half_slope[half];
    }
}

}  // namespace osteon::losses
