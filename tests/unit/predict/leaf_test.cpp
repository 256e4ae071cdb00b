// SPDX-License-Identifier: Apache-2.0
#include "predict/leaf.hpp"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>
#include <osteon/sdk/half.hpp>

#include "base/error.hpp"
#include "leaf_fixture.hpp"
#include "predict/member.hpp"
#include "predict/predict.hpp"

namespace osteon::predict {
namespace {

using ::testing::HasSubstr;

TEST_F(LeafTest, ResizesNormalisesAndPadsWhatTheModelSees) {
  probe.channels = recipe_.data.channels = 3;
  probe.multiple = 16;
  recipe_.data.mean = {0.1, 0.2, 0.3};
  recipe_.data.std = {0.5, 1, 2};
  const cv::Mat image = pixels(20, 26);
  predict(leaf(), image, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL));
  ASSERT_EQ(probe.shapes, (std::vector<std::vector<std::int64_t>>{{1, 3, 32, 48}}));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 48; ++x) {
        const int from = x < 40 ? x : 78 - x;  // mirrored, without the last column again
        const double grey = test::torch_bilinear(image.ptr<float>(), 20, 26, 32, 40, y, from, false);
        const auto k = static_cast<std::size_t>(c);
        ASSERT_NEAR(probe.last[static_cast<std::size_t>((c * 32 + y) * 48 + x)],
                    (grey - recipe_.data.mean[k]) / recipe_.data.std[k], 1e-4);
      }
}

