// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

template <class T>
std::vector<T> apply(std::vector<T> pixels, double maximum, double brightness, double contrast) {
  const plugin::Call call;
  const auto component = linked_component(plugin::Kind::kAugmentation, "random_brightness_contrast");
  // An interval of one value leaves nothing to chance, so the formula can be checked.
  const plugin::Augmentation change(
      component,
      parameters_of(component, {{"brightness", std::vector<double>{brightness, brightness}},
                                {"contrast", std::vector<double>{contrast, contrast}}}),
      {false, {"a"}, {}}, call);
  const sdk::BorrowedTensor view(pixels.data(), {static_cast<std::int64_t>(pixels.size()), 1, 1});
  osteon_pixels request{};
  request.struct_size = sizeof request;
  request.image = view;
  request.maximum = maximum;
  change.apply(call, {{1, 2}}, request);
  return pixels;
}

// albumentations 1.4.18: out = in (1 + contrast) + brightness max, clipped.
double expected(double in, double maximum, double brightness, double contrast) {
  return std::clamp(in * (1 + contrast) + brightness * maximum, 0.0, maximum);
}

TEST(RandomBrightnessContrast, FollowsTheFormulaOnBytes) {
  std::vector<std::uint8_t> in(256);
  for (int i = 0; i < 256; ++i) in[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  const auto out = apply(in, 255, 0.1, -0.3);
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], std::lround(expected(in[i], 255, 0.1, -0.3))) << i;
}

TEST(RandomBrightnessContrast, FollowsTheFormulaOnWords) {
  const std::vector<std::uint16_t> in = {0, 1, 1000, 32768, 65534, 65535};
  const auto out = apply(in, 65535, -0.2, 0.5);
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], std::lround(expected(in[i], 65535, -0.2, 0.5))) << i;
}

TEST(RandomBrightnessContrast, FollowsTheFormulaOnFloats) {
  const std::vector<float> in = {0, 0.125f, 0.5f, 0.9f, 1};
  const auto out = apply(in, 1, 0.15, 0.2);
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_NEAR(out[i], expected(in[i], 1, 0.15, 0.2), 1e-6) << i;
}

}  // namespace
}  // namespace osteon::test
