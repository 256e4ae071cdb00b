// SPDX-License-Identifier: Apache-2.0
// Predictions that are read in bands: whatever bands they are read in, whoever gives them, they are what is predicted
// at once; whoever is asked predicts once; and nobody holds more than has to be.
#include "predict/reading.hpp"

#include <array>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <osteon/sdk/ensembler.hpp>
#include <osteon/sdk/postprocessor.hpp>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "predict/bridge.hpp"
#include "predict/ensemble.hpp"
#include "predict/predict.hpp"
#include "predict/some_classes.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kHeight = 23, kWidth = 17;

using test::grid_logit;
using test::GridPredictor;

class ReadingTest : public ::testing::Test {
 protected:
  ReadingTest() : pixels_(kHeight, kWidth, CV_32F, cv::Scalar(0.5)), image_(pixels_, "image") {}

  osteon_predict_request request(std::uint32_t form, const std::vector<std::int32_t>& classes = {}) const {
    osteon_predict_request made = make_request(form, OSTEON_GRID_IMAGE);
    made.n_classes = classes.size();
    made.classes = classes.data();
    return made;
  }
  std::vector<float> whole(const Predictor& predictor, const osteon_predict_request& asked) const {
    std::vector<OwnedPrediction> predictions(1);
    predictor.predict(call_.raw(), {image_.get()}, asked, predictions);
    const auto* values = static_cast<const float*>(predictions[0].view().data);
    return {values, values + sdk::element_count(predictions[0].view())};
  }
  /// Through the ABI, as plugins read.
  std::vector<float> in_bands(const Predictor& predictor, const osteon_predict_request& asked,
                              std::int64_t rows) const {
    const sdk::Predictor within(&predictor.raw());
    const auto reading = within.open(sdk::Call(call_.raw()), *image_.get(), asked);
    std::vector<float> values;
    for (std::int64_t first = 0; first < kHeight; first += rows) {
      const sdk::Prediction band = reading->read(sdk::Call(call_.raw()), std::min(rows, kHeight - first));
      EXPECT_EQ(band.height(), std::min(rows, kHeight - first));
      EXPECT_EQ(band.width(), kWidth);
      EXPECT_EQ(band.raw().form, asked.form);
      const double expected[] = {1, 0, 0, 0, 1, static_cast<double>(first)};
      EXPECT_TRUE(std::equal(expected, expected + 6, band.raw().to_image)) << first;
      const std::int64_t planes = band.classes(), part = band.height() * kWidth;
      values.resize(static_cast<std::size_t>(planes * kHeight * kWidth));
      for (std::int64_t k = 0; k < planes; ++k)
        std::memcpy(values.data() + (k * kHeight + first) * kWidth,
                    static_cast<const float*>(band.view().data) + k * part, static_cast<std::size_t>(part) * 4);
    }
    EXPECT_THROW(reading->read(sdk::Call(call_.raw()), 1), sdk::Error) << "beyond the last row";
    return values;
  }
  /// Bits are compared as such: a float may be a NaN that is not equal to itself.
  static bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
  }
  void expect_same(const Predictor& predictor, std::uint32_t form) const {
    const auto count = static_cast<std::int32_t>(predictor.classes().names.size());
    for (const std::vector<std::int32_t>& classes : {std::vector<std::int32_t>{}, {0, count - 1}}) {
      const std::vector<float> expected = whole(predictor, request(form, classes));
      for (const std::int64_t rows : {1, 4, 23})
        EXPECT_TRUE(same(in_bands(predictor, request(form, classes), rows), expected))
            << "form " << form << ", " << rows << " rows of " << classes.size() << " classes";
    }
  }
  static Decision decision(int classes, bool multiclass) {
    return {multiclass, std::vector<double>(static_cast<std::size_t>(classes), 0.4)};
  }

  plugin::Call call_;
  cv::Mat pixels_;
  RootImage image_;
};

TEST_F(ReadingTest, IsWhatIsPredictedAtOnce) {
  for (const bool multiclass : {false, true}) {
    const GridPredictor predictor(test::classes(5, multiclass));
    expect_same(predictor, OSTEON_FORM_LOGITS);
    expect_same(predictor, OSTEON_FORM_PROBABILITIES);
  }
}

TEST_F(ReadingTest, RunsThePredictorOnceHoweverManyBandsAreRead) {
  const GridPredictor predictor(test::classes(3));
  in_bands(predictor, request(OSTEON_FORM_PROBABILITIES), 1);
  EXPECT_EQ(predictor.forwards, 1);
}