TEST_F(LeafTest, SeesTheSmallestSizeForAsLongAsATrialLasts) {
  probe.multiple = 16;
  recipe_.data.image_size = {96, 112};
  const auto trial = std::make_shared<std::atomic<bool>>(true);
  LeafOptions options;
  options.trial = trial;
  const plugin::ClassContext classes = test::classes(2);
  const Leaf leaf(probe_model(classes), recipe_, classes, options);
  predict(leaf, pixels(70, 50), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
  *trial = false;
  predict(leaf, pixels(70, 50), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
  EXPECT_EQ(probe.shapes, (std::vector<std::vector<std::int64_t>>{{1, 1, 32, 32}, {1, 1, 96, 112}}));
  EXPECT_EQ(smallest_size(32, {512, 64}), cv::Size(64, 64));
  EXPECT_EQ(smallest_size(64, {512, 64}), cv::Size(64, 128));
  EXPECT_EQ(smallest_size(1, {8, 512}), cv::Size(32, 8));
  EXPECT_EQ(smallest_size(24, {512, 512}), cv::Size(48, 48));
}

TEST_F(LeafTest, MakesColourGreyForAModelOfOneChannel) {
  const cv::Mat image = pixels(32, 40, 3);
  predict(leaf(), image, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL));
  const cv::Vec3f first = image.at<cv::Vec3f>(0, 0);
  EXPECT_NEAR(probe.last[0], 0.299 * first[0] + 0.587 * first[1] + 0.114 * first[2], 1e-5);
}

TEST_F(LeafTest, SeesTilesAsTheyAre) {
  probe.multiple = 16;
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
  request.scale = OSTEON_SCALE_NATIVE;
  const cv::Mat image = pixels(5, 30);  // less than its padding
  const OwnedPrediction prediction = predict(leaf(), image, request);
  ASSERT_EQ(probe.shapes, (std::vector<std::vector<std::int64_t>>{{1, 1, 16, 32}}));
  EXPECT_EQ(probe.last[0], image.at<float>(0, 0));
  EXPECT_EQ(probe.last[15 * 32 + 31], image.at<float>(4, 29));
  ASSERT_EQ(sdk::shape_text(prediction.view()), "[2, 5, 30]");
  const float* out = static_cast<const float*>(prediction.view().data);
  for (std::int64_t c = 0; c < 2; ++c)
    for (std::int64_t y = 0; y < 5; ++y)
      for (std::int64_t x = 0; x < 30; ++x) ASSERT_EQ(out[(c * 5 + y) * 30 + x], logit(c, y, x));
}

TEST_F(LeafTest, PutsLogitsWhereTheyLieInTheImage) {
  probe.stride = 4;
  probe.multiple = 16;
  for (const bool align_corners : {false, true}) {
    probe.align_corners = align_corners;
    const OwnedPrediction grid = predict(leaf(), pixels(70, 50), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL));
    ASSERT_EQ(sdk::shape_text(grid.view()), "[2, 8, 10]");  // 48 / 4 columns, two of padding
    const OwnedPrediction prediction =
        predict(leaf(), pixels(70, 50), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
    ASSERT_EQ(sdk::shape_text(prediction.view()), "[2, 70, 50]");
    const float* out = static_cast<const float*>(prediction.view().data);
    // From the image to the view, from the view to the grid of the padded input.
    const auto place = [&](int i, double image, double view, double padded, double logits, double kept) {
      const double in_view = (i + 0.5) * view / image - 0.5;
      const double at = align_corners ? in_view * (logits - 1) / (padded - 1) : (in_view + 0.5) * logits / padded - 0.5;
      return std::min(std::max(at, 0.0), kept - 1);
    };
    for (int c = 0; c < 2; ++c)
      for (int y = 0; y < 70; ++y)
        for (int x = 0; x < 50; ++x) {
          const double gy = place(y, 70, 32, 32, 8, 8), gx = place(x, 50, 40, 48, 12, 10);
          const int y0 = static_cast<int>(gy), x0 = static_cast<int>(gx), y1 = std::min(y0 + 1, 7),
                    x1 = std::min(x0 + 1, 9);
          const double expected = (logit(c, y0, x0) * (1 - gx + x0) + logit(c, y0, x1) * (gx - x0)) * (1 - gy + y0) +
                                  (logit(c, y1, x0) * (1 - gx + x0) + logit(c, y1, x1) * (gx - x0)) * (gy - y0);
          ASSERT_NEAR(out[(c * 70 + y) * 50 + x], expected, 2e-5) << align_corners << " " << y << " " << x;
        }
  }
}

TEST_F(LeafTest, BatchesImagesOfOneSizeAndKeepsTheirOrder) {
  recipe_.predict.batch_size = 2;
  const Leaf leaf = this->leaf();
  std::vector<cv::Mat> images;
  std::vector<std::unique_ptr<RootImage>> roots;
  std::vector<const osteon_image*> raw;
  for (const int height : {9, 9, 9, 12, 9}) {
    images.push_back(pixels(height, 10));
    roots.push_back(std::make_unique<RootImage>(images.back(), "image"));
    raw.push_back(roots.back()->get());
  }
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  std::vector<OwnedPrediction> predictions(5);
  leaf.predict(call_.raw(), raw, request, predictions);  // all become 32 x 40
  EXPECT_EQ(probe.shapes.size(), 3u);
  probe.shapes.clear();
  request.scale = OSTEON_SCALE_NATIVE;
  std::vector<OwnedPrediction> tiles(5);
  leaf.predict(call_.raw(), raw, request, tiles);
  // All of one size together, wherever they stand.
  EXPECT_EQ(probe.shapes, (std::vector<std::vector<std::int64_t>>{{2, 1, 9, 10}, {2, 1, 9, 10}, {1, 1, 12, 10}}));
  EXPECT_EQ(tiles[3].view().shape[1], 12);
  EXPECT_EQ(tiles[4].view().shape[1], 9);
}

TEST_F(LeafTest, HandsLogitsOnWithoutACopyWhereNothingIsCutAway) {
  const auto request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  const OwnedPrediction whole = predict(leaf(), pixels(32, 40), request);
  EXPECT_EQ(whole.raw().values.view.data, probe.logits);
  EXPECT_EQ(sdk::shape_text(whole.raw().values.view), "[2, 32, 40]");
  EXPECT_TRUE(sdk::is_contiguous(whole.raw().values.view));
  EXPECT_EQ(static_cast<const float*>(whole.raw().values.view.data)[(32 + 7) * 40 + 3], logit(1, 7, 3));
  probe.multiple = 64;
  const OwnedPrediction cut = predict(leaf(), pixels(32, 40), request);
  EXPECT_NE(cut.raw().values.view.data, probe.logits);
  EXPECT_EQ(sdk::shape_text(cut.raw().values.view), "[2, 32, 40]");
  EXPECT_EQ(static_cast<const float*>(cut.raw().values.view.data)[(32 + 7) * 40 + 3], logit(1, 7, 3));
}

TEST_F(LeafTest, GivesTheClassesThatAreWantedAsProbabilities) {
  probe.classes = 4;
  const std::int32_t wanted[] = {1, 3};
  osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_MODEL);
  request.n_classes = 2;
  request.classes = wanted;
  for (const bool multiclass : {false, true}) {
    const OwnedPrediction prediction = predict(leaf(multiclass), pixels(32, 40), request);
    ASSERT_EQ(sdk::shape_text(prediction.view()), "[2, 32, 40]");
    EXPECT_EQ(prediction.raw().form, std::uint32_t{OSTEON_FORM_PROBABILITIES});
    const float* out = static_cast<const float*>(prediction.view().data);
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 40; ++x) {
        double sum = 0;
        for (int c = 0; c < 4; ++c) sum += std::exp(logit(c, y, x));
        for (int k = 0; k < 2; ++k) {
          const double value = std::exp(logit(wanted[k], y, x));
          ASSERT_NEAR(out[(k * 32 + y) * 40 + x], multiclass ? value / sum : value / (1 + value), 2e-6);
        }
      }
  }
}

