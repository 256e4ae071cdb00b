// SPDX-License-Identifier: Apache-2.0
#include "train/target.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace osteon::train {
namespace {

TEST(PresenceOf, IsTheOrOverTheValidPixelsOfEachImage) {
  for (const bool holes : {false, true})
    for (const std::int64_t height : {1, 2, 3, 7})
      for (const std::int64_t width : {1, 2, 5, 8}) {
        Target target;
        target.planes = at::randint(0, 1 << 20, {3, 2, height, width}, at::kInt)
                            .bitwise_left_shift(at::scalar_tensor(11, at::kInt));
        target.planes = target.planes.masked_fill(at::randint(0, 3, {3, 2, height, width}).ne(0), 0);
        if (holes) target.valid = at::randint(0, 2, {3, height, width}, at::kByte);
        const Target presence = presence_of(target);
        ASSERT_EQ(presence.planes.sizes(), at::IntArrayRef({3, 2, 1, 1}));
        for (std::int64_t i = 0; i < 3; ++i) {
          std::int32_t expected[2] = {0, 0};
          bool any = false;
          for (std::int64_t y = 0; y < height; ++y)
            for (std::int64_t x = 0; x < width; ++x) {
              if (holes && target.valid[i][y][x].item<int>() == 0) continue;
              any = true;
              for (std::int64_t p = 0; p < 2; ++p) expected[p] |= target.planes[i][p][y][x].item<std::int32_t>();
            }
          for (std::int64_t p = 0; p < 2; ++p)
            EXPECT_EQ(presence.planes[i][p][0][0].item<std::int32_t>(), expected[p]) << height << " x " << width;
          if (holes) {
            EXPECT_EQ(presence.valid[i][0][0].item<int>(), any ? 1 : 0);
          }
        }
      }
}

TEST(PresenceOf, KeepsImagesAndClassesAndDropsPixels) {
  Target target;
  target.soft = at::rand({2, 3, 4, 5});
  target.valid = at::ones({2, 4, 5}, at::kByte);
  target.soft[0][1][2][3] = 7;
  target.valid[0][2][3] = 0;
  target.sample_weight = at::rand({2});
  target.class_valid = at::ones({2, 3}, at::kByte);
  target.pixel_weight = at::rand({2, 4, 5});
  const Target presence = presence_of(target);
  EXPECT_TRUE(at::equal(presence.soft, target.soft.masked_fill(target.valid.eq(0).unsqueeze(1), 0).amax({2, 3}, true)));
  EXPECT_FALSE(presence.planes.defined());
  EXPECT_TRUE(at::equal(presence.sample_weight, target.sample_weight));
  EXPECT_TRUE(at::equal(presence.class_valid, target.class_valid));
  EXPECT_FALSE(presence.pixel_weight.defined());
}

TEST(TargetViews, SetAFlagForWhatIsThere) {
  Target target;
  target.planes = at::zeros({1, 1, 2, 2}, at::kInt);
  auto input = sdk::sized<osteon_loss_input>();
  TargetViews(target).put_into(input);
  EXPECT_EQ(input.flags, 0u);
  EXPECT_NE(input.target, nullptr);
  EXPECT_EQ(input.valid, nullptr);
  target.planes.reset();
  target.soft = at::zeros({1, 3, 2, 2});
  target.pixel_weight = at::ones({1, 2, 2});
  target.class_valid = at::ones({1, 3}, at::kByte);
  input = sdk::sized<osteon_loss_input>();
  TargetViews(target).put_into(input);
  EXPECT_EQ(input.flags, std::uint32_t{OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET});
  EXPECT_EQ(input.target, nullptr);
}

}  // namespace
}  // namespace osteon::train
