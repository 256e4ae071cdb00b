// SPDX-License-Identifier: Apache-2.0
// Adds normal noise to each sample, of a variance that is uniform in `var_limit`, as albumentations' GaussNoise. Unlike
// there `var_limit` and `mean` are in units of 8 bits for pixels of every type.
//
//     [[augment]]
//     plugin = "gaussian_noise"
//     var_limit = [10.0, 50.0]     # squares of 1 / 255 of the greatest intensity
//     mean = 0.0                   # 1 / 255
//     per_channel = true           # false: the channels of a pixel get the same noise
//     p = 0.5
//
// Noise number i hangs on the draw's key and on i alone, i being the index of the sample or of the pixel.
#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "normals.hpp"

namespace {

using namespace osteon::sdk;
using osteon::augmentations::kNormals;

/// Noise as it is added, in the image's own units.
struct Noise {
  float sigma, mean, maximum;
};

// `repeats` samples in a row get the same noise; `count` is a multiple of it.
template <class T>
OSTEON_INLINE void add_noise(T* data, std::int64_t count, const float* normal, std::int64_t repeats,
                             const Noise& noise) {
  constexpr float kHalf = std::is_integral_v<T> ? 0.5f : 0.0f;
  for (std::int64_t c = 0; c < repeats; ++c) {
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < count / repeats; ++i) {
      T& sample = data[i * repeats + c];
      float value = static_cast<float>(sample) + noise.mean + noise.sigma * normal[i];
      value = vector_select(value > 0, value, 0);
      value = vector_select(value < noise.maximum, value, noise.maximum) + kHalf;
      if constexpr (std::is_integral_v<T>)
        sample = static_cast<T>(static_cast<std::int32_t>(value));
      else
        sample = value;
    }
  }
}
OSTEON_MULTIVERSION void add(std::uint8_t* data, std::int64_t count, const float* n, std::int64_t repeats,
                             const Noise& noise) {
  repeats == 1 ? add_noise(data, count, n, 1, noise) : add_noise(data, count, n, repeats, noise);
}
OSTEON_MULTIVERSION void add(std::uint16_t* data, std::int64_t count, const float* n, std::int64_t repeats,
                             const Noise& noise) {
  repeats == 1 ? add_noise(data, count, n, 1, noise) : add_noise(data, count, n, repeats, noise);
}
OSTEON_MULTIVERSION void add(float* data, std::int64_t count, const float* n, std::int64_t repeats,
                             const Noise& noise) {
  repeats == 1 ? add_noise(data, count, n, 1, noise) : add_noise(data, count, n, repeats, noise);
}

class GaussianNoise {
 public:
  struct Params {
    Range var_limit{10, 50};
    double mean = 0;
    bool per_channel = true;

    static void schema(Schema<Params>& s) {
      s.add("var_limit", &Params::var_limit, "variance, in squares of 1 / 255 of the greatest intensity")
          .between(0, 65025);
      s.add("mean", &Params::mean, "mean of the noise, in 1 / 255 of the greatest intensity").between(-255, 255);
      s.add("per_channel", &Params::per_channel, "false: the channels of a pixel get the same noise");
    }
  };
  GaussianNoise(const Params& params, const AugmentationRequest&) : params_(params) {}

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const double variance = random.uniform(params_.var_limit.low, params_.var_limit.high);
    call.note(nullptr, "variance", variance);
    const double unit = pixels.maximum() / 255;
    const Noise noise{static_cast<float>(std::sqrt(variance) * unit), static_cast<float>(params_.mean * unit),
                      static_cast<float>(pixels.maximum())};
    const std::array<std::uint32_t, 2> key = {random.bits(), random.bits()};
    const std::int64_t repeats = params_.per_channel ? 1 : pixels.channels();
    const std::int64_t step = kNormals * repeats;
    pixels.in_pieces(call, [&](auto* data, std::int64_t first, std::int64_t count) {
      alignas(64) float normal[kNormals];
      for (std::int64_t at = 0; at < count; at += step) {
        osteon::augmentations::normals(key, static_cast<std::uint64_t>((first + at) / step), normal);
        add(data + at, std::min(step, count - at), normal, repeats, noise);
      }
    });
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("gaussian_noise", "1.0.0",
              osteon::sdk::augmentation<GaussianNoise>({"gaussian_noise", "1.0.0", "Normal noise in every sample.",
                                                        "albumentations 1.4.18, GaussNoise"}))