TEST_F(LeafTest, ReadsLogitsOfHalfPrecision) {
  probe.bfloat = true;
  const OwnedPrediction prediction =
      predict(leaf(), pixels(32, 40), make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL));
  const float* out = sdk::data_of<float>(prediction.view(), "logits");
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 40; ++x) ASSERT_EQ(out[y * 40 + x], logit(0, y, x));
}

// A copy is saved for who can work with half precision; everybody else gets float32.
TEST_F(LeafTest, GivesHalfPrecisionAsItIsToWhoTakesIt) {
  probe.bfloat = true;
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  request.elements = OSTEON_SET(OSTEON_ELEMENT_BFLOAT16);
  const OwnedPrediction whole = predict(leaf(), pixels(32, 40), request);
  EXPECT_EQ(sdk::to_string(whole.view().dtype), "bfloat16");
  EXPECT_EQ(whole.view().data, probe.logits);
  EXPECT_THROW(whole.data(), sdk::Error);
  request.elements = OSTEON_SET(OSTEON_ELEMENT_FLOAT16);
  EXPECT_EQ(sdk::to_string(predict(leaf(), pixels(32, 40), request).view().dtype), "float32") << "another half";
  probe.multiple = 64;
  request.elements = OSTEON_SET(OSTEON_ELEMENT_FLOAT16) | OSTEON_SET(OSTEON_ELEMENT_BFLOAT16);
  const std::int32_t second[] = {1};
  request.n_classes = 1;
  request.classes = second;
  const OwnedPrediction cut = predict(leaf(), pixels(32, 40), request);
  ASSERT_EQ(sdk::shape_text(cut.view()), "[1, 32, 40]");
  ASSERT_EQ(sdk::to_string(cut.view().dtype), "bfloat16");
  const auto* out = static_cast<const std::uint16_t*>(cut.view().data);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 40; ++x) ASSERT_EQ(sdk::float_from_bfloat(out[y * 40 + x]), logit(1, y, x));
  request.grid = OSTEON_GRID_IMAGE;
  EXPECT_EQ(sdk::to_string(predict(leaf(), pixels(70, 50), request).view().dtype), "float32") << "it was resized";
}

