// SPDX-License-Identifier: Apache-2.0
#include "predict/bridge.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include <osteon/sdk/random.hpp>

#include "predict/bit_planes.hpp"
#include "predict/reform.hpp"
#include "predict/resample.hpp"
#include "predict/stored.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

class BridgeTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kHeight = 9, kWidth = 11, kPixels = kHeight * kWidth;

  static void SetUpTestSuite() { install_resample_service(); }

  /// Probabilities of pixels, of one sum over the classes where a pixel has exactly one.
  void fill_values(std::int64_t classes, bool multiclass) {
    values_.assign(static_cast<std::size_t>(classes * kPixels), 0);
    sdk::Random random(11, 3);
    for (std::int64_t p = 0; p < kPixels; ++p) {
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) {
        const double drawn = random.uniform(0.001, 0.999);
        value(c, p) = static_cast<float>(drawn);
        sum += drawn;
      }
      for (std::int64_t c = 0; c < classes && multiclass; ++c) value(c, p) /= static_cast<float>(sum);
    }
  }
  float& value(std::int64_t c, std::int64_t p) { return values_[static_cast<std::size_t>(c * kPixels + p)]; }
  std::shared_ptr<const Predictor> stored(std::int64_t classes, bool multiclass) {
    sdk::OwnedTensor tensor = sdk::Call(call_.raw()).allocate<float>({classes, kHeight, kWidth});
    std::copy(values_.begin(), values_.end(), tensor.data<float>());
    return std::make_shared<Stored>(test::classes(static_cast<int>(classes), multiclass), std::move(tensor),
                                    cv::Size(kWidth, kHeight));
  }
  OwnedPrediction predict(const Predictor& predictor, std::uint32_t form, const std::vector<std::int32_t>& classes) {
    const cv::Mat pixels(kHeight, kWidth, CV_32FC1, cv::Scalar(0.5));
    const RootImage image(pixels, "an image");
    osteon_predict_request request = make_request(form, OSTEON_GRID_IMAGE);
    request.n_classes = classes.size();
    request.classes = classes.data();
    std::vector<OwnedPrediction> predictions(1);
    predictor.predict(call_.raw(), {image.get()}, request, predictions);
    EXPECT_EQ(predictions[0].raw().form, form);
    return std::move(predictions[0]);
  }
  static bool bit(const OwnedPrediction& prediction, std::int64_t k, std::int64_t p) {
    const auto* words = sdk::data_of<const std::int32_t>(prediction.view(), "bits");
    return (static_cast<std::uint32_t>(words[k / 32 * kPixels + p]) >> (k % 32) & 1u) != 0;
  }
  static Decision decision(std::int64_t classes, bool multiclass) {
    Decision made;
    made.multiclass = multiclass;
    for (std::int64_t c = 0; c < classes; ++c) made.thresholds.push_back(0.2 + 0.6 * static_cast<double>(c % 7) / 6);
    return made;
  }

  std::vector<float> values_;
  plugin::Call call_;
};

TEST_F(BridgeTest, DecidesByTheThresholdsInForce) {
  fill_values(34, false);
  const Bridge bridge(stored(34, false), OSTEON_SET(OSTEON_FORM_BITS), decision(34, false));
  EXPECT_EQ(bridge.gives_forms(), OSTEON_SET(OSTEON_FORM_BITS));
  const OwnedPrediction all = predict(bridge, OSTEON_FORM_BITS, {}), some = predict(bridge, OSTEON_FORM_BITS, {3, 33});
  ASSERT_EQ(all.view().shape[0], 2);
  ASSERT_EQ(some.view().shape[0], 1);
  for (std::int64_t p = 0; p < kPixels; ++p) {
    for (std::int64_t c = 0; c < 34; ++c)
      EXPECT_EQ(bit(all, c, p),
                value(c, p) > static_cast<float>(decision(34, false).thresholds[static_cast<std::size_t>(c)]));
    EXPECT_EQ(bit(some, 0, p), bit(all, 3, p));
    EXPECT_EQ(bit(some, 1, p), bit(all, 33, p));
  }
}