TEST_F(ReadingTest, CrossesBridges) {
  for (const bool multiclass : {false, true}) {
    const auto inner = std::make_shared<GridPredictor>(test::classes(5, multiclass));
    expect_same(Bridge(inner, OSTEON_SET(OSTEON_FORM_BITS), decision(5, multiclass)), OSTEON_FORM_BITS);
    // What gives the image's grid alone is read beneath as well.
    const auto on_image = std::make_shared<test::FunctionPredictor>(
        test::classes(5, multiclass), [](auto c, auto y, auto x) { return grid_logit(c, y, x) / 4 + 0.5; });
    const auto bits = std::make_shared<Bridge>(on_image, OSTEON_SET(OSTEON_FORM_BITS), decision(5, multiclass));
    expect_same(*bits, OSTEON_FORM_BITS);
    expect_same(Bridge(bits, OSTEON_SET(OSTEON_FORM_PROBABILITIES), decision(5, multiclass)),
                OSTEON_FORM_PROBABILITIES);
  }
}

TEST_F(ReadingTest, RefusesWhatIsNotThere) {
  const GridPredictor predictor(test::classes(2));
  const auto message = [&](osteon_predict_request asked) -> std::string {
    osteon_reading* reading = nullptr;
    sdk::ErrorBuffer error;
    const osteon_status status =
        predictor.raw().open(call_.raw(), &predictor.raw(), image_.get(), &asked, &reading, error.out());
    EXPECT_NE(status, OSTEON_OK);
    EXPECT_EQ(reading, nullptr);
    return error.text();
  };
  EXPECT_THAT(message(request(OSTEON_FORM_BITS)), HasSubstr("does not give form"));
  EXPECT_THAT(message(make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL)), HasSubstr("image's grid"));
  osteon_predict_request flagged = request(OSTEON_FORM_LOGITS);
  flagged.flags = OSTEON_PREDICT_REGION;
  EXPECT_THAT(message(flagged), HasSubstr("flag"));
  predictor.raw().close(&predictor.raw(), nullptr);
}

// What decides above a predictor can know by which thresholds the host would.
TEST_F(ReadingTest, ThresholdsAreThoseOfWhoIsBeneath) {
  const plugin::ClassContext context = test::classes(3);
  class Plain final : public Predictor {
   public:
    using Predictor::Predictor;
    std::string name() const override { return "plain"; }
    void predict(const osteon_call*, const std::vector<const osteon_image*>&, const osteon_predict_request&,
                 std::vector<OwnedPrediction>&) const override {}
  };
  const auto inner = std::make_shared<Plain>(context, Gives{}, std::vector<double>{0.4, 0.5, 0.6});
  EXPECT_EQ(sdk::Predictor(&inner->raw()).threshold(2), 0.6);
  const Bridge bits(inner, OSTEON_SET(OSTEON_FORM_BITS), decision(3, false));
  EXPECT_EQ(sdk::Predictor(&bits.raw()).threshold(0), 0.4);
  const Narrowed some(inner, {1, 2});
  EXPECT_EQ(sdk::Predictor(&some.raw()).threshold(1), 0.6);
  EXPECT_EQ(Plain(context, Gives{}).raw().thresholds, nullptr);
}

TEST_F(ReadingTest, NamesWhatIsNotFinite) {
  const test::FunctionPredictor spoilt(test::classes(2), [](auto c, auto y, auto x) {
    return c == 1 && y == 9 && x == 4 ? std::numeric_limits<double>::quiet_NaN() : 0.5;
  });
  try {
    spoilt.open(call_.raw(), *image_.get(), request(OSTEON_FORM_PROBABILITIES));
    FAIL() << "nobody looked";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("class 'c1'"));
    EXPECT_THAT(e.what(), HasSubstr("row 9, column 4"));
  }
}

TEST_F(ReadingTest, CutsARegion) {
  const GridPredictor predictor(test::classes(3));
  const std::vector<float> all = whole(predictor, request(OSTEON_FORM_PROBABILITIES));
  predictor.forwards = 0;
  osteon_predict_request asked = request(OSTEON_FORM_PROBABILITIES);
  asked.flags = OSTEON_PREDICT_REGION;
  const std::int64_t region[] = {5, 3, 7, 11};
  std::copy_n(region, 4, asked.region);
  const sdk::Predictor within(&predictor.raw());
  const auto parts = within.predict(sdk::Call(call_.raw()), {image_.get()}, asked);
  EXPECT_EQ(predictor.forwards, 1);
  ASSERT_EQ(sdk::shape_text(parts[0].view()), "[3, 7, 11]");
  const double expected[] = {1, 0, 3, 0, 1, 5};
  EXPECT_TRUE(std::equal(expected, expected + 6, parts[0].raw().to_image));
  const float* values = sdk::data_of<float>(parts[0].view(), "a region");
  for (std::int64_t k = 0; k < 3; ++k)
    for (std::int64_t y = 0; y < 7; ++y)
      for (std::int64_t x = 0; x < 11; ++x)
        ASSERT_EQ(*values++, all[static_cast<std::size_t>((k * kHeight + y + 5) * kWidth + x + 3)]);

  for (const auto& outside : {std::array<std::int64_t, 4>{17, 0, 7, 2}, {0, -1, 2, 2}, {0, 0, 0, 2}, {0, 10, 2, 8}}) {
    std::copy_n(outside.begin(), 4, asked.region);
    EXPECT_THROW(within.predict(sdk::Call(call_.raw()), {image_.get()}, asked), sdk::Error);
  }
}