TEST_F(LeafTest, RefusesImagesThatAreNotFiniteOrEmptyAndPredictsTheOthers) {
  recipe_.predict.batch_size = 8;
  std::vector<cv::Mat> images(5);
  for (cv::Mat& image : images) image = pixels(9, 11);
  images[1].at<float>(3, 7) = std::nanf("");
  images[2].at<float>(8, 10) = std::numeric_limits<float>::infinity();
  images[3] = cv::Mat(0, 11, CV_32F);
  std::vector<std::unique_ptr<RootImage>> roots;
  std::vector<const osteon_image*> raw;
  for (std::size_t i = 0; i < images.size(); ++i) {
    roots.push_back(std::make_unique<RootImage>(images[i], "image " + std::to_string(i)));
    raw.push_back(roots.back()->get());
  }
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
  std::vector<OwnedPrediction> none(5);
  EXPECT_THROW(leaf().predict(call_.raw(), raw, request, none), sdk::BadInput);
  EXPECT_TRUE(probe.shapes.empty()) << "nothing is run for a call that fails";
  request.flags = OSTEON_PREDICT_EACH;
  std::vector<OwnedPrediction> each(5);
  leaf().predict(call_.raw(), raw, request, each);
  EXPECT_EQ(probe.shapes, (std::vector<std::vector<std::int64_t>>{{2, 1, 32, 40}}));
  EXPECT_EQ(each[1].refusal(), "image 'image 1' has a value that is not finite in row 3, column 7");
  EXPECT_EQ(each[2].refusal(), "image 'image 2' has a value that is not finite in row 8, column 10");
  EXPECT_EQ(each[3].refusal(), "image 'image 3' has no pixels");
  for (const std::size_t good : {0, 4}) {
    ASSERT_FALSE(each[good].refused());
    EXPECT_EQ(sdk::shape_text(each[good].view()), "[2, 9, 11]");
  }

  // The same through the ABI, where each image's text has a place of its own.
  const Leaf kept = leaf();
  const std::vector<sdk::Prediction> asked =
      sdk::Predictor(&kept.raw())
          .predict_each(sdk::Call(call_.raw()), raw, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
  EXPECT_EQ(asked[3].refusal(), each[3].refusal());
  EXPECT_EQ(asked[3].raw().status, OSTEON_BAD_INPUT);
  EXPECT_EQ(asked[3].raw().values.release, nullptr);
  EXPECT_TRUE(asked[4].refusal().empty());
}

/// Host memory that calls itself an accelerator's, and counts what goes there and back.
class FakeDevice final : public ModelDevice {
 public:
  osteon_device id() const override { return {OSTEON_DEVICE_CUDA, 1}; }
  sdk::OwnedTensor bring(const osteon_tensor_view& host) const override {
    EXPECT_EQ(host.device.type, OSTEON_DEVICE_CPU);
    ++brought;
    return copied(host, id());
  }
  sdk::OwnedTensor fetch(const osteon_tensor_view& there) const override {
    EXPECT_EQ(there.device.type, OSTEON_DEVICE_CUDA);
    ++fetched;
    return copied(there, {OSTEON_DEVICE_CPU, 0});
  }
  mutable int brought = 0, fetched = 0;

  static osteon_status allocate(osteon_device device, std::uint32_t, osteon_dtype dtype,
                                const std::vector<std::int64_t>& shape, osteon_tensor* out, osteon_error* error) {
    return sdk::detail::guard(error, [&] { labelled(device, dtype, shape).move_to(out); });
  }

 private:
  static sdk::OwnedTensor labelled(osteon_device device, osteon_dtype dtype, const std::vector<std::int64_t>& shape) {
    const plugin::Call call;
    osteon_tensor raw{};
    raw.struct_size = sizeof raw;
    sdk::Call(call.raw()).allocate(dtype, shape).move_to(&raw);
    raw.view.device = device;
    return sdk::OwnedTensor(raw);
  }
  static sdk::OwnedTensor copied(const osteon_tensor_view& from, osteon_device device) {
    sdk::OwnedTensor to = labelled(device, from.dtype, {from.shape, from.shape + from.ndim});
    std::memcpy(to.view().data, from.data, static_cast<std::size_t>(sdk::element_count(from)) * (from.dtype.bits / 8u));
    return to;
  }
};

TEST_F(LeafTest, MeetsTheDeviceOfItsModelAloneAndGivesWhatTheCpuGives) {
  plugin::install_device_allocator(FakeDevice::allocate);
  recipe_.predict.batch_size = 2;
  for (const bool bfloat : {false, true}) {
    probe.bfloat = bfloat;
    probe.stride = 4;
    probe.multiple = 16;
    const plugin::ClassContext classes = test::classes(2, false);
    const osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    probe.device = {OSTEON_DEVICE_CPU, 0};
    const OwnedPrediction expected = predict(leaf(), pixels(70, 50), request);
    const std::vector<float> seen = probe.last;

    const auto device = std::make_shared<FakeDevice>();
    probe.device = device->id();
    LeafOptions there = options();
    there.device = device;
    const OwnedPrediction got = predict(Leaf(probe_model(classes), recipe_, classes, there), pixels(70, 50), request);
    EXPECT_EQ(device->brought, 1);
    EXPECT_EQ(device->fetched, 1);
    EXPECT_EQ(probe.last, seen);
    ASSERT_EQ(sdk::shape_text(got.view()), sdk::shape_text(expected.view()));
    const float *a = sdk::data_of<float>(expected.view(), "CPU"), *b = sdk::data_of<float>(got.view(), "device");
    EXPECT_EQ(std::vector<float>(a, a + sdk::element_count(expected.view())),
              std::vector<float>(b, b + sdk::element_count(got.view())));
  }
  plugin::install_device_allocator({});
}

/// The message that a plugin above a predictor gets.
std::string said_to_a_plugin(const Predictor& predictor, const osteon_predict_request& request) {
  const plugin::Call call;
  const cv::Mat pixels(32, 40, CV_32F, cv::Scalar(0.4));
  const RootImage root(pixels, "image");
  const osteon_image* const images[] = {root.get()};
  std::vector<OwnedPrediction> predictions(1);
  sdk::detail::OutPredictions out(predictions);
  sdk::ErrorBuffer error;
  const osteon_predictor& raw = predictor.raw();
  const osteon_status status = raw.predict(call.raw(), &raw, 1, images, &request, out.data(), error.out());
  EXPECT_EQ(status, OSTEON_FAILED);
  return error.text();
}

// Masks, probabilities, what a plugin above asks for and what an ensemble combines: none is made of such logits.
TEST_F(LeafTest, RefusesLogitsThatAreNotFiniteWhoeverReadsThem) {
  const auto message = [](const std::function<void()>& work) -> std::string {
    try {
      work();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kPlugin);
      return e.what();
    }
    return "taken";
  };
  const std::string expected =
      "model 'probe' gives logits of class 'c1' for image 'image' that are not finite, the "
      "first in row 3, column 5 of its grid";
  probe.classes = 3;
  data::Image image;
  image.pixels = cv::Mat(32, 40, CV_8UC1, cv::Scalar(99));
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()})
    for (const bool multiclass : {false, true})
      for (const bool bfloat : {false, true}) {
        probe.spoilt = value;
        probe.bfloat = bfloat;
        const std::shared_ptr<const Leaf> spoilt(new Leaf(leaf(multiclass)));  // which cannot be copied
        const Decision decision{multiclass, {0.5, 0.5, 0.5}};
        EXPECT_THAT(message([&] { predict_labels(call_.raw(), *spoilt, image, "image", decision); }),
                    HasSubstr(expected));
        EXPECT_THAT(message([&] { predict_probabilities(call_.raw(), *spoilt, image, "image"); }), HasSubstr(expected));
        for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES})
          for (const std::uint32_t grid : {OSTEON_GRID_MODEL, OSTEON_GRID_IMAGE})
            EXPECT_THAT(said_to_a_plugin(*spoilt, make_request(form, grid)), HasSubstr(expected)) << form << grid;
        const Member member{spoilt, {0, 1, 2}, {0.5, 0.5, 0.5}};
        const cv::Mat made = pixels(32, 40);
        const RootImage root(made, "image");
        for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_BITS})
          EXPECT_THAT(message([&] {
                        Opinion(call_.raw(), member, *root.get(), form, OSTEON_SCALE_RECIPE, {0, 1, 2});
                      }),
                      HasSubstr(expected));
      }
}

