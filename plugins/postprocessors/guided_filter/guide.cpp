// SPDX-License-Identifier: Apache-2.0
#include "guide.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <osteon/sdk/parallel.hpp>

#include "guide_rows.hpp"
#include "window_sums.hpp"

namespace osteon::guided_filter {
namespace {

constexpr std::int64_t kStrip = 256;  // rows whose sums are begun anew

bool is_grey(const float* row, std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x)
    if (row[3 * x] != row[3 * x + 1] || row[3 * x] != row[3 * x + 2]) return false;
  return true;
}

}  // namespace

Guide::Guide(const sdk::Call& call, const osteon_image& image, std::int64_t radius, double eps)
    : height_(image.pixels.shape[0]),
      width_(image.pixels.shape[1]),
      channels_(image.pixels.shape[2]),
      y_radius_(std::min(radius, height_ - 1)),
      x_radius_(std::min(radius, width_ - 1)),
      eps_(eps),
      inverse_rows_(inverse_counts(height_, y_radius_)),
      inverse_columns_(inverse_counts(width_, x_radius_)) {
  const auto* pixels = sdk::data_of<const float>(image.pixels, "an image");
  std::vector<char> grey(static_cast<std::size_t>(height_), 1);
  if (channels_ == 3) {
    sdk::parallel_for(call, height_, [&](std::int64_t y, int) {
      grey[static_cast<std::size_t>(y)] = is_grey(pixels + y * width_ * 3, width_) ? 1 : 0;
    });
    // With three equal channels, a . I is that of one channel and a third of eps.
    if (std::find(grey.begin(), grey.end(), 0) == grey.end()) {
      channels_ = 1;
      eps_ /= 3;
    }
  }
  planes_ = call.allocate<float>({channels_ == 1 ? 3 : 2 * kMostChannels + kProducts, height_, width_});
  centre(call, image);
  sdk::parallel_for(call, (height_ + kStrip - 1) / kStrip, [&](std::int64_t strip, int) {
    fit(call, strip * kStrip, std::min(height_, (strip + 1) * kStrip));
  });
}

void Guide::centre(const sdk::Call& call, const osteon_image& image) {
  const auto* pixels = sdk::data_of<const float>(image.pixels, "an image");
  const std::int64_t stored = image.pixels.shape[2];
  for (std::int64_t c = 0; c < channels_; ++c) {
    const double sum = sdk::parallel_sum(call, height_, [&](std::int64_t y, int) {
      const float* from = pixels + y * width_ * stored + c;
      double of_row = 0;
      for (std::int64_t x = 0; x < width_; ++x) of_row += static_cast<double>(from[x * stored]);
      if (!std::isfinite(of_row))
        throw sdk::BadInput("row " + std::to_string(y) + " of the image holds what is not a finite number");
      return of_row;
    });
    const auto mean = static_cast<float>(sum / static_cast<double>(height_ * width_));
    sdk::parallel_for(call, height_, [&](std::int64_t y, int) {
      const float* from = pixels + y * width_ * stored + c;
      float* to = row(c, y);
      for (std::int64_t x = 0; x < width_; ++x) to[x] = from[x * stored] - mean;
    });
  }
}

// Rows first..end - 1 of means and inverses.
void Guide::fit(const sdk::Call& call, std::int64_t first, std::int64_t end) {
  const std::int64_t products = channels_ == 1 ? 1 : kProducts;
  WindowSums sums(channels_ + products, width_, x_radius_);
  const auto each = [&](std::int64_t y, auto&& change) {
    std::int64_t at = channels_;
    for (std::int64_t r = 0; r < channels_; ++r) {
      change(r, channel(r, y), nullptr);
      for (std::int64_t c = r; c < channels_; ++c) change(at++, channel(r, y), channel(c, y));
    }
  };
  const auto add = [&](std::int64_t q, const float* a, const float* b) { b ? sums.add(q, a, b) : sums.add(q, a); };
  const auto take = [&](std::int64_t q, const float* a, const float* b) { b ? sums.take(q, a, b) : sums.take(q, a); };
  const double* of[kMostChannels + kProducts] = {};
  for (std::int64_t q = 0; q < channels_ + products; ++q) of[q] = sums.sums(q);
  for (std::int64_t y = std::max<std::int64_t>(0, first - y_radius_); y < std::min(height_, first + y_radius_); ++y) {
    call.stop_if_cancelled();
    each(y, add);
  }
  for (std::int64_t y = first; y < end; ++y) {
    call.stop_if_cancelled();
    if (y + y_radius_ < height_) each(y + y_radius_, add);
    if (y > first && y - y_radius_ - 1 >= 0) each(y - y_radius_ - 1, take);
    sums.sum_windows();
    const double inverse_row = inverse_rows_[static_cast<std::size_t>(y)];
    if (channels_ == 1) {
      invert_variances(of[0], of[1], inverse_columns_.data(), inverse_row, eps_, width_, row(1, y), row(2, y));
      continue;
    }
    float *means[kMostChannels], *inverses[kProducts];
    for (std::int64_t c = 0; c < kMostChannels; ++c) means[c] = row(channels_ + c, y);
    for (std::int64_t i = 0; i < kProducts; ++i) inverses[i] = row(2 * channels_ + i, y);
    invert_covariances(of, of + channels_, inverse_columns_.data(), inverse_row, eps_, width_, means, inverses);
  }
}

}  // namespace osteon::guided_filter
