// SPDX-License-Identifier: Apache-2.0
// out = maximum (in / maximum)^(g / 100), g uniform in `gamma_limit`, as albumentations' RandomGamma; integers are
// rounded, which theirs cuts off.
//
//     [[augment]]
//     plugin = "gamma"
//     gamma_limit = [80, 120]     # per cent; below 100 it grows brighter
//     p = 0.5
#include <cmath>
#include <memory>
#include <type_traits>

#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace {

using namespace osteon::sdk;

// A logarithm is within 3 ulp, and x^g is as good to 1e-6 where it is not small itself.
OSTEON_MULTIVERSION void raise(float* data, std::int64_t count, float exponent) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float in = vector_select(data[i] < 1, data[i], 1);
    // The least normal number; 0, what is below it and NaN are 0.
    const bool is_normal = in >= 1.17549435e-38f;
    const float out = vector_exp(exponent * vector_log(vector_select(is_normal, in, 1)));
    data[i] = vector_select(is_normal, out, 0);
  }
}

/// All intensities of a type of integers.
template <class T>
std::unique_ptr<T[]> table_of(double exponent) {
  constexpr std::size_t kCount = std::size_t{1} << (8 * sizeof(T));
  constexpr double kTop = static_cast<double>(kCount - 1);
  auto table = std::make_unique<T[]>(kCount);
  for (std::size_t v = 0; v < kCount; ++v)
    table[v] = static_cast<T>(std::lround(kTop * std::pow(static_cast<double>(v) / kTop, exponent)));
  return table;
}

class Gamma {
 public:
  struct Params {
    Range gamma_limit{80, 120};

    static void schema(Schema<Params>& s) {
      s.add("gamma_limit", &Params::gamma_limit, "exponent of the intensities; 100: no change")
          .unit("%")
          .between(1, 10000);
    }
  };
  Gamma(const Params& params, const AugmentationRequest&) : limit_(params.gamma_limit) {}

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const double exponent = random.uniform(limit_.low, limit_.high) / 100;
    call.note(nullptr, "gamma", exponent);
    if (pixels.is(dtype_of<std::uint8_t>()))
      look_up<std::uint8_t>(call, pixels, exponent);
    else if (pixels.is(dtype_of<std::uint16_t>()))
      look_up<std::uint16_t>(call, pixels, exponent);
    else
      pixels.in_pieces(call, [&](auto* data, std::int64_t, std::int64_t count) {
        if constexpr (std::is_same_v<decltype(data), float*>) raise(data, count, static_cast<float>(exponent));
      });
  }

 private:
  template <class T>
  static void look_up(const Call& call, const Pixels& pixels, double exponent) {
    call.stop_if_cancelled();  // the table of 16 bits takes some milliseconds
    const auto table = table_of<T>(exponent);
    pixels.in_pieces(call, [&](auto* data, std::int64_t, std::int64_t count) {
      if constexpr (std::is_same_v<decltype(data), T*>)
        for (std::int64_t i = 0; i < count; ++i) data[i] = table[data[i]];
    });
  }

  Range limit_;
};

}  // namespace

OSTEON_PLUGIN("gamma", "1.0.0",
              osteon::sdk::augmentation<Gamma>({"gamma", "1.0.0", "A random gamma.",
                                                "albumentations 1.4.18, RandomGamma"}))