TEST_F(LeafTest, GivesNoBits) {
  EXPECT_THROW(predict(leaf(), pixels(8, 8), make_request(OSTEON_FORM_BITS, OSTEON_GRID_MODEL)), sdk::Unsupported);
}

// A tile of an image, a turned or a brighter copy of it: what it is is told by the whole.
TEST_F(LeafTest, TakesTheIntensityOfTheSourceWhateverPartOfItIsSeen) {
  recipe_.data.intensity = "percentile";
  recipe_.data.image_size = {24, 24};
  cv::Mat whole(48, 48, CV_32F);
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 48; ++x) whole.at<float>(y, x) = 0.3f + 0.004f * static_cast<float>(y + x);
  const RootImage root(whole, "image");
  const Leaf leaf = this->leaf();
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  request.scale = OSTEON_SCALE_NATIVE;
  const auto predict = [&](const osteon_image& image) {
    std::vector<OwnedPrediction> predictions(1);
    leaf.predict(call_.raw(), {&image}, request, predictions);
  };
  predict(*root.get());
  const std::vector<float> all = probe.last;

  sdk::OwnedTensor pixels = sdk::Call(call_.raw()).allocate<float>({16, 16, 1});
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) pixels.data<float>()[16 * y + x] = whole.at<float>(y + 20, x + 9);
  sdk::Image tile(std::move(pixels), sdk::Affine::of({1, 0, 9, 0, 1, 20}), *root.get());
  predict(*tile.altered().raw());
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x)
      EXPECT_EQ(probe.last[static_cast<std::size_t>(16 * y + x)], all[static_cast<std::size_t>(48 * (y + 20) + x + 9)]);

  osteon_image forgetful = *root.get();
  forgetful.host = nullptr;
  EXPECT_THROW(predict(forgetful), sdk::InvalidArgument);
}

}  // namespace
}  // namespace osteon::predict
