// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include <osteon/sdk/postprocessor.hpp>

#include "plugin/postprocessor.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

/// A predictor whose logits are a function of the image alone, pixel by pixel, on the image's grid.
struct PixelPredictor {
  using Function = std::function<float(std::int32_t c, float value, std::int64_t x, std::int64_t width)>;
  explicit PixelPredictor(Function f) : function(std::move(f)) {
    raw.struct_size = sizeof raw;
    raw.labels = OSTEON_LABELS_MULTILABEL;
    raw.n_classes = 3;
    raw.host = this;
    raw.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES);
    raw.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    raw.predict = [](const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                     const osteon_image* const* images, const osteon_predict_request* request,
                     osteon_prediction* const* predictions, osteon_error*) -> osteon_status {
      const auto& me = *static_cast<const PixelPredictor*>(self->host);
      me.most_at_once = std::max(me.most_at_once, n);
      for (std::uint64_t i = 0; i < n; ++i) {
        const std::int64_t height = images[i]->pixels.shape[0], width = images[i]->pixels.shape[1];
        const auto classes = static_cast<std::int64_t>(request->n_classes);
        sdk::OwnedTensor values = sdk::Call(call).allocate<float>({classes, height, width});
        const float* pixels = static_cast<const float*>(images[i]->pixels.data);
        for (std::int64_t k = 0; k < classes; ++k)
          for (std::int64_t p = 0; p < height * width; ++p)
            values.data<float>()[k * height * width + p] =
                me.function(request->classes[k], pixels[p], p % width, width);
        predictions[i]->form = request->form;
        predictions[i]->to_image[0] = predictions[i]->to_image[4] = 1;
        values.move_to(&predictions[i]->values);
      }
      return OSTEON_OK;
    };
  }
  Function function;
  mutable std::uint64_t most_at_once = 0;
  osteon_predictor raw{};
};

class Tta : public ::testing::Test {
 protected:
  static constexpr std::int64_t kHeight = 5, kWidth = 7;

  static void SetUpTestSuite() {
    // Everything here is on one grid already, and logits pass for probabilities.
    static const osteon_resample_service kNothingToDo = {
        sizeof(osteon_resample_service), 0,
        [](const osteon_call*, const osteon_predictor*, const osteon_predict_request* request, std::int64_t,
           std::int64_t, osteon_prediction* prediction, osteon_error*) -> osteon_status {
          prediction->form = request->form;
          return OSTEON_OK;
        }};
    plugin::install_service(OSTEON_SERVICE_RESAMPLE, &kNothingToDo);
  }

  std::vector<float> predict(const std::vector<std::string>& transforms, const PixelPredictor& inner,
                             const std::vector<std::int32_t>& mirrored, std::vector<std::int32_t> classes,
                             std::uint32_t form = OSTEON_FORM_LOGITS) {
    const plugin::Call call;
    const auto component = linked_component(plugin::Kind::kPostprocessor, "tta");
    const plugin::Postprocessor tta(component, parameters_of(component, {{"transforms", transforms}}),
                                    {inner.raw.labels == OSTEON_LABELS_MULTICLASS, {"a", "b", "c"}, mirrored}, call);
    std::vector<float> pixels(kHeight * kWidth);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i) / 40;
    const sdk::BorrowedTensor view(pixels.data(), {kHeight, kWidth, 1});
    osteon_image image{};
    image.struct_size = sizeof image;
    image.pixels = view.view();
    image.to_root[0] = image.to_root[4] = 1;
    osteon_predict_request request = sdk::make_request(form, OSTEON_GRID_IMAGE);
    request.n_classes = classes.size();
    request.classes = classes.data();
    sdk::Prediction prediction;
    osteon_prediction* out[] = {&prediction.raw()};
    const osteon_image* images[] = {&image};
    tta.process(call.raw(), inner.raw, 1, images, request, out);
    EXPECT_EQ(sdk::shape_text(prediction.view()), "[" + std::to_string(classes.size()) + ", 5, 7]");
    return {prediction.data(), prediction.data() + sdk::element_count(prediction.view())};
  }
};

