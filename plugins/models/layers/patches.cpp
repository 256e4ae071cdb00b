// SPDX-License-Identifier: Apache-2.0
#include "patches.hpp"

#include <algorithm>

#include "gemm.hpp"

namespace osteon::layers::kernels {
namespace {

/// Floats of rows that stay in a core's second-level cache beside a panel of the weights, and rows that suffice.
constexpr std::int64_t kFloatsAtOnce = 96 * 1024, kMostRows = 192;
/// Below so many multiplications a second thread costs more than it saves.
constexpr std::int64_t kSmall = 256 * 1024;

/// What the kernel sees of the joined image for one pixel of the result: [kernel rows, kernel columns, depth].
void gather(const PatchGrid& g, const std::vector<Source>& sources, std::int64_t depth, std::int64_t pixel,
            float* patch) {
  const std::int64_t left = pixel % g.out_width * g.stride[1] - g.before[1];
  const std::int64_t top = pixel / g.out_width % g.out_height * g.stride[0] - g.before[0];
  const std::int64_t image = pixel / (g.out_width * g.out_height);
  const bool in_one_piece =
      sources.size() == 1 && !sources[0].doubled && g.dilation[1] == 1 && left >= 0 && left + g.kernel[1] <= g.width;
  for (std::int64_t i = 0; i < g.kernel[0]; ++i) {
    const std::int64_t y = top + i * g.dilation[0];
    if (y < 0 || y >= g.height) {
      std::fill_n(patch, g.kernel[1] * depth, 0.0f);
      patch += g.kernel[1] * depth;
    } else if (in_one_piece) {
      std::copy_n(sources[0].pixels + ((image * g.height + y) * g.width + left) * depth, g.kernel[1] * depth, patch);
      patch += g.kernel[1] * depth;
    } else {
      for (std::int64_t j = 0; j < g.kernel[1]; ++j) {
        const std::int64_t x = left + j * g.dilation[1];
        for (const Source& source : sources) {
          const int shift = source.doubled ? 1 : 0;
          const std::int64_t row = image * (g.height >> shift) + (y >> shift);
          if (x < 0 || x >= g.width)
            std::fill_n(patch, source.channels, 0.0f);
          else
            std::copy_n(source.pixels + (row * (g.width >> shift) + (x >> shift)) * source.channels, source.channels,
                        patch);
          patch += source.channels;
        }
      }
    }
  }
}

/// The distance of rows of k floats that are copied: an odd number of Lanes. Rows at distances that are multiples of
/// 1024 would meet in the same few places of the cache.
std::int64_t apart(std::int64_t k) { return ((k + kLanes - 1) / kLanes | 1) * kLanes; }
bool would_meet(std::int64_t k) { return k % 1024 == 0; }

/// Whether the rows lie in the source as they are wanted.
bool are_there(const PatchGrid& g, const std::vector<Source>& sources) {
  return sources.size() == 1 && !sources[0].doubled && g.taps() == 1 && g.stride[0] == 1 && g.stride[1] == 1 &&
         g.before[0] == 0 && g.before[1] == 0 && g.out_height == g.height && g.out_width == g.width;
}

}  // namespace

void convolve_patches(const PatchGrid& grid, const std::vector<Source>& sources, const float* panels,
                      std::int64_t columns, const Epilogue& epilogue, float* out, int threads) {
  std::int64_t depth = 0;
  for (const Source& source : sources) depth += source.channels;
  const std::int64_t rows = grid.pixels(), k = grid.taps() * depth;
  const std::int64_t strips = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const std::int64_t strips_at_once =
      std::clamp<std::int64_t>(std::min(kFloatsAtOnce / k, kMostRows) / kRowsAtOnce, 1, strips);
  const bool direct = are_there(grid, sources) && !would_meet(k);
  const std::int64_t stride = direct ? k : apart(k);
  const int used = rows * k * columns < kSmall ? 1 : static_cast<int>(std::min<std::int64_t>(threads, strips));
#pragma omp parallel for num_threads(used) schedule(static) if (used > 1)
  for (int share = 0; share < used; ++share) {
    Floats copy(direct ? 0 : strips_at_once * kRowsAtOnce * stride);
    const std::int64_t end = strips * (share + 1) / used;
    for (std::int64_t strip = strips * share / used; strip < end; strip += strips_at_once) {
      const std::int64_t first = strip * kRowsAtOnce;
      const std::int64_t count = std::min(rows, std::min(end, strip + strips_at_once) * kRowsAtOnce) - first;
      if (!direct)
        for (std::int64_t r = 0; r < count; ++r) gather(grid, sources, depth, first + r, copy.data() + r * stride);
      const float* a = direct ? sources[0].pixels + first * k : copy.data();
      multiply_and_finish(a, count, k, stride, panels, columns, epilogue, first, out);
    }
  }
}

void convolve_transposed(const float* x, std::int64_t rows, std::int64_t width, std::int64_t k,
                         const std::array<const float*, 2>& panels, std::int64_t channels, const float* shift,
                         float* out, int threads) {
  const std::int64_t stride = would_meet(k) ? apart(k) : k;
  const Epilogue epilogue{shift};
#pragma omp parallel num_threads(threads)
  {
    Floats copy(stride == k ? 0 : width * stride);
#pragma omp for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row) {
      const float* a = x + row * width * k;
      if (stride != k) {
        for (std::int64_t i = 0; i < width; ++i) std::copy_n(a + i * k, k, copy.data() + i * stride);
        a = copy.data();
      }
      for (std::int64_t i = 0; i < 2; ++i)
        multiply_and_finish(a, width, k, stride, panels[static_cast<std::size_t>(i)], 2 * channels, epilogue,
                            (2 * row + i) * width, out);
    }
  }
}

}  // namespace osteon::layers::kernels
