// The augmentation. This one is photometric: apply() changes pixels in place. One that moves pixels has, in its stead,
// `Warp sample(Random&, const WarpRequest&) const`, says where each pixel comes from, and never touches any.
#pragma once

#include <algorithm>
#include <cmath>

#include <osteon/sdk/augmentation.hpp>

class __Class__ {
 public:
  /// What recipes write in [[augment]], beside `plugin` and `p`.
  struct Params {
    osteon::sdk::Range gamma{0.8, 1.25};

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("gamma", &Params::gamma, "exponent of the intensities; 1: no change").between(0.1, 10);
    }
  };

  __Class__(const Params& params, const osteon::sdk::AugmentationRequest&) : gamma_(params.gamma) {}

  /// `random` is decided by the seed, the epoch, the image and the step alone: draw from nothing else.
  void apply(const osteon::sdk::Call& call, osteon::sdk::Random& random, osteon::sdk::Pixels& pixels) const {
    const double gamma = random.uniform(gamma_.low, gamma_.high);
    if (pixels.is(osteon::sdk::dtype_of<std::uint8_t>()))
      change<std::uint8_t>(call, pixels, gamma);
    else if (pixels.is(osteon::sdk::dtype_of<std::uint16_t>()))
      change<std::uint16_t>(call, pixels, gamma);
    else
      change<float>(call, pixels, gamma);
  }

 private:
  template <class T>
  static void change(const osteon::sdk::Call& call, osteon::sdk::Pixels& pixels, double gamma) {
    const double maximum = pixels.maximum();
    const std::int64_t row = pixels.width() * pixels.channels();
    T* data = pixels.data<T>();
    for (std::int64_t y = 0; y < pixels.height(); ++y, data += row) {
      call.stop_if_cancelled();  // a large image takes longer than 50 ms
      for (std::int64_t i = 0; i < row; ++i) {
        const double value = maximum * std::pow(std::max(0.0, static_cast<double>(data[i]) / maximum), gamma);
        data[i] = static_cast<T>(std::is_integral_v<T> ? std::round(value) : value);
      }
    }
  }

  osteon::sdk::Range gamma_;
};