// What depends on the pixel alone turns with the image: every copy, turned back, is the same.
TEST_F(Tta, TurnsEveryCopyBack) {
  const PixelPredictor inner(
      [](std::int32_t c, float value, std::int64_t, std::int64_t) { return value + static_cast<float>(c); });
  for (const char* transform : {"identity", "hflip", "vflip", "rot90", "rot180", "rot270", "transpose"}) {
    const auto values = predict({transform}, inner, {}, {0, 2});
    for (std::size_t i = 0; i < 35; ++i) {
      EXPECT_NEAR(values[i], static_cast<float>(i) / 40, 1e-6) << transform;
      EXPECT_NEAR(values[35 + i], static_cast<float>(i) / 40 + 2, 1e-6) << transform;
    }
  }
}

// Each copy that is there at once has its own prediction, of which 29 planes of 2048 x 2048 are 487 MB.
TEST_F(Tta, HasNoMoreCopiesAtOnceThanAModelRuns) {
  const std::vector<std::string> all = {"identity", "hflip", "vflip", "rot90", "rot180", "rot270", "transpose"};
  std::vector<float> expected;
  for (const std::int64_t size : {0, 1, 3, 16}) {
    PixelPredictor inner([](std::int32_t c, float value, std::int64_t x, std::int64_t width) {
      return value * static_cast<float>(c + x) / static_cast<float>(width);
    });
    inner.raw.batch_size = size;
    const std::vector<float> values = predict(all, inner, {}, {0, 2});
    EXPECT_EQ(inner.most_at_once, static_cast<std::uint64_t>(std::clamp<std::int64_t>(size, 1, 7)));
    if (expected.empty()) expected = values;
    EXPECT_EQ(values, expected);
  }
}

// What depends on where a pixel lies does not: the mean over a flip is symmetric.
TEST_F(Tta, AveragesTheLogitsOfItsCopies) {
  const PixelPredictor inner([](std::int32_t, float, std::int64_t x, std::int64_t) { return static_cast<float>(x); });
  for (const float value : predict({"identity", "hflip"}, inner, {}, {1})) EXPECT_NEAR(value, 3, 1e-6);
}

TEST_F(Tta, ExchangesPairsOfClassesInMirroredCopiesAlone) {
  const PixelPredictor inner(
      [](std::int32_t c, float, std::int64_t, std::int64_t) { return static_cast<float>(10 * c); });
  EXPECT_NEAR(predict({"hflip"}, inner, {1, 0, 2}, {0})[0], 10, 1e-6);
  EXPECT_NEAR(predict({"transpose"}, inner, {1, 0, 2}, {0})[0], 10, 1e-6);
  EXPECT_NEAR(predict({"rot180"}, inner, {1, 0, 2}, {0})[0], 0, 1e-6);
  EXPECT_NEAR(predict({"rot90"}, inner, {1, 0, 2}, {0})[0], 0, 1e-6);
  EXPECT_NEAR(predict({"identity", "hflip"}, inner, {1, 0, 2}, {0, 1, 2})[0], 5, 1e-6);
}

// A softmax has to see every class, whichever are wanted.
TEST_F(Tta, AsksForAllExclusiveClassesBeforeItMakesProbabilities) {
  std::set<std::int32_t> asked;
  PixelPredictor inner([&](std::int32_t c, float, std::int64_t, std::int64_t) {
    asked.insert(c);
    return static_cast<float>(10 * c);
  });
  inner.raw.labels = OSTEON_LABELS_MULTICLASS;
  const auto values = predict({"identity", "hflip"}, inner, {}, {2}, OSTEON_FORM_PROBABILITIES);
  EXPECT_EQ(asked, (std::set<std::int32_t>{0, 1, 2}));
  EXPECT_NEAR(values[0], 20, 1e-6);  // the test's converter leaves logits alone
}

}  // namespace
}  // namespace osteon::test
