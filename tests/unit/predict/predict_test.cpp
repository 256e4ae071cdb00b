// SPDX-License-Identifier: Apache-2.0
#include "predict/predict.hpp"

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "plugin/call.hpp"
#include "predict/resample.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

/// Gives one form on one grid, notes what it was asked, and predicts class 0 in the left half, class 1 above the
/// middle.
class Recording final : public Predictor {
 public:
  explicit Recording(const Gives& gives) : Predictor(test::classes(2), gives) {}
  std::string name() const override { return "the recording"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
    asked_form = request.form;
    asked_grid = request.grid;
    const std::int64_t height = images[0]->pixels.shape[0], width = images[0]->pixels.shape[1];
    const auto inside = [=](std::int64_t c, std::int64_t y, std::int64_t x) {
      return c == 0 ? x < width / 2 : y < height / 2;
    };
    if (request.form != OSTEON_FORM_BITS) {
      const bool logits = request.form == OSTEON_FORM_LOGITS;
      const double low = logits ? -4 : 0.1, high = logits ? 4 : 0.9;
      test::fill(
          call, request.form, 2, height, width,
          [&](std::int64_t c, std::int64_t y, std::int64_t x) { return inside(c, y, x) ? high : low; }, predictions[0]);
      return;
    }
    sdk::OwnedTensor bits = sdk::Call(call).allocate<std::int32_t>({1, height, width});
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x)
        bits.data<std::int32_t>()[y * width + x] = (inside(0, y, x) ? 1 : 0) | (inside(1, y, x) ? 2 : 0);
    predictions[0].raw().form = OSTEON_FORM_BITS;
    predictions[0].raw().to_image[0] = predictions[0].raw().to_image[4] = 1;
    bits.move_to(&predictions[0].raw().values);
  }
  mutable std::uint32_t asked_form = 0, asked_grid = 0;
};

data::Image grey(int height, int width) {
  data::Image image;
  image.pixels = cv::Mat(height, width, CV_8UC1, cv::Scalar(99));
  return image;
}

class PredictLabels : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { install_resample_service(); }
  data::Labels labels(const Recording& recording, const Decision& decision = {false, {0.5, 0.5}}) {
    return predict_labels(call_.raw(), recording, grey(20, 30), "an image", decision);
  }
  plugin::Call call_;
};

/// Notices that it is to stop, as the host's own predictors do between images.
class Stopping final : public Predictor {
 public:
  Stopping() : Predictor(test::classes(2), {OSTEON_SET(OSTEON_FORM_PROBABILITIES), OSTEON_SET(OSTEON_GRID_IMAGE)}) {}
  std::string name() const override { return "the stopping one"; }
  void predict(const osteon_call*, const std::vector<const osteon_image*>&, const osteon_predict_request&,
               std::vector<OwnedPrediction>&) const override {
    throw sdk::Cancelled();
  }
};

// And are no fault of the program.
TEST_F(PredictLabels, AreInterruptedWhereARequestStopsInside) {
  const Stopping stopping;
  EXPECT_THROW(predict_labels(call_.raw(), stopping, grey(20, 30), "an image", {false, {0.5, 0.5}}), Interrupted);
  EXPECT_THROW(predict_probabilities(call_.raw(), stopping, grey(20, 30), "an image"), Interrupted);
}

TEST_F(PredictLabels, DecideTheSameWhateverFormThePredictorGives) {
  for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_BITS}) {
    const Recording recording({OSTEON_SET(form), OSTEON_SET(OSTEON_GRID_IMAGE)});
    const data::Labels decided = labels(recording);
    EXPECT_EQ(recording.asked_form, form);
    const cv::Mat left = decided.mask(0), upper = decided.mask(1);
    for (int y = 0; y < 20; ++y)
      for (int x = 0; x < 30; ++x) {
        ASSERT_EQ(left.at<std::uint8_t>(y, x) != 0, x < 15) << form;
        ASSERT_EQ(upper.at<std::uint8_t>(y, x) != 0, y < 10) << form;
      }
  }
}

TEST_F(PredictLabels, AskForTheCheapestThatThereIs) {
  const Recording any({});
  labels(any);
  EXPECT_EQ(any.asked_form, OSTEON_FORM_LOGITS);
  EXPECT_EQ(any.asked_grid, OSTEON_GRID_MODEL);
  const Recording image(
      {OSTEON_SET(OSTEON_FORM_PROBABILITIES) | OSTEON_SET(OSTEON_FORM_BITS), OSTEON_SET(OSTEON_GRID_IMAGE)});
  labels(image);
  EXPECT_EQ(image.asked_form, OSTEON_FORM_PROBABILITIES);
  EXPECT_EQ(image.asked_grid, OSTEON_GRID_IMAGE);
}

