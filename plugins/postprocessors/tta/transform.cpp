// SPDX-License-Identifier: Apache-2.0
#include "transform.hpp"

#include <algorithm>
#include <map>

namespace osteon::tta {
namespace {

const std::map<std::string, Transform>& all_transforms() {
  static const std::map<std::string, Transform> kTransforms = {
      {"identity", {false, false, false}}, {"hflip", {false, true, false}},     {"vflip", {false, false, true}},
      {"rot180", {false, true, true}},     {"transpose", {true, false, false}}, {"rot90", {true, false, true}},
      {"rot270", {true, true, false}}};
  return kTransforms;
}

}  // namespace

const std::vector<std::string>& transform_names() {
  static const std::vector<std::string> kNames = {"identity", "hflip",  "vflip",    "rot90",
                                                  "rot180",   "rot270", "transpose"};
  return kNames;
}

Transform transform_of(const std::string& name) { return all_transforms().at(name); }

sdk::Image transformed(const sdk::Call& call, const Transform& t, const osteon_image& image) {
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1], channels = image.pixels.shape[2];
  const std::int64_t out_height = t.swaps ? width : height, out_width = t.swaps ? height : width;
  const float* in = sdk::data_of<const float>(image.pixels, "an image");
  sdk::OwnedTensor pixels = call.allocate<float>({out_height, out_width, channels});
  float* out = pixels.data<float>();
  for (std::int64_t y = 0; y < out_height; ++y)
    for (std::int64_t x = 0; x < out_width; ++x) {
      const std::int64_t u = t.flips_x ? out_width - 1 - x : x, v = t.flips_y ? out_height - 1 - y : y;
      const std::int64_t source = t.swaps ? u * width + v : v * width + u;
      std::copy_n(in + source * channels, channels, out + (y * out_width + x) * channels);
    }
  // A pixel of the copy to one of the image: unflip in the copy's own size, then exchange the axes back.
  const auto w = static_cast<double>(out_width - 1), h = static_cast<double>(out_height - 1);
  const sdk::Affine unflip =
      sdk::Affine::of({t.flips_x ? -1.0 : 1.0, 0, t.flips_x ? w : 0, 0, t.flips_y ? -1.0 : 1.0, t.flips_y ? h : 0});
  const sdk::Affine exchange = t.swaps ? sdk::Affine::of({0, 1, 0, 1, 0, 0}) : sdk::Affine();
  return sdk::Image(std::move(pixels), exchange.after(unflip), image);
}

void add_back(const Transform& t, const float* plane, std::int64_t height, std::int64_t width, float weight,
              float* sum) {
  const std::int64_t copy_height = t.swaps ? width : height, copy_width = t.swaps ? height : width;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t u = t.swaps ? y : x, v = t.swaps ? x : y;  // in the copy, before it was flipped
      const std::int64_t column = t.flips_x ? copy_width - 1 - u : u, row = t.flips_y ? copy_height - 1 - v : v;
      sum[y * width + x] += weight * plane[row * copy_width + column];
    }
}

}  // namespace osteon::tta
