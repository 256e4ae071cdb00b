// SPDX-License-Identifier: Apache-2.0
#include "predict/resample.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <osteon/sdk/half.hpp>

#include "predict/grid.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

class ResampleTest : public ::testing::TestWithParam<int> {
 protected:
  ResampleTest() {
    plugin::CallOptions options;
    options.threads = GetParam();
    call_ = std::make_unique<plugin::Call>(options);
  }
  const osteon_call* call() const { return call_->raw(); }

  OwnedPrediction logits(std::int64_t classes, std::int64_t height, std::int64_t width) const {
    OwnedPrediction prediction;
    test::fill(
        call(), OSTEON_FORM_LOGITS, classes, height, width,
        [](std::int64_t c, std::int64_t y, std::int64_t x) {
          return 4 * std::sin(0.7 * static_cast<double>(3 * c + 5 * y) + static_cast<double>(x * x));
        },
        prediction);
    return prediction;
  }
  static void cover(OwnedPrediction& prediction, std::int64_t height, std::int64_t width, bool align_corners) {
    const AxisMap x = covering(prediction.view().shape[2], width, align_corners),
                  y = covering(prediction.view().shape[1], height, align_corners);
    double* m = prediction.raw().to_image;
    m[0] = x.scale, m[1] = 0, m[2] = x.offset, m[3] = 0, m[4] = y.scale, m[5] = y.offset;
  }
  static std::vector<float> values(const OwnedPrediction& prediction) {
    const float* data = sdk::data_of<const float>(prediction.view(), "values");
    return {data, data + sdk::element_count(prediction.view())};
  }
  std::unique_ptr<plugin::Call> call_;
};

TEST_P(ResampleTest, ResizesLogitsAsPyTorchDoes) {
  const test::FunctionPredictor of(test::classes(3), {});
  for (const bool align_corners : {false, true})
    for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{150, 70}, {9, 13}, {3, 40}}) {
      OwnedPrediction prediction = logits(3, 9, 14);
      const std::vector<float> in = values(prediction);
      cover(prediction, height, width, align_corners);
      convert(call(), of.raw(), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE), height, width, prediction.raw());
      ASSERT_EQ(sdk::shape_text(prediction.view()),
                "[3, " + std::to_string(height) + ", " + std::to_string(width) + "]");
      const std::vector<float> out = values(prediction);
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = 0; y < height; ++y)
          for (std::int64_t x = 0; x < width; ++x)
            ASSERT_NEAR(out[static_cast<std::size_t>((c * height + y) * width + x)],
                        test::torch_bilinear(in.data() + c * 9 * 14, 9, 14, height, width, y, x, align_corners), 2e-5);
      EXPECT_EQ(grid_map(prediction.raw()).scale_x, 1);
      EXPECT_EQ(grid_map(prediction.raw()).offset_y, 0);
    }
}

TEST_P(ResampleTest, MovesAGridOfTheImagesSizeThatLiesElsewhere) {
  const test::FunctionPredictor of(test::classes(1), {});
  OwnedPrediction prediction = logits(1, 4, 6);
  const std::vector<float> in = values(prediction);
  prediction.raw().to_image[2] = 1;  // one pixel to the right
  convert(call(), of.raw(), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE), 4, 6, prediction.raw());
  const std::vector<float> out = values(prediction);
  for (std::size_t y = 0; y < 4; ++y)
    for (std::size_t x = 0; x < 6; ++x) EXPECT_EQ(out[y * 6 + x], in[y * 6 + (x == 0 ? 0 : x - 1)]);
}

TEST_P(ResampleTest, TurnsLogitsIntoSigmoids) {
  const test::FunctionPredictor of(test::classes(2), {});
  OwnedPrediction prediction = logits(2, 80, 90);
  const std::vector<float> in = values(prediction);
  convert(call(), of.raw(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_MODEL), 160, 180, prediction.raw());
  EXPECT_EQ(prediction.raw().form, std::uint32_t{OSTEON_FORM_PROBABILITIES});
  const std::vector<float> out = values(prediction);
  ASSERT_EQ(out.size(), in.size());
  for (std::size_t i = 0; i < in.size(); ++i)
    ASSERT_NEAR(out[i], 1 / (1 + std::exp(-static_cast<double>(in[i]))), 1e-6);
}

