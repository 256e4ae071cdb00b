// SPDX-License-Identifier: Apache-2.0
// out = in (1 + contrast) + brightness maximum, clipped to 0 .. maximum, as albumentations' RandomBrightnessContrast
// computes it; with `brightness_by_max = false` it adds brightness times the image's mean.
//
//     [[augment]]
//     plugin = "random_brightness_contrast"
//     brightness = [-0.2, 0.2]     # or brightness_limit
//     contrast = [-0.2, 0.2]       # or contrast_limit
//     p = 0.5
#include <algorithm>
#include <cmath>
#include <type_traits>

#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace {

using namespace osteon::sdk;

/// out = in slope + shift within 0 .. maximum.
struct Line {
  double slope, shift, maximum;
};

// Rounded as lround rounds what is not negative.
template <class T>
OSTEON_INLINE T on_line(T in, const Line& line) {
  double value = static_cast<double>(in) * line.slope + line.shift;
  value = value > 0 ? value : 0;
  value = value < line.maximum ? value : line.maximum;
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<std::int32_t>(value + 0.5));
  else
    return static_cast<T>(value);
}

OSTEON_MULTIVERSION void change(std::uint8_t* data, std::int64_t count, const Line& line) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) data[i] = on_line(data[i], line);
}
OSTEON_MULTIVERSION void change(std::uint16_t* data, std::int64_t count, const Line& line) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) data[i] = on_line(data[i], line);
}
OSTEON_MULTIVERSION void change(float* data, std::int64_t count, const Line& line) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) data[i] = on_line(data[i], line);
}

double mean_of(const Call& call, const Pixels& pixels) {
  double sum = 0;
  pixels.in_pieces(call, [&](const auto* data, std::int64_t, std::int64_t count) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(data)>>;
    // A piece of integers fits 64 bits.
    using Sum = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;
    Sum piece = 0;
    for (std::int64_t i = 0; i < count; ++i) piece += data[i];
    sum += static_cast<double>(piece);
  });
  return pixels.size() > 0 ? sum / static_cast<double>(pixels.size()) : 0;
}

class RandomBrightnessContrast {
 public:
  struct Params {
    Range brightness{-0.2, 0.2};
    Range contrast{-0.2, 0.2};
    bool brightness_by_max = true;

    static void schema(Schema<Params>& s) {
      s.add("brightness", &Params::brightness, "shift, as a share of what brightness_by_max says")
          .between(-1, 1)
          .aliases({"brightness_limit"});
      s.add("contrast", &Params::contrast, "change of the slope; 0: none").between(-1, 10).aliases({"contrast_limit"});
      s.add("brightness_by_max", &Params::brightness_by_max,
            "true: brightness is a share of the greatest intensity; false: of the image's mean");
    }
  };
  RandomBrightnessContrast(const Params& params, const AugmentationRequest&) : params_(params) {}

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const double contrast = random.uniform(params_.contrast.low, params_.contrast.high);
    const double brightness = random.uniform(params_.brightness.low, params_.brightness.high);
    call.note(nullptr, "brightness", brightness);
    call.note(nullptr, "contrast", contrast);
    const double shift = brightness * (params_.brightness_by_max ? pixels.maximum() : mean_of(call, pixels));
    const Line line{1 + contrast, shift, pixels.maximum()};
    pixels.in_pieces(call, [&](auto* data, std::int64_t, std::int64_t count) { change(data, count, line); });
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("random_brightness_contrast", "1.0.0",
              osteon::sdk::augmentation<RandomBrightnessContrast>(
                  {"random_brightness_contrast", "1.0.0", "Random brightness and contrast.", "albumentations 1.4.18"}))
