// SPDX-License-Identifier: Apache-2.0
// out = maximum - in, as albumentations' InvertImg: a radiograph whose bones are dark for one whose bones are bright.
//
//     [[augment]]
//     plugin = "invert"
//     p = 0.5
#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace {

using namespace osteon::sdk;

OSTEON_MULTIVERSION void invert(std::uint8_t* data, std::int64_t count, double) {
  for (std::int64_t i = 0; i < count; ++i) data[i] = static_cast<std::uint8_t>(255 - data[i]);
}
OSTEON_MULTIVERSION void invert(std::uint16_t* data, std::int64_t count, double maximum) {
  const auto top = static_cast<std::uint16_t>(maximum);
  for (std::int64_t i = 0; i < count; ++i) data[i] = static_cast<std::uint16_t>(top - data[i]);
}
// What is beyond the range stays at its end.
OSTEON_MULTIVERSION void invert(float* data, std::int64_t count, double maximum) {
  const auto top = static_cast<float>(maximum);
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float in = vector_select(data[i] > 0, data[i], 0);
    data[i] = top - vector_select(in < top, in, top);
  }
}

class Invert {
 public:
  using Params = NoParams;
  Invert(const Params&, const AugmentationRequest&) {}

  void apply(const Call& call, Random&, Pixels& pixels) const {
    pixels.in_pieces(call,
                     [&](auto* data, std::int64_t, std::int64_t count) { invert(data, count, pixels.maximum()); });
  }
};

}  // namespace

OSTEON_PLUGIN("invert", "1.0.0",
              osteon::sdk::augmentation<Invert>({"invert", "1.0.0", "Dark for bright and bright for dark.",
                                                 "albumentations 1.4.18, InvertImg"}))
