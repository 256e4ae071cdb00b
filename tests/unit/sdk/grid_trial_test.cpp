// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/grid_trial.hpp>

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Shapes = std::vector<std::vector<std::int64_t>>;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// A network of 3 classes that takes multiples of `multiple`, with heads of these strides, all of them in training.
TrialRun network(std::int64_t multiple, std::vector<std::int64_t> strides) {
  return [=](std::int64_t n, std::int64_t height, std::int64_t width, bool training) {
    if (height % multiple != 0 || width % multiple != 0) throw std::runtime_error("no such size");
    Shapes shapes;
    for (std::size_t i = 0; i < (training ? strides.size() : 1); ++i)
      shapes.push_back({n, 3, ceil_div(height, strides[i]), ceil_div(width, strides[i])});
    return shapes;
  };
}

TrialWish wish() {
  TrialWish wanted;
  wanted.n_classes = 3;
  return wanted;
}

std::string refusal(const TrialRun& run, const TrialWish& wanted) {
  try {
    find_grid(run, wanted);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "taken";
}

TEST(GridTrial, FindsPowersOfTwo) {
  for (const std::int64_t multiple : {1, 2, 8, 32, 64, 128})
    for (const std::int64_t stride : {1, 2, 4, 8, 32}) {
      const Grid grid = find_grid(network(multiple, {stride}), wish());
      EXPECT_EQ(grid.size_multiple, multiple);
      EXPECT_THAT(grid.strides, ElementsAre(stride));
    }
}

TEST(GridTrial, TakesAMultipleThatIsNoneAndFindsItsStride) {
  TrialWish wanted = wish();
  wanted.size_multiple = 14;  // patches of a vision transformer
  const Grid grid = find_grid(network(14, {14}), wanted);
  EXPECT_EQ(grid.size_multiple, 14);
  EXPECT_THAT(grid.strides, ElementsAre(14));
}

TEST(GridTrial, TakesTheOneSizeThatThereIs) {
  TrialWish wanted = wish();
  wanted.height = 24;
  wanted.width = 36;
  const Grid grid = find_grid(
      [](std::int64_t n, std::int64_t height, std::int64_t width, bool) {
        EXPECT_EQ(height, 24);
        EXPECT_EQ(width, 36);
        return Shapes{{n, 3, 6, 9}};
      },
      wanted);
  EXPECT_EQ(grid.size_multiple, 12);
  EXPECT_THAT(grid.strides, ElementsAre(4));
}

TEST(GridTrial, FindsTheStridesOfAllHeads) {
  TrialWish wanted = wish();
  wanted.n_outputs = 3;
  EXPECT_THAT(find_grid(network(32, {4, 1, 16}), wanted).strides, ElementsAre(4, 1, 16));
}

TEST(GridTrial, RefusesWhatDoesNotGoTogether) {
  TrialWish wanted = wish();
  wanted.stride = 2;
  EXPECT_THAT(refusal(network(1, {4}), wanted), HasSubstr("stride is 2, but an image of 128 x 128"));
  wanted = wish();
  wanted.n_classes = 29;
  EXPECT_THAT(refusal(network(1, {1}), wanted), HasSubstr("gives 3 classes, data.classes has 29"));
  const auto shape_of = [](Shapes shapes) {
    return [=](std::int64_t, std::int64_t, std::int64_t, bool) { return shapes; };
  };
  EXPECT_THAT(refusal(shape_of({{1, 3, 100, 100}}), wish()), HasSubstr("no whole stride"));
  EXPECT_THAT(refusal(shape_of({{1, 3}}), wish()), HasSubstr("2 dimensions"));
  // Logits of one size whatever the image's, which a trial of one size could take for a stride.
  EXPECT_THAT(refusal(shape_of({{1, 3, 32, 32}}), wish()), HasSubstr("one size alone"));
}

TEST(GridTrial, PassesOnWhyTheFirstImageFailed) {
  EXPECT_THROW(find_grid(network(96, {1}), wish()), std::runtime_error);
}

}  // namespace
}  // namespace osteon::sdk
