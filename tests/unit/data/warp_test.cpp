// SPDX-License-Identifier: Apache-2.0
// What a chain of drawn warps makes of images and labels, against one pixel at a time.
#include "data/warp.hpp"

#include <cstring>
#include <deque>

#include <gtest/gtest.h>

#include "data/label_ops.hpp"
#include "handmade_geometric.hpp"

namespace osteon::data {
namespace {

// The plugin of these tests gives what the test says.
osteon_warp next_warp;
const std::int32_t* exchange = nullptr;  // of classes

osteon_status give(const osteon_call*, const osteon_augmentation*, const osteon_random_key*, const osteon_warp_request*,
                   osteon_warp* warp, osteon_error*) {
  const auto height = warp->height, width = warp->width;
  *warp = next_warp;
  if (warp->height == 0) warp->height = height, warp->width = width;
  warp->class_source = exchange;
  return OSTEON_OK;
}

class WarpChains : public ::testing::Test {
 protected:
  WarpChains() {
    augmentation_ = std::make_unique<plugin::Augmentation>(
        handmade_.loaded(), plugin::Parameters{}, plugin::ClassContext{false, std::vector<std::string>(35, "c"), {}},
        call_);
    exchange = nullptr;
    plugin::CallOptions two;
    two.threads = 2;
    shared_ = std::make_unique<plugin::Call>(two);
  }

  void add(WarpChain& chain, std::uint32_t kind, const std::array<double, 6>& m, cv::Size size = {},
           std::uint32_t border = OSTEON_BORDER_REFLECT_101) {
    next_warp = sdk::sized<osteon_warp>();
    next_warp.kind = kind;
    next_warp.border = border;
    std::copy(m.begin(), m.end(), next_warp.matrix);
    next_warp.width = size.width, next_warp.height = size.height;
    next_warp.image_fill = 0.5;
    const cv::Size in = chain.output();
    warps_.push_back(augmentation_->sample_warp(call_, {{1, 2}}, in.height, in.width));
    chain.add(&warps_.back());
  }