/// The mean of what its members say.
class Mean {
 public:
  using Params = sdk::NoParams;
  Mean(const Params&, const sdk::EnsemblerRequest& request)
      : share_(1 / static_cast<float>(request.member_names.size())) {}
  sdk::EnsemblerTraits traits() const { return {}; }
  bool needed(std::int64_t, std::int64_t) const { return true; }
  class Accumulation {
   public:
    Accumulation(float share, sdk::OwnedTensor sum) : share_(share), sum_(std::move(sum)) {
      std::fill_n(sum_.data<float>(), sdk::element_count(sum_.view()), 0.0f);
    }
    void add(const sdk::Call&, std::int64_t, const osteon_tensor_view& prediction) {
      const float* in = sdk::data_of<const float>(prediction, "a member");
      for (std::int64_t i = 0; i < sdk::element_count(sum_.view()); ++i) sum_.data<float>()[i] += share_ * in[i];
    }
    sdk::OwnedTensor finish(const sdk::Call&) { return std::move(sum_); }

   private:
    float share_;
    sdk::OwnedTensor sum_;
  };
  std::unique_ptr<Accumulation> begin(const sdk::Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(
        share_, call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width}));
  }

 private:
  float share_;
};

struct Members {
  Members(int count, int classes) {
    for (int m = 0; m < count; ++m) predictors.push_back(std::make_shared<GridPredictor>(test::classes(classes)));
    // Never destroyed: what it points at lives as long as a library does.
    static auto* const library =
        new sdk::detail::Library("test", "1.0.0", {sdk::ensembler<Mean>({"mean", "1.0.0", "Averages."})});
    std::vector<std::string> names;
    std::vector<Member> members;
    for (const auto& predictor : predictors) {
      names.push_back("m" + std::to_string(names.size()));
      members.push_back(test::member(predictor, predictor->classes()));
    }
    const plugin::Call call;
    ensemble = std::make_unique<Ensemble>(
        std::make_shared<plugin::Ensembler>(
            plugin::component_of(*library->get(OSTEON_ABI_VERSION), plugin::Kind::kEnsembler, "mean"),
            plugin::Parameters{}, test::classes(classes), names, call),
        std::move(members), test::classes(classes));
  }
  std::vector<std::shared_ptr<GridPredictor>> predictors;
  std::unique_ptr<Ensemble> ensemble;
};

TEST_F(ReadingTest, RunsEachMemberOfAnEnsembleOnce) {
  const Members members(3, 11);
  expect_same(*members.ensemble, OSTEON_FORM_PROBABILITIES);
  for (const auto& predictor : members.predictors) predictor->forwards = 0;
  in_bands(*members.ensemble, request(OSTEON_FORM_PROBABILITIES), 5);
  for (const auto& predictor : members.predictors) EXPECT_EQ(predictor->forwards, 1);
}

TEST_F(ReadingTest, MasksAreTheSameWithProbabilitiesAndWithout) {
  const data::Image grey{cv::Mat(kHeight, kWidth, CV_8U, cv::Scalar(90)), 255};
  for (const bool multiclass : {false, true}) {
    const auto small = std::make_shared<GridPredictor>(test::classes(5, multiclass));
    const test::FunctionPredictor large(test::classes(5, multiclass),
                                        [](auto c, auto y, auto x) { return grid_logit(c, y, x) / 4 + 0.5; });
    for (const Predictor* predictor :
         {static_cast<const Predictor*>(small.get()), static_cast<const Predictor*>(&large)}) {
      const Decision decide = decision(5, multiclass);
      const data::Labels alone = predict_labels(call_.raw(), *predictor, grey, "image", decide);
      small->forwards = 0;
      const std::vector<float> expected = whole(*predictor, request(OSTEON_FORM_PROBABILITIES));
      small->forwards = 0;
      std::vector<float> told(expected.size());
      std::int64_t next = 0;
      const data::Labels both = predict_labels(
          call_.raw(), *predictor, grey, "image", decide, [&](const osteon_tensor_view& band, std::int64_t first) {
            EXPECT_EQ(first, next);
            next += band.shape[1];
            for (std::int64_t k = 0; k < 5; ++k)
              std::copy_n(sdk::data_of<const float>(band, "a band") + k * band.shape[1] * kWidth,
                          band.shape[1] * kWidth, told.data() + (k * kHeight + first) * kWidth);
          });
      EXPECT_EQ(next, kHeight);
      EXPECT_LE(small->forwards, 1);
      for (std::size_t p = 0; p < alone.planes().size(); ++p)
        EXPECT_EQ(cv::countNonZero(alone.planes()[p] != both.planes()[p]), 0);
      if (predictor == small.get()) {
        EXPECT_TRUE(same(told, expected));
      }
    }
  }
}

}  // namespace
}  // namespace osteon::predict
