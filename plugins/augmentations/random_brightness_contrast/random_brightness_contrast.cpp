// SPDX-License-Identifier: Apache-2.0
// out = in (1 + contrast) + brightness maximum, clipped to 0 .. maximum, as albumentations' RandomBrightnessContrast
// computes it.
//
//     [[augment]]
//     plugin = "random_brightness_contrast"
//     brightness = [-0.2, 0.2]
//     contrast = [-0.2, 0.2]
//     p = 0.5
#include <algorithm>
#include <cmath>

#include <osteon/sdk/augmentation.hpp>

namespace {

using namespace osteon::sdk;

class RandomBrightnessContrast {
 public:
  struct Params {
    Range brightness{-0.2, 0.2};
    Range contrast{-0.2, 0.2};

    static void schema(Schema<Params>& s) {
      s.add("brightness", &Params::brightness, "shift, as a share of the greatest intensity").between(-1, 1);
      s.add("contrast", &Params::contrast, "change of the slope; 0: none").between(-1, 10);
    }
  };
  RandomBrightnessContrast(const Params& params, const AugmentationRequest&) : params_(params) {}

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const double slope = 1 + random.uniform(params_.contrast.low, params_.contrast.high);
    const double shift = random.uniform(params_.brightness.low, params_.brightness.high) * pixels.maximum();
    // In pieces of a few milliseconds, so that a call can be stopped.
    constexpr std::int64_t kPiece = std::int64_t{1} << 18;
    for (std::int64_t first = 0; first < pixels.size(); first += kPiece) {
      call.stop_if_cancelled();
      const std::int64_t count = std::min(kPiece, pixels.size() - first);
      if (pixels.is(dtype_of<std::uint8_t>()))
        change_by_table(pixels.data<std::uint8_t>() + first, count, slope, shift);
      else if (pixels.is(dtype_of<std::uint16_t>()))
        change(pixels.data<std::uint16_t>() + first, count, slope, shift, pixels.maximum());
      else
        change(pixels.data<float>() + first, count, slope, shift, pixels.maximum());
    }
  }

 private:
  template <class T>
  static T changed(double value, double slope, double shift, double maximum) {
    const double result = std::clamp(value * slope + shift, 0.0, maximum);
    return std::is_integral_v<T> ? static_cast<T>(std::lround(result)) : static_cast<T>(result);
  }
  static void change_by_table(std::uint8_t* data, std::int64_t count, double slope, double shift) {
    std::uint8_t table[256];
    for (int v = 0; v < 256; ++v) table[v] = changed<std::uint8_t>(v, slope, shift, 255);
    for (std::int64_t i = 0; i < count; ++i) data[i] = table[data[i]];
  }
  template <class T>
  static void change(T* data, std::int64_t count, double slope, double shift, double maximum) {
    for (std::int64_t i = 0; i < count; ++i) data[i] = changed<T>(static_cast<double>(data[i]), slope, shift, maximum);
  }

  Params params_;
};

}  // namespace

OSTEON_PLUGIN("random_brightness_contrast", "1.0.0",
              osteon::sdk::augmentation<RandomBrightnessContrast>(
                  {"random_brightness_contrast", "1.0.0", "Random brightness and contrast.", "albumentations 1.4.18"}))
