// SPDX-License-Identifier: Apache-2.0
#include "data/class_boxes.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>

#include <gtest/gtest.h>

#include "data/augment.hpp"
#include "data/label_ops.hpp"
#include "data/warp.hpp"

namespace osteon::data {
namespace {

Labels rectangle(int classes, cv::Size size, int c, const cv::Rect& where) {
  Labels labels(classes, size);
  cv::Mat mask(size, CV_8U, cv::Scalar(0));
  mask(where & cv::Rect({}, size)).setTo(1);
  labels.add(c, mask);
  return labels;
}

/// The boxes of masks, pixel by pixel.
ClassBoxes slow_boxes(const Labels& labels) {
  ClassBoxes boxes(static_cast<std::size_t>(labels.classes()));
  for (int c = 0; c < labels.classes(); ++c) {
    const cv::Mat mask = labels.mask(c);
    for (int y = 0; y < mask.rows; ++y)
      for (int x = 0; x < mask.cols; ++x) {
        if (mask.at<std::uint8_t>(y, x) == 0) continue;
        auto& box = boxes[static_cast<std::size_t>(c)];
        const double fx = x, fy = y;
        if (!box) box = sdk::Box{fx, fy, fx, fy};
        box = sdk::Box{std::min(box->left, fx), std::min(box->top, fy), std::max(box->right, fx),
                       std::max(box->bottom, fy)};
      }
  }
  return boxes;
}

bool same(const std::optional<sdk::Box>& a, const std::optional<sdk::Box>& b) {
  if (!a || !b) return !a && !b;
  return a->left == b->left && a->top == b->top && a->right == b->right && a->bottom == b->bottom;
}
bool holds(const std::optional<sdk::Box>& outer, const std::optional<sdk::Box>& inner) {
  if (!inner) return true;
  return outer && outer->left <= inner->left && outer->top <= inner->top && outer->right >= inner->right &&
         outer->bottom >= inner->bottom;
}
double area(const sdk::Box& box) { return (box.right - box.left + 1) * (box.bottom - box.top + 1); }

TEST(ClassBoxes, AreThoseOfTheMasks) {
  cv::RNG rng(5);
  for (int round = 0; round < 30; ++round) {
    const cv::Size size(rng.uniform(1, 60), rng.uniform(1, 60));
    Labels labels(40, size);
    for (int c = 0; c < 40; ++c) {
      if (rng.uniform(0, 3) == 0) continue;
      cv::Mat mask(size, CV_8U, cv::Scalar(0));
      for (int n = 0; n < 3; ++n) mask.at<std::uint8_t>(rng.uniform(0, size.height), rng.uniform(0, size.width)) = 1;
      labels.add(c, mask);
    }
    const ClassBoxes fast = boxes_of(labels), slow = slow_boxes(labels);
    for (std::size_t c = 0; c < 40; ++c) ASSERT_TRUE(same(fast[c], slow[c])) << c;
    const std::vector<double> flat = flattened(fast);
    ASSERT_EQ(flat.size(), 160u);
    for (std::size_t c = 0; c < 40; ++c) ASSERT_EQ(std::isnan(flat[4 * c + 3]), !slow[c].has_value());
  }
}

/// Warps in a row that belong to no plugin.
class Steps {
 public:
  explicit Steps(cv::Size input) : chain_(input), size_(input) {}
  osteon_warp& add(std::uint32_t kind, const std::array<double, 6>& m, std::uint32_t border, cv::Size size) {
    auto raw = sdk::sized<osteon_warp>();
    raw.kind = kind;
    raw.border = border;
    raw.width = size.width;
    raw.height = size.height;
    std::copy(m.begin(), m.end(), raw.matrix);
    warps_.push_back(raw);
    size_ = size;
    return warps_.back();
  }
  const WarpChain& chain() {
    for (const osteon_warp& raw : warps_) {
      handles_.emplace_back(nullptr, raw);
      chain_.add(&handles_.back());
    }
    return chain_;
  }
  cv::Size size() const { return size_; }