TEST_F(BridgeTest, TakesTheGreatestOfAllWhereAPixelHasOneClass) {
  fill_values(5, true);
  const Bridge bridge(stored(5, true), OSTEON_SET(OSTEON_FORM_BITS), decision(5, true));
  const OwnedPrediction all = predict(bridge, OSTEON_FORM_BITS, {}), some = predict(bridge, OSTEON_FORM_BITS, {1, 4});
  for (std::int64_t p = 0; p < kPixels; ++p) {
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < 5; ++c) best = value(c, p) > value(best, p) ? c : best;
    for (std::int64_t c = 0; c < 5; ++c) EXPECT_EQ(bit(all, c, p), c == best);
    EXPECT_EQ(bit(some, 0, p), best == 1);
    EXPECT_EQ(bit(some, 1, p), best == 4);
  }
}

TEST_F(BridgeTest, MakesProbabilitiesOfBits) {
  fill_values(33, false);
  const auto bits = std::make_shared<Bridge>(stored(33, false), OSTEON_SET(OSTEON_FORM_BITS), decision(33, false));
  const Bridge bridge(bits, OSTEON_SET(OSTEON_FORM_PROBABILITIES) | OSTEON_SET(OSTEON_FORM_LOGITS),
                      decision(33, false));
  EXPECT_EQ(bridge.gives_forms(), OSTEON_SET(OSTEON_FORM_PROBABILITIES)) << "they lose less than logits";
  const OwnedPrediction all = predict(*bits, OSTEON_FORM_BITS, {});
  const OwnedPrediction some = predict(bridge, OSTEON_FORM_PROBABILITIES, {0, 2, 32});
  const std::int64_t asked[] = {0, 2, 32};
  for (std::int64_t k = 0; k < 3; ++k)
    for (std::int64_t p = 0; p < kPixels; ++p)
      EXPECT_EQ(some.data()[k * kPixels + p], bit(all, asked[k], p) ? 1.0f : 0.0f);
}

TEST_F(BridgeTest, MakesLogitsThatComeBackAsTheProbabilities) {
  for (const bool multiclass : {false, true}) {
    fill_values(4, multiclass);
    value(0, 0) = 1;
    for (std::int64_t c = 1; c < 4; ++c) value(c, 0) = 0;
    const auto inner = stored(4, multiclass);
    const Bridge bridge(inner, OSTEON_SET(OSTEON_FORM_LOGITS), decision(4, multiclass));
    OwnedPrediction logits = predict(bridge, OSTEON_FORM_LOGITS, {});
    for (std::int64_t i = 0; i < 4 * kPixels; ++i) EXPECT_TRUE(std::isfinite(logits.data()[i]));
    convert(call_.raw(), bridge.raw(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE), kHeight, kWidth,
            logits.raw());
    for (std::int64_t i = 0; i < 4 * kPixels; ++i)
      EXPECT_NEAR(logits.data()[i], values_[static_cast<std::size_t>(i)], 1e-6);
  }
}

TEST_F(BridgeTest, GivesAPredictionOfASmallerGridOnTheImages) {
  values_.assign(2 * 4 * 5, 0.25f);
  sdk::OwnedTensor tensor = sdk::Call(call_.raw()).allocate<float>({2, 4, 5});
  std::copy(values_.begin(), values_.end(), tensor.data<float>());
  const auto inner = std::make_shared<Stored>(test::classes(2), std::move(tensor), cv::Size(kWidth, kHeight));
  const Bridge bridge(inner, OSTEON_SET(OSTEON_FORM_BITS), {false, {0.2, 0.3}});
  const OwnedPrediction got = predict(bridge, OSTEON_FORM_BITS, {});
  ASSERT_EQ(sdk::shape_text(got.view()), "[1, 9, 11]");
  for (std::int64_t p = 0; p < kPixels; ++p) EXPECT_EQ(sdk::data_of<const std::int32_t>(got.view(), "bits")[p], 1);
}

}  // namespace
}  // namespace osteon::predict
