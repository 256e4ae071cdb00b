// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/postprocessor.hpp>

#include "base/error.hpp"
#include "crf_scene.hpp"
#include "plugin/postprocessor.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

using Names = std::vector<std::string>;

/// The plugin over a predictor that gives a scene's logits.
class DenseCrf : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const osteon_resample_service kNothingToDo = {
        sizeof(osteon_resample_service), 0,
        [](const osteon_call*, const osteon_predictor*, const osteon_predict_request*, std::int64_t, std::int64_t,
           osteon_prediction*, osteon_error*) -> osteon_status { return OSTEON_OK; }};
    plugin::install_service(OSTEON_SERVICE_RESAMPLE, &kNothingToDo);
  }

  static std::vector<float> predict(const Scene& scene, bool multiclass,
                                    const std::map<std::string, plugin::ParameterValue>& given = {},
                                    std::vector<std::int32_t> wanted = {}, std::uint32_t form = OSTEON_FORM_LOGITS) {
    const plugin::Call call;
    const auto component = linked_component(plugin::Kind::kPostprocessor, "dense_crf");
    std::vector<std::string> names;
    for (std::int64_t c = 0; c < scene.classes; ++c) names.push_back("c" + std::to_string(c));
    const plugin::Postprocessor post(component, parameters_of(component, given), {multiclass, names, {}}, call);
    osteon_predictor inner{};
    inner.struct_size = sizeof inner;
    inner.labels = multiclass ? OSTEON_LABELS_MULTICLASS : OSTEON_LABELS_MULTILABEL;
    inner.n_classes = scene.classes;
    inner.gives_forms = OSTEON_SET(form);
    inner.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    inner.host = const_cast<Scene*>(&scene);
    inner.predict = [](const osteon_call* raw, const osteon_predictor* self, std::uint64_t, const osteon_image* const*,
                       const osteon_predict_request* request, osteon_prediction* const* out,
                       osteon_error*) -> osteon_status {
      const auto& from = *static_cast<const Scene*>(self->host);
      const auto count = request->n_classes > 0 ? static_cast<std::int64_t>(request->n_classes) : from.classes;
      sdk::OwnedTensor values = sdk::Call(raw).allocate<float>({count, from.height, from.width});
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t c = request->n_classes > 0 ? request->classes[k] : k;
        for (std::int64_t p = 0; p < from.pixels(); ++p) {
          const float logit = from.logits[Scene::index(c * from.pixels() + p)];
          values.data<float>()[k * from.pixels() + p] = request->form == OSTEON_FORM_LOGITS ? logit : sigmoid(logit);
        }
      }
      out[0]->form = request->form;
      out[0]->to_image[0] = out[0]->to_image[4] = 1;
      values.move_to(&out[0]->values);
      return OSTEON_OK;
    };
    const ImageOf image(scene);
    osteon_predict_request request = sdk::make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
    request.n_classes = wanted.size();
    request.classes = wanted.data();
    sdk::Prediction prediction;
    osteon_prediction* out[] = {&prediction.raw()};
    const osteon_image* images[] = {&image.raw};
    post.process(call.raw(), inner, 1, images, request, out);
    return {prediction.data(), prediction.data() + sdk::element_count(prediction.view())};
  }
};

TEST_F(DenseCrf, GivesTheClassesThatAreWanted) {
  const Scene scene(33, 40, 1, 3);
  const std::vector<float> all = predict(scene, false), some = predict(scene, false, {}, {0, 2});
  ASSERT_EQ(some.size(), 2 * Scene::index(scene.pixels()));
  EXPECT_TRUE(std::equal(some.begin(), some.begin() + scene.pixels(), all.begin()));
  EXPECT_TRUE(std::equal(some.begin() + scene.pixels(), some.end(), all.begin() + 2 * scene.pixels()));
  // Exclusive classes are worked on together, whichever are wanted.
  const std::vector<float> rivals = predict(scene, true), one = predict(scene, true, {}, {1});
  EXPECT_TRUE(std::equal(one.begin(), one.end(), rivals.begin() + scene.pixels()));
}

// As what lies beneath an ensemble gives them.
TEST_F(DenseCrf, TakesProbabilitiesWhereThereAreNoLogits) {
  Scene scene(33, 40, 1, 2);
  for (float& logit : scene.logits) logit = std::clamp(logit, -8.0f, 8.0f);
  const std::vector<float> logits = predict(scene, false);
  const std::vector<float> probabilities = predict(scene, false, {}, {}, OSTEON_FORM_PROBABILITIES);
  for (std::size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(sigmoid(logits[i]), sigmoid(probabilities[i]), 5e-3);
}

TEST_F(DenseCrf, RefusesWhatIsNoNumber) {
  for (const bool multiclass : {false, true}) {
    Scene scene(40, 33, 1, 2);
    scene.logits[1330] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THROW(predict(scene, multiclass), Error);
    scene.logits[1330] = std::numeric_limits<float>::infinity();
    for (const float logit : predict(scene, multiclass)) ASSERT_TRUE(std::isfinite(logit));
    scene.image[7] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THROW(predict(scene, multiclass), Error);
  }
}

// One softmax over bones has no background to give a pixel to.
TEST_F(DenseCrf, RefusesToLetOverlappingClassesCompeteUnawares) {
  const Scene scene(33, 40, 1, 3);
  try {
    predict(scene, false, {{"exclusive", Names{"always"}}});
    FAIL() << "it was not refused";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("without_background"), std::string::npos) << error.what();
  }
  EXPECT_EQ(predict(scene, true, {{"exclusive", Names{"always"}}}), predict(scene, true));
  EXPECT_THROW(predict(scene, true, {{"exclusive", Names{"without_background"}}}), Error);
  const std::vector<float> logits = predict(scene, false, {{"exclusive", Names{"without_background"}}});
  for (std::int64_t p = 0; p < scene.pixels(); ++p) {
    double sum = 0;
    for (std::int64_t c = 0; c < 3; ++c) sum += double{sigmoid(logits[Scene::index(c * scene.pixels() + p)])};
    ASSERT_NEAR(sum, 1, 1e-4);
  }
}

}  // namespace
}  // namespace osteon::test