TEST_P(ResampleTest, TurnsLogitsIntoASoftmaxAfterTheResize) {
  const test::FunctionPredictor of(test::classes(4, true), {});
  OwnedPrediction prediction = logits(4, 7, 8);
  const std::vector<float> in = values(prediction);
  cover(prediction, 63, 80, false);
  convert(call(), of.raw(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE), 63, 80, prediction.raw());
  const std::vector<float> out = values(prediction);
  for (std::int64_t y = 0; y < 63; ++y)
    for (std::int64_t x = 0; x < 80; ++x) {
      double logit[4], sum = 0;
      for (int c = 0; c < 4; ++c)
        sum += std::exp(logit[c] = test::torch_bilinear(in.data() + c * 56, 7, 8, 63, 80, y, x, false));
      for (int c = 0; c < 4; ++c)
        ASSERT_NEAR(out[static_cast<std::size_t>((c * 63 + y) * 80 + x)], std::exp(logit[c]) / sum, 1e-5);
    }
}

TEST_P(ResampleTest, RefusesWhatCannotBe) {
  const test::FunctionPredictor multilabel(test::classes(3), {}), multiclass(test::classes(3, true), {});
  const auto refused = [&](const Predictor& of, std::uint32_t from, std::uint32_t to, std::int64_t classes) {
    OwnedPrediction prediction = logits(classes, 4, 4);
    prediction.raw().form = from;
    const std::vector<float> before = values(prediction);
    EXPECT_THROW(convert(call(), of.raw(), make_request(to, OSTEON_GRID_MODEL), 4, 4, prediction.raw()),
                 sdk::Unsupported);
    EXPECT_EQ(values(prediction), before);
    EXPECT_EQ(prediction.raw().form, from);
  };
  refused(multilabel, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_LOGITS, 3);
  refused(multilabel, OSTEON_FORM_BITS, OSTEON_FORM_PROBABILITIES, 3);
  refused(multilabel, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_BITS, 3);
  refused(multiclass, OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES, 2);
}

TEST_P(ResampleTest, LeavesAPredictionAsItWasWhenItFails) {
  // The softmax of some of the classes cannot be made; the resize before it could.
  const test::FunctionPredictor of(test::classes(3, true), {});
  OwnedPrediction prediction = logits(2, 4, 4);
  cover(prediction, 8, 8, false);
  const std::vector<float> before = values(prediction);
  EXPECT_THROW(
      convert(call(), of.raw(), make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE), 8, 8, prediction.raw()),
      sdk::Unsupported);
  EXPECT_EQ(values(prediction), before);
}

/// The same values in half precision, which is exact for quarters.
OwnedPrediction in_half(const osteon_call* call, const OwnedPrediction& prediction, bool bfloat) {
  const osteon_tensor_view& view = prediction.view();
  const osteon_dtype type = {static_cast<std::uint8_t>(bfloat ? OSTEON_DTYPE_BFLOAT : OSTEON_DTYPE_FLOAT), 16, 1};
  sdk::OwnedTensor values = sdk::Call(call).allocate(type, {view.shape, view.shape + 3});
  auto* out = static_cast<std::uint16_t*>(values.view().data);
  for (std::int64_t i = 0; i < sdk::element_count(view); ++i)
    out[i] = bfloat ? sdk::bfloat_from_float(prediction.data()[i]) : sdk::half_from_float(prediction.data()[i]);
  OwnedPrediction half;
  half.raw().form = prediction.raw().form;
  std::copy_n(prediction.raw().to_image, 6, half.raw().to_image);
  values.move_to(&half.raw().values);
  return half;
}

// Whatever is asked, it comes out as if the same values had been float32.
TEST_P(ResampleTest, TakesHalfPrecision) {
  const test::FunctionPredictor of(test::classes(3), {});
  OwnedPrediction whole = logits(3, 9, 14);
  for (std::int64_t i = 0; i < sdk::element_count(whole.view()); ++i)
    whole.data()[i] = std::round(whole.data()[i] * 4) / 4;
  cover(whole, 31, 20, false);
  for (const bool bfloat : {false, true})
    for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES})
      for (const std::uint32_t grid : {OSTEON_GRID_MODEL, OSTEON_GRID_IMAGE}) {
        OwnedPrediction half = in_half(call(), whole, bfloat), expected;
        test::fill(
            call(), OSTEON_FORM_LOGITS, 3, 9, 14,
            [&](std::int64_t c, std::int64_t y, std::int64_t x) {
              return static_cast<double>(whole.data()[(c * 9 + y) * 14 + x]);
            },
            expected);
        std::copy_n(whole.raw().to_image, 6, expected.raw().to_image);
        osteon_predict_request request = make_request(form, grid);
        convert(call(), of.raw(), request, 31, 20, expected.raw());
        convert(call(), of.raw(), request, 31, 20, half.raw());
        EXPECT_EQ(values(half), values(expected)) << bfloat << form << grid;
      }
  // Left as it is for who takes it.
  OwnedPrediction half = in_half(call(), whole, true);
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  request.elements = OSTEON_SET(OSTEON_ELEMENT_BFLOAT16);
  const void* before = half.view().data;
  convert(call(), of.raw(), request, 31, 20, half.raw());
  EXPECT_EQ(half.view().data, before);
}