  plugin::Call call_;
  std::unique_ptr<plugin::Call> shared_;
  tests::HandmadeGeometric<give> handmade_{"given"};
  std::unique_ptr<plugin::Augmentation> augmentation_;
  std::deque<plugin::Augmentation::Warp> warps_;
};

const cv::Size kPlane(131, 97);  // more than one piece of rows at the larger of the two outputs

cv::Mat random_image(int type, cv::Size size = kPlane) {
  cv::Mat image(size, type);
  cv::RNG(5).fill(image, cv::RNG::UNIFORM, 0, CV_MAT_DEPTH(type) == CV_32F ? 1 : 65536);
  return image;
}

Labels random_labels(bool with_valid) {
  Labels made(35, kPlane);
  cv::RNG rng(6);
  for (cv::Mat& plane : made.planes())
    for (int y = 0; y < plane.rows; ++y)
      for (int x = 0; x < plane.cols; ++x) plane.at<std::int32_t>(y, x) = static_cast<std::int32_t>(rng.next());
  if (with_valid) {
    made.valid() = cv::Mat(kPlane, CV_8U);
    rng.fill(made.valid(), cv::RNG::UNIFORM, 0, 2);
  }
  return made;
}

bool same_bytes(const cv::Mat& a, const cv::Mat& b) {
  if (a.size() != b.size() || a.type() != b.type()) return false;
  for (int y = 0; y < a.rows; ++y)
    if (std::memcmp(a.ptr(y), b.ptr(y), a.elemSize() * static_cast<std::size_t>(a.cols)) != 0) return false;
  return true;
}

/// The pixel of `from` that lies at whole x, y of it mirrored.
cv::Mat taken(const cv::Mat& from, cv::Size size, const std::array<double, 6>& m) {
  const auto folded = [](double at, int n) {
    while (at < 0 || at > n - 1) at = at < 0 ? -at : 2 * (n - 1) - at;
    return static_cast<int>(at);
  };
  cv::Mat to(size, from.type());
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x)
      std::memcpy(
          to.ptr(y, x),
          from.ptr(folded(m[3] * x + m[4] * y + m[5], from.rows), folded(m[0] * x + m[1] * y + m[2], from.cols)),
          from.elemSize());
  return to;
}

struct Move {
  const char* name;
  std::array<double, 6> matrix;
  cv::Size size;
};

TEST_F(WarpChains, MovePixelsOntoPixelsExactly) {
  const double w = kPlane.width - 1, h = kPlane.height - 1;
  const cv::Size turned(kPlane.height, kPlane.width);
  const Move moves[] = {{"mirror", {-1, 0, w, 0, 1, 0}, kPlane},
                        {"upside down", {1, 0, 0, 0, -1, h}, kPlane},
                        {"half a turn", {-1, 0, w, 0, -1, h}, kPlane},
                        {"transposed", {0, 1, 0, 1, 0, 0}, turned},
                        {"to the left", {0, -1, w, 1, 0, 0}, turned},
                        {"to the right", {0, 1, 0, -1, 0, h}, turned},
                        {"other diagonal", {0, -1, w, -1, 0, h}, turned},
                        {"window", {1, 0, 30, 0, 1, 20}, {50, 40}},
                        {"mirrored window", {-1, 0, 90, 0, 1, 20}, {50, 40}},
                        {"shift over the border", {1, 0, -17, 0, 1, 29}, kPlane},
                        {"far over the border", {1, 0, 500, 0, -1, -300}, {80, 70}}};
  for (const Move& move : moves) {
    SCOPED_TRACE(move.name);
    WarpChain chain(kPlane);
    add(chain, OSTEON_WARP_PERMUTATION, move.matrix, move.size);
    for (const int type : {CV_8UC1, CV_16UC1, CV_32FC1, CV_8UC3, CV_32FC3}) {
      const cv::Mat image = random_image(type);
      EXPECT_TRUE(same_bytes(chain.resample(*shared_, image, 1), taken(image, move.size, move.matrix))) << type;
    }
    const Labels from = random_labels(true), to = chain.resample(*shared_, from);
    for (std::size_t p = 0; p < 2; ++p)
      EXPECT_TRUE(same_bytes(to.planes()[p], taken(from.planes()[p], move.size, move.matrix)));
    EXPECT_TRUE(same_bytes(to.valid(), taken(from.valid(), move.size, move.matrix)));
  }
}

// Grey bytes have loops of their own.
TEST_F(WarpChains, InterpolateBytesAsOtherPixels) {
  for (const cv::Size size : {kPlane, cv::Size(2, 2), cv::Size(1, 9), cv::Size(9, 1), cv::Size(1, 1)}) {
    WarpChain chain(size);
    add(chain, OSTEON_WARP_AFFINE, {0.9, 0.3, -20, -0.3, 0.9, 25}, {67, 45});
    const cv::Mat bytes = random_image(CV_8UC1, size);
    cv::Mat floats;
    bytes.convertTo(floats, CV_32F);
    const cv::Mat expected = chain.resample(call_, floats, 255), found = chain.resample(call_, bytes, 255);
    cv::Mat widened;
    found.convertTo(widened, CV_32F);
    EXPECT_LE(cv::norm(widened, expected, cv::NORM_INF), 0.5 + 1e-4) << size;
  }
}

TEST_F(WarpChains, FourQuarterTurnsAreNone) {
  WarpChain chain(kPlane);
  for (int i = 0; i < 4; ++i) {
    const cv::Size in = chain.output();
    add(chain, OSTEON_WARP_PERMUTATION, {0, -1, static_cast<double>(in.width - 1), 1, 0, 0}, {in.height, in.width});
  }
  EXPECT_TRUE(chain.exact());
  const cv::Mat image = random_image(CV_16UC3);
  EXPECT_TRUE(same_bytes(chain.resample(call_, image, 65535), image));
}

TEST_F(WarpChains, GiveTheSameTogetherAndApartOnAnyNumberOfThreads) {
  WarpChain chain(kPlane);
  add(chain, OSTEON_WARP_AFFINE, {0.9, 0.3, -20, -0.3, 0.9, 25}, {200, 150});
  add(chain, OSTEON_WARP_AFFINE, {0.8, 0.1, 5, 0, 1.1, -30}, {200, 150}, OSTEON_BORDER_CONSTANT);
  const cv::Mat image = random_image(CV_8UC1);
  const Labels from = random_labels(true);
  const cv::Mat alone = chain.resample(call_, image, 255);
  const Labels labels_alone = chain.resample(call_, from);
  cv::Mat together = image;
  Labels labels_together = from;
  chain.resample(*shared_, together, 255, labels_together);
  EXPECT_TRUE(same_bytes(alone, together));
  EXPECT_TRUE(equal(labels_alone, labels_together));
  EXPECT_TRUE(same_bytes(alone, chain.resample(*shared_, image, 255)));
}

TEST_F(WarpChains, ComposeExchangesOfClassesInTheirOrder) {
  WarpChain chain(kPlane);
  std::vector<std::int32_t> first(35), second(35);
  for (int c = 0; c < 35; ++c) {
    first[static_cast<std::size_t>(c)] = (c + 1) % 35;  // over the end of the first word
    second[static_cast<std::size_t>(c)] = c % 2 == 0 && c < 34 ? c + 1 : c % 2 == 1 ? c - 1 : c;
  }
  for (const auto* sources : {&first, &second}) {
    exchange = sources->data();
    add(chain, OSTEON_WARP_IDENTITY, {1, 0, 0, 0, 1, 0});
  }
  const Labels from = random_labels(false), to = chain.resample(call_, from);
  for (int c = 0; c < 35; ++c) {
    const int source = first[static_cast<std::size_t>(second[static_cast<std::size_t>(c)])];
    ASSERT_EQ(cv::norm(to.mask(c), from.mask(source), cv::NORM_INF), 0) << c;
  }
}

}  // namespace
}  // namespace osteon::data