TEST_F(PredictLabels, RefuseProbabilitiesOfWhatGivesBitsAlone) {
  const Recording bits({OSTEON_SET(OSTEON_FORM_BITS), OSTEON_SET(OSTEON_GRID_IMAGE)});
  try {
    predict_probabilities(call_.raw(), bits, grey(4, 4), "an image");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("the recording"), std::string::npos);
  }
}

// What a post-processor asks of what lies beneath it is held against what that gives, whatever its own layer let
// through.
TEST(RequestOfAPlugin, IsRefusedWithASentenceWhereItIsNone) {
  const plugin::Call call;
  const test::FunctionPredictor predictor(test::classes(3),
                                          [](std::int64_t, std::int64_t, std::int64_t) { return 0.5; });
  const cv::Mat pixels(3, 4, CV_32FC1, cv::Scalar(0.5));
  const RootImage root(pixels, "an image");
  const osteon_image* images[] = {root.get()};
  const auto refusal = [&](const std::function<void(osteon_predict_request&)>& spoil) {
    osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    spoil(request);
    OwnedPrediction prediction;
    osteon_prediction* predictions[] = {&prediction.raw()};
    sdk::ErrorBuffer error;
    const osteon_status status =
        predictor.raw().predict(call.raw(), &predictor.raw(), 1, images, &request, predictions, error.out());
    return std::to_string(status) + ": " + error.text();
  };
  const std::string invalid = std::to_string(OSTEON_INVALID_ARGUMENT), unsupported = std::to_string(OSTEON_UNSUPPORTED);
  static const std::int32_t kFalling[] = {2, 1}, kTwice[] = {1, 1}, kBeyond[] = {0, 3}, kBelow[] = {-1, 0};
  EXPECT_EQ(refusal([](osteon_predict_request&) {}), "0: ");
  for (const std::int32_t* classes : {kFalling, kTwice, kBeyond, kBelow})
    EXPECT_EQ(refusal([&](osteon_predict_request& request) {
                request.n_classes = 2;
                request.classes = classes;
              }),
              invalid + ": a request's classes do not rise, or are not among the 3 that there are");
  EXPECT_EQ(refusal([](osteon_predict_request& request) { request.n_classes = 2; }),
            invalid + ": a request's classes are NULL");
  EXPECT_EQ(refusal([](osteon_predict_request& request) { request.form = OSTEON_FORM_BITS; }),
            unsupported + ": the test's predictor does not give form 3 on grid 2");
  EXPECT_EQ(refusal([](osteon_predict_request& request) { request.grid = OSTEON_GRID_MODEL; }),
            unsupported + ": the test's predictor does not give form 2 on grid 1");
  EXPECT_EQ(refusal([](osteon_predict_request& request) { request.form = 40; }),
            unsupported + ": a request for form 40 on grid 2 at scale 1 is for something unknown");
  EXPECT_EQ(refusal([](osteon_predict_request& request) { request.flags = 1u << 7; }).substr(0, 3), unsupported + ": ");
  EXPECT_EQ(refusal([](osteon_predict_request& request) { request.struct_size = 8; }).substr(0, 3), invalid + ": ");
}

TEST(DecisionOf, TakesAClassesOwnThresholdOverTheCommonOne) {
  recipe::Recipe recipe;
  recipe.data.kind = "multilabel";
  recipe.data.classes = {"a", "b"};
  recipe.predict.threshold = 0.4;
  recipe.predict.thresholds = {{"b", 0.7}};
  EXPECT_EQ(decision_of(recipe).thresholds, (std::vector<double>{0.4, 0.7}));
  EXPECT_FALSE(decision_of(recipe).multiclass);
}

/// Fails as a component or as an image may.
class Failing final : public Predictor {
 public:
  explicit Failing(ExitCode code) : Predictor(test::classes(2), Gives()), code_(code) {}
  std::string name() const override { return "the failing"; }
  void predict(const osteon_call*, const std::vector<const osteon_image*>& images, const osteon_predict_request&,
               std::vector<OwnedPrediction>&) const override {
    EXPECT_EQ(images[0]->digest, nullptr) << "what is made of it could be kept";
    if (code_ == ExitCode::kDone) throw sdk::BadInput("too small");
    throw Error(code_, "the failing: does not fit");
  }

 private:
  ExitCode code_;
};

TEST(TryOut, ThrowsWhatIsWrongWithThePredictorAndNotWithTheImage) {
  const plugin::Call call;
  const Decision decision{false, {0.5, 0.5}};
  for (const int channels : {1, 3}) {
    EXPECT_NO_THROW(try_out(call.raw(), Recording(Gives()), channels, decision));
    EXPECT_NO_THROW(try_out(call.raw(), Failing(ExitCode::kData), channels, decision));
    EXPECT_NO_THROW(try_out(call.raw(), Failing(ExitCode::kDone), channels, decision));
    for (const ExitCode code : {ExitCode::kUsage, ExitCode::kPlugin}) try {
        try_out(call.raw(), Failing(code), channels, decision);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), code);
      }
  }
}

}  // namespace
}  // namespace osteon::predict