 private:
  WarpChain chain_;
  cv::Size size_;
  std::deque<osteon_warp> warps_;
  std::deque<plugin::Augmentation::Warp> handles_;
};

std::array<double, 6> random_affine(cv::RNG& rng, cv::Size from, cv::Size to, double most) {
  const double angle = rng.uniform(-most, most), scale = std::exp(rng.uniform(-0.7, 0.7)),
               shear = rng.uniform(-0.4, 0.4);
  const double a = scale * std::cos(angle), b = scale * (std::sin(angle) + shear), c = -scale * std::sin(angle),
               d = scale * std::cos(angle);
  const double x = (to.width - 1) / 2.0, y = (to.height - 1) / 2.0;
  return {a, b, (from.width - 1) / 2.0 - a * x - b * y + rng.uniform(-8.0, 8.0),
          c, d, (from.height - 1) / 2.0 - c * x - d * y + rng.uniform(-8.0, 8.0)};
}

// Whatever the steps, every pixel that a class comes to have lies in its box.
TEST(ClassBoxes, BehindStepsAreNeverTooSmall) {
  cv::RNG rng(11);
  static const std::int32_t kSource[] = {1, 0, 2};
  int there = 0, tight = 0;
  for (int round = 0; round < 1500; ++round) {
    const cv::Size input(rng.uniform(2, 70), rng.uniform(2, 70));
    Steps steps(input);
    const int count = rng.uniform(1, 4);
    for (int s = 0; s < count; ++s) {
      const cv::Size from = steps.size(), to(rng.uniform(1, 70), rng.uniform(1, 70));
      const std::uint32_t border = rng.uniform(0, 2) == 0 ? OSTEON_BORDER_CONSTANT : OSTEON_BORDER_REFLECT_101;
      osteon_warp* warp = nullptr;
      if (rng.uniform(0, 4) == 0)
        warp =
            &steps.add(OSTEON_WARP_PERMUTATION,
                       {0, -1, static_cast<double>(rng.uniform(0, 70)), 1, 0, static_cast<double>(rng.uniform(-5, 5))},
                       border, to);
      else
        warp = &steps.add(OSTEON_WARP_AFFINE, random_affine(rng, from, to, 3.2), border, to);
      if (rng.uniform(0, 2) == 0) warp->class_source = kSource;
    }
    Labels labels(3, input);
    for (int c = 0; c < 3; ++c) {
      const cv::Rect where(rng.uniform(0, input.width), rng.uniform(0, input.height), rng.uniform(1, 12),
                           rng.uniform(1, 12));
      if (rng.uniform(0, 8) != 0) labels.add(c, rectangle(3, input, c, where).mask(c));
    }
    const WarpChain& chain = steps.chain();
    const auto boxes = chain.boxes(boxes_of(labels));
    ASSERT_TRUE(boxes.has_value());
    const ClassBoxes exact = slow_boxes(chain.resample(plugin::Call(), labels));
    for (std::size_t c = 0; c < 3; ++c) {
      ASSERT_TRUE(holds((*boxes)[c], exact[c])) << "round " << round << ", class " << c;
      if (!(*boxes)[c]) continue;
      ASSERT_GE((*boxes)[c]->left, 0);
      ASSERT_LT((*boxes)[c]->right, chain.output().width);
      if (!exact[c]) continue;
      ++there;
      tight += area(*(*boxes)[c]) <= 4 * area(*exact[c]) ? 1 : 0;
    }
  }
  EXPECT_GT(there, 1000);
  EXPECT_GT(tight, there / 4) << "boxes say something";
}

TEST(ClassBoxes, BehindMirrorsAndShiftsAreExact) {
  cv::RNG rng(12);
  for (int round = 0; round < 200; ++round) {
    const cv::Size size(rng.uniform(8, 40), rng.uniform(8, 40));
    Steps steps(size);
    steps.add(OSTEON_WARP_PERMUTATION, {-1, 0, size.width - 1.0, 0, 1, 0}, OSTEON_BORDER_CONSTANT, size);
    steps.add(OSTEON_WARP_PERMUTATION,
              {0, 1, static_cast<double>(rng.uniform(-5, 5)), 1, 0, static_cast<double>(rng.uniform(-5, 5))},
              OSTEON_BORDER_CONSTANT, {size.height, size.width});
    const Labels labels = rectangle(
        1, size, 0, {rng.uniform(0, size.width), rng.uniform(0, size.height), rng.uniform(1, 9), rng.uniform(1, 9)});
    const WarpChain& chain = steps.chain();
    EXPECT_TRUE(same(chain.boxes(boxes_of(labels))->at(0), slow_boxes(chain.resample(plugin::Call(), labels))[0])) << round;
  }
}

class BoxesInSteps : public ::testing::Test {
 protected:
  static plugin::Registry& registry() {
    static auto* const kRegistry = [] {
      const auto folder = std::filesystem::temp_directory_path() / "osteon-boxes-test";
      std::filesystem::create_directories(folder);
      std::filesystem::copy_file(std::filesystem::path(OSTEON_FIXTURE_PLUGINS) / "boxes.so", folder / "boxes.so",
                                 std::filesystem::copy_options::overwrite_existing);
      plugin::RegistryOptions options;
      options.folders = {folder};
      options.scanner = OSTEON_PROGRAM;
      return new plugin::Registry(options);
    }();
    return *kRegistry;
  }
  static AugmentPipeline pipeline(const std::vector<std::string>& names) {
    std::vector<recipe::AugmentStep> steps;
    for (const std::string& name : names) {
      recipe::AugmentStep step;
      step.component.kind = plugin::Kind::kAugmentation;
      step.component.plugin = name;
      steps.push_back(step);
    }
    plugin::ClassContext classes;
    classes.names = {"a", "b"};
    return AugmentPipeline(steps, registry(), classes);
  }
  static sdk::Box after(const std::vector<std::string>& names, const Labels& given, std::int64_t view = 0) {
    Image image{cv::Mat(given.size(), CV_8U, cv::Scalar(7)), 255.0};
    Labels labels = clone(given);
    pipeline(names).apply(plugin::Call(), RandomKey{{1, 2}}, image, labels, view);
    return slow_boxes(labels)[0].value_or(sdk::Box{-1, -1, -1, -1});
  }
};

TEST_F(BoxesInSteps, TellAStepWhereAClassLies) {
  const Labels labels = rectangle(2, {41, 31}, 0, {3, 4, 7, 5});
  const sdk::Box box = after({"centres"}, labels);
  EXPECT_EQ(box.left, 17);
  EXPECT_EQ(box.right, 23);
  EXPECT_EQ(box.top, 13);
  EXPECT_EQ(box.bottom, 17);
  EXPECT_EQ(after({"centres"}, labels, 5).left, 22) << "the view's number is known as well";
  EXPECT_EQ(after({"centres", "centres"}, labels).left, 17) << "what is in the middle stays there";
  EXPECT_EQ(after({"centres"}, rectangle(2, {41, 31}, 1, {3, 4, 7, 5})).left, -1) << "the other class moves nothing";
}

// Behind a free step only its labels tell.
TEST_F(BoxesInSteps, AreExactBehindAFreeStep) {
  const Labels labels = rectangle(2, {60, 50}, 0, {10, 5, 20, 20});
  const sdk::Box box = after({"bend", "centres"}, labels);
  EXPECT_LE(std::abs(box.left + box.right - 59), 1);
  EXPECT_LE(std::abs(box.top + box.bottom - 49), 1);
  EXPECT_GT(box.right - box.left, 20) << "it was bent";
}

}  // namespace
}  // namespace osteon::data
