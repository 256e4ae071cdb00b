// SPDX-License-Identifier: Apache-2.0
#include "image_kernels.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/parallel.hpp>

#include "grid.hpp"
#include "lattice.hpp"

namespace osteon::dense_crf {
namespace {

/// Colours 0..255, [height, width, channels]; one channel where an image is grey, however it is stored.
struct Colors {
  sdk::OwnedTensor values;
  std::int64_t channels = 1;
  float least = 0, greatest = 0;
};

/// What a first look at an image says.
struct Look {
  bool grey = true;  ///< channels are the same everywhere
  float least = INFINITY, greatest = -INFINITY;
};

// Throws for what is not finite.
void look_at(const float* row, std::int64_t width, std::int64_t channels, std::int64_t y, Look& look) {
  for (std::int64_t i = 0; i < width * channels; ++i) {
    if (!std::isfinite(row[i]))
      throw sdk::BadInput("pixel " + std::to_string(i / channels) + " in row " + std::to_string(y) +
                          " of the image is not a finite number");
    look.grey = look.grey && row[i] == row[i - i % channels];
    look.least = std::min(look.least, row[i]);
    look.greatest = std::max(look.greatest, row[i]);
  }
}

Colors colors_of(const sdk::Call& call, const osteon_image& image) {
  const auto* pixels = sdk::data_of<const float>(image.pixels, "an image");
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1], stored = image.pixels.shape[2];
  std::vector<Look> looks(static_cast<std::size_t>(height));
  sdk::parallel_for(call, height, [&](std::int64_t y, int) {
    look_at(pixels + y * width * stored, width, stored, y, looks[static_cast<std::size_t>(y)]);
  });
  Look all;
  for (const Look& look : looks) {
    all.grey = all.grey && look.grey;
    all.least = std::min(all.least, look.least);
    all.greatest = std::max(all.greatest, look.greatest);
  }
  const auto scaled = [](float v) { return 255 * std::clamp(v, 0.0f, 1.0f); };
  Colors colors;
  colors.channels = all.grey ? 1 : stored;
  colors.least = scaled(all.least);
  colors.greatest = scaled(all.greatest);
  colors.values = call.allocate<float>({height, width, colors.channels});
  float* out = colors.values.data<float>();
  const std::int64_t step = stored / colors.channels;
  sdk::parallel_for(call, height, [&](std::int64_t y, int) {
    for (std::int64_t i = y * width * colors.channels; i < (y + 1) * width * colors.channels; ++i)
      out[i] = scaled(pixels[i * step]);
  });
  return colors;
}

std::unique_ptr<Filter> make_lattice(const sdk::Call& call, const Tiling& tiling, const KernelOptions& options,
                                     const Colors& colors, double sigma, const sdk::Cache& cache,
                                     const sdk::CacheKey& key) {
  sdk::CacheKey pixels = key, vertices = key;
  pixels.add(std::string("pixels"));
  vertices.add(std::string("vertices"));
  Lattice::Tables tables{cache.find(pixels), cache.find(vertices)};
  if (tables.pixels.empty() || tables.vertices.empty()) {
    tables = Lattice::build(call, tiling, options.bilateral_sxy, colors.values.data<float>(), colors.channels, sigma);
    tables.pixels = cache.keep(pixels, std::move(tables.pixels));
    tables.vertices = cache.keep(vertices, std::move(tables.vertices));
  }
  return std::make_unique<Lattice>(tiling, colors.channels, std::move(tables));
}

// A grid wherever one is not much greater than the image: it is the better one, and a lattice never is.
std::unique_ptr<Filter> make_bilateral(const sdk::Call& call, const Tiling& tiling, const KernelOptions& options,
                                       const osteon_image& image, const sdk::Cache& cache, const sdk::CacheKey& key) {
  const Colors colors = colors_of(call, image);
  if (colors.channels > 1) return make_lattice(call, tiling, options, colors, options.bilateral_srgb, cache, key);
  // Three equal channels are three times as far apart, squared, as one.
  const double sigma = options.bilateral_srgb / std::sqrt(3.0);
  const double most = std::max(65536.0, 2 * static_cast<double>(tiling.pixels()));
  const double range = static_cast<double>(colors.greatest) - static_cast<double>(colors.least);
  if (grid_vertices(tiling, options.bilateral_sxy, range, sigma) > most)
    return make_lattice(call, tiling, options, colors, sigma, cache, key);
  const Intensities intensities{colors.values.data<float>(), colors.least, colors.greatest};
  return std::make_unique<Grid>(call, tiling, options.bilateral_sxy, intensities, sigma);
}

}  // namespace

ImageKernels::ImageKernels(const sdk::Call& call, const osteon_image& image, const Tiling& tiling,
                           const KernelOptions& options) {
  const sdk::Cache cache(call, "dense_crf/1");
  sdk::CacheKey gaussian(image), bilateral(image);
  gaussian.add(options.gaussian_sxy);
  bilateral.add(options.bilateral_sxy).add(options.bilateral_srgb);
  if (options.gaussian_compat > 0)
    add(call, tiling, std::make_unique<Grid>(tiling, options.gaussian_sxy), options.gaussian_compat,
        options.normalization, cache, gaussian);
  if (options.bilateral_compat > 0)
    add(call, tiling, make_bilateral(call, tiling, options, image, cache, bilateral), options.bilateral_compat,
        options.normalization, cache, bilateral);
}

void ImageKernels::add(const sdk::Call& call, const Tiling& tiling, std::unique_ptr<Filter> filter, double compat,
                       Normalization normalization, const sdk::Cache& cache, sdk::CacheKey key) {
  key.add(std::string("factors")).add(normalization);
  sdk::OwnedTensor factors = cache.find(key);
  if (factors.empty()) factors = cache.keep(key, NormalizedFilter(call, tiling, *filter, normalization).take_factors());
  auto normalized = std::make_unique<NormalizedFilter>(*filter, normalization, std::move(factors));
  entries_.push_back({std::move(filter), std::move(normalized), static_cast<float>(compat)});
}

std::vector<Kernel> ImageKernels::kernels() const {
  std::vector<Kernel> kernels;
  for (const Entry& entry : entries_) kernels.push_back({entry.normalized.get(), entry.weight});
  return kernels;
}

}  // namespace osteon::dense_crf