TEST_P(ResampleTest, GivesSomeRowsOfSomePlanes) {
  OwnedPrediction prediction = logits(4, 9, 14);
  const std::vector<float> in = values(prediction);
  cover(prediction, 100, 40, true);
  std::vector<float> out(3 * 70 * 40, -1.0f);
  resample_rows(call(), prediction.raw(), {3, -1, 1}, {20, 70}, 100, 40, out.data());
  for (std::int64_t k = 0; k < 3; ++k)
    for (std::int64_t y = 0; y < 70; ++y)
      for (std::int64_t x = 0; x < 40; ++x) {
        const std::int64_t plane = k == 0 ? 3 : 1;
        const double expected =
            k == 1 ? 0 : test::torch_bilinear(in.data() + plane * 9 * 14, 9, 14, 100, 40, y + 20, x, true);
        ASSERT_NEAR(out[static_cast<std::size_t>((k * 70 + y) * 40 + x)], expected, 2e-5) << k << " " << y << " " << x;
      }
}

TEST_P(ResampleTest, RefusesAPlaceThatIsNotFinite) {
  const test::FunctionPredictor of(test::classes(1), {});
  OwnedPrediction prediction = logits(1, 4, 4);
  prediction.raw().to_image[2] = std::nan("");
  EXPECT_THROW(convert(call(), of.raw(), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE), 8, 8, prediction.raw()),
               sdk::InvalidArgument);
}

TEST_P(ResampleTest, RefusesATurnedGrid) {
  OwnedPrediction prediction = logits(1, 4, 4);
  prediction.raw().to_image[0] = -1;
  EXPECT_THROW(grid_map(prediction.raw()), sdk::Unsupported);
  prediction.raw().to_image[0] = 1;
  prediction.raw().to_image[1] = 0.1;
  EXPECT_THROW(grid_map(prediction.raw()), sdk::Unsupported);
}

TEST_P(ResampleTest, TakesSomeClasses) {
  OwnedPrediction prediction = logits(5, 3, 4);
  const std::vector<float> in = values(prediction);
  const std::int32_t wanted[] = {1, 4};
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  request.n_classes = 2;
  request.classes = wanted;
  select_classes(call(), request, prediction.raw());
  std::vector<float> expected(in.begin() + 12, in.begin() + 24);
  expected.insert(expected.end(), in.begin() + 48, in.begin() + 60);
  EXPECT_EQ(values(prediction), expected);
  const std::int32_t beyond[] = {2};
  request.n_classes = 1;
  request.classes = beyond;
  EXPECT_THROW(select_classes(call(), request, prediction.raw()), sdk::InvalidArgument);
}

TEST_P(ResampleTest, IsAServiceOfTheHost) {
  install_resample_service();
  const test::FunctionPredictor of(test::classes(1), {});
  OwnedPrediction prediction = logits(1, 4, 4);
  cover(prediction, 8, 8, false);
  const auto& service = sdk::Call(call()).service<osteon_resample_service>(OSTEON_SERVICE_RESAMPLE);
  auto error = sdk::sized<osteon_error>();
  const osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
  EXPECT_EQ(service.convert(call(), &of.raw(), &request, 8, 8, &prediction.raw(), &error), osteon_status{OSTEON_OK});
  EXPECT_EQ(sdk::shape_text(prediction.view()), "[1, 8, 8]");
  osteon_predict_request newer = request;
  newer.flags = 1u << 9;
  EXPECT_EQ(service.convert(call(), &of.raw(), &newer, 8, 8, &prediction.raw(), nullptr),
            osteon_status{OSTEON_UNSUPPORTED});
  const osteon_predict_request back = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
  EXPECT_EQ(service.convert(call(), &of.raw(), &back, 8, 8, &prediction.raw(), &error),
            osteon_status{OSTEON_UNSUPPORTED});
}
INSTANTIATE_TEST_SUITE_P(Threads, ResampleTest, ::testing::Values(1, 3));

}  // namespace
}  // namespace osteon::predict
