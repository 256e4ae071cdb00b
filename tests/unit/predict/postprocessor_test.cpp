// SPDX-License-Identifier: Apache-2.0
// Post-processors between two sides that need not be of one age: what the SDK's layer makes of what a host sends, and
// the host's handle of what a plugin gives.
#include "plugin/postprocessor.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <osteon/sdk/postprocessor.hpp>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

using ::testing::HasSubstr;

/// What the post-processor of these tests does, and what it saw.
struct Behaviour {
  bool throws_on_bright = false;
  std::uint32_t elements = 0;  ///< that it can give
  std::uint32_t asked_elements = 0, asked_flags = 0;
  std::vector<std::size_t> batches;  ///< images of each call
  const osteon_image* last = nullptr;
} behaviour;

/// Passes everything on, but will not have an image whose first pixel is above 0.9.
class Passing {
 public:
  using Params = sdk::NoParams;
  Passing(const Params&, const sdk::PostprocessorRequest&) {}
  sdk::PostprocessorTraits traits() const {
    sdk::PostprocessorTraits traits;
    traits.elements = behaviour.elements;
    return traits;
  }
  std::vector<sdk::Prediction> process(const sdk::Call& call, const sdk::Predictor& inner,
                                       const std::vector<const osteon_image*>& images,
                                       const osteon_predict_request& request) const {
    behaviour.batches.push_back(images.size());
    behaviour.asked_elements = request.elements;
    behaviour.asked_flags = request.flags;
    for (const osteon_image* image : images) {
      behaviour.last = image;
      if (behaviour.throws_on_bright && static_cast<const float*>(image->pixels.data)[0] > 0.9f)
        throw sdk::BadInput("too bright");
    }
    return inner.predict(call, images, request);
  }
};

plugin::LoadedComponent passing() {
  // Never destroyed: what it points at lives as long as a library does.
  static auto* const library =
      new sdk::detail::Library("test", "1.0.0", {sdk::postprocessor<Passing>({"passing", "1.0.0", "Passes on."})});
  return plugin::component_of(*library->get(OSTEON_ABI_VERSION), plugin::Kind::kPostprocessor, "passing");
}

class PostprocessorTest : public ::testing::Test {
 protected:
  PostprocessorTest()
      : classes_(test::classes(2)), inner_(classes_, [](std::int64_t, std::int64_t, std::int64_t) { return 0.5; }) {
    behaviour = {};
    for (const float first : {0.1f, 0.95f, 0.3f}) {
      pixels_.emplace_back(3, 4, CV_32F, cv::Scalar(0.5));
      pixels_.back().at<float>(0, 0) = first;
    }
    for (std::size_t i = 0; i < pixels_.size(); ++i)
      images_.push_back(std::make_unique<RootImage>(pixels_[i], "image " + std::to_string(i)));
    for (const auto& image : images_) raw_.push_back(image->get());
  }
  std::vector<OwnedPrediction> process(std::uint32_t flags, std::uint32_t elements = 0) {
    const plugin::Postprocessor post(passing(), {}, classes_, call_);
    osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    request.flags = flags;
    request.elements = elements;
    std::vector<OwnedPrediction> predictions(raw_.size());
    sdk::detail::OutPredictions out(predictions);
    post.process(call_.raw(), inner_.raw(), raw_.size(), raw_.data(), request, out.data());
    out.take();
    return predictions;
  }
  plugin::ClassContext classes_;
  test::FunctionPredictor inner_;
  plugin::Call call_;
  std::vector<cv::Mat> pixels_;
  std::vector<std::unique_ptr<RootImage>> images_;
  std::vector<const osteon_image*> raw_;
};

TEST_F(PostprocessorTest, PredictsTheOthersWhereEachImageIsByItself) {
  behaviour.throws_on_bright = true;
  try {
    process(0);
    FAIL() << "the bad image was predicted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_THAT(e.what(), HasSubstr("too bright"));
  }
  behaviour.batches.clear();
  const auto predictions = process(OSTEON_PREDICT_EACH);
  EXPECT_EQ(behaviour.batches, (std::vector<std::size_t>{3, 1, 1, 1})) << "together first, then one by one";
  EXPECT_EQ(behaviour.asked_flags, 0u) << "an author need not know of it";
  EXPECT_EQ(predictions[1].refusal(), "too bright");
  for (const std::size_t good : {0, 2}) {
    ASSERT_FALSE(predictions[good].refused());
    EXPECT_EQ(predictions[good].data()[0], 0.5f);
  }
  behaviour.throws_on_bright = false;
  behaviour.batches.clear();
  for (const OwnedPrediction& prediction : process(OSTEON_PREDICT_EACH)) EXPECT_FALSE(prediction.refused());
  EXPECT_EQ(behaviour.batches, (std::vector<std::size_t>{3})) << "where all are good one call is enough";
}

TEST_F(PostprocessorTest, NeverShowsAnAuthorAnImageWithoutPixels) {
  const cv::Mat none(0, 4, CV_32F);
  const RootImage empty(none, "nothing");
  raw_[1] = empty.get();
  EXPECT_THROW(process(0), Error);
  const auto predictions = process(OSTEON_PREDICT_EACH);
  EXPECT_EQ(predictions[1].refusal(), "image 'nothing' has no pixels");
  EXPECT_FALSE(predictions[2].refused());
}

TEST_F(PostprocessorTest, TellsAnAuthorOfTheElementTypesThatItCanGive) {
  const std::uint32_t both = OSTEON_SET(OSTEON_ELEMENT_FLOAT16) | OSTEON_SET(OSTEON_ELEMENT_BFLOAT16);
  process(0, both);
  EXPECT_EQ(behaviour.asked_elements, 0u);
  behaviour.elements = OSTEON_SET(OSTEON_ELEMENT_BFLOAT16);
  process(0, both);
  EXPECT_EQ(behaviour.asked_elements, OSTEON_SET(OSTEON_ELEMENT_BFLOAT16));
}

/// A struct as a later version has it.
template <class T>
struct Longer {
  T known{};
  std::uint64_t added = 0x1122334455667788;
  Longer() { known.struct_size = sizeof(*this); }
};

TEST_F(PostprocessorTest, WorksForANewerHost) {
  const auto api = passing().api<osteon_postprocessor_api>();
  const plugin::Postprocessor maker(passing(), {}, classes_, call_);
  auto creation = sdk::sized<osteon_postprocessor_request>();
  creation.labels = OSTEON_LABELS_MULTILABEL;
  creation.n_classes = 2;
  const char* names[] = {"a", "b"};
  creation.class_names = names;
  osteon_postprocessor* post = nullptr;
  ASSERT_EQ(api.create(call_.raw(), nullptr, &creation, &post, nullptr), OSTEON_OK);

  Longer<osteon_image> image;
  image.known = *raw_[0];
  image.known.struct_size = sizeof image;
  Longer<osteon_predict_request> request;
  request.known = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
  request.known.struct_size = sizeof request;
  request.known.flags = 1u << 20;  // may be ignored
  Longer<osteon_prediction> prediction;
  const osteon_image* images[] = {&image.known};
  osteon_prediction* out[] = {&prediction.known};
  sdk::ErrorBuffer error;
  const auto process = [&] {
    return api.process(call_.raw(), post, &inner_.raw(), 1, images, &request.known, out, error.out());
  };
  EXPECT_EQ(process(), OSTEON_OK) << error.text();
  EXPECT_EQ(prediction.known.struct_size, sizeof prediction);
  EXPECT_EQ(prediction.added, 0x1122334455667788u) << "nothing is written that is not known";
  EXPECT_EQ(behaviour.last, &image.known) << "what is new in an image reaches those who know it";
  prediction.known.values.release(&prediction.known.values);
  prediction = {};

  request.known.flags = 1u << 9;  // must be understood
  EXPECT_EQ(process(), OSTEON_UNSUPPORTED);
  EXPECT_THAT(error.text(), HasSubstr("0x0200"));
  request.known.flags = 0;
  image.known.to_root[4] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(process(), OSTEON_INVALID_ARGUMENT);
  EXPECT_THAT(error.text(), HasSubstr("to_root"));
  image.known.to_root[4] = 1;
  std::int64_t strides[] = {8, 2, 1};
  image.known.pixels.strides = strides;
  EXPECT_EQ(process(), OSTEON_INVALID_ARGUMENT);
  EXPECT_THAT(error.text(), HasSubstr("contiguous"));
  image.known.pixels = raw_[0]->pixels;
  request.known.form = 77;
  EXPECT_EQ(process(), OSTEON_UNSUPPORTED);
  request.known.form = OSTEON_FORM_PROBABILITIES;
  prediction.known.struct_size = 16;
  EXPECT_EQ(process(), OSTEON_INVALID_ARGUMENT) << "no prediction was ever that short";
  prediction.known.struct_size = sizeof prediction;
  EXPECT_EQ(api.process(call_.raw(), post, &inner_.raw(), 1, images, nullptr, out, nullptr), OSTEON_INVALID_ARGUMENT);
  api.destroy(post);
}

/// What a plugin of its own making gives.
struct Given {
  osteon_status status = OSTEON_OK, each = OSTEON_OK;
  std::uint32_t flags = 0;
  double to_image = 1;
  bool values = true;
  osteon_dtype type = sdk::dtype_of<float>();
  bool padded = false;
  int released = 0;
} given;

osteon_status give(const osteon_call* call, const osteon_postprocessor*, const osteon_predictor*, std::uint64_t,
                   const osteon_image* const*, const osteon_predict_request* request,
                   osteon_prediction* const* predictions, osteon_error*) {
  predictions[0]->form = request->form;
  predictions[0]->flags = given.flags;
  predictions[0]->status = given.each;
  predictions[0]->to_image[0] = given.to_image;
  predictions[0]->to_image[4] = 1;
  if (!given.values) return given.status;
  static std::int64_t strides[] = {24, 8, 1};
  sdk::OwnedTensor values = sdk::Call(call).allocate(given.type, {2, 3, given.padded ? 8 : 4});
  osteon_tensor& out = predictions[0]->values;
  values.move_to(&out);
  auto* owner = new osteon_tensor(out);
  out.owner = owner;
  if (given.padded) {
    owner->view.shape[2] = 4;
    out.view.strides = strides;
  }
  out.release = [](osteon_tensor* self) {
    auto* inner = static_cast<osteon_tensor*>(self->owner);
    inner->release(inner);
    delete inner;
    ++given.released;
  };
  return given.status;
}

class GivenTest : public PostprocessorTest {
 protected:
  GivenTest() {
    given = {};
    static const osteon_postprocessor_info info = [] {
      auto made = sdk::sized<osteon_postprocessor_info>();
      made.shape = OSTEON_POSTPROCESSOR_MAP;
      return made;
    }();
    static const osteon_postprocessor_api api = {
        sizeof(osteon_postprocessor_api),
        0,
        [](const osteon_call*, const osteon_value* const*, const osteon_postprocessor_request*,
           osteon_postprocessor** out, osteon_error*) -> osteon_status {
          *out = reinterpret_cast<osteon_postprocessor*>(&given);
          return OSTEON_OK;
        },
        [](osteon_postprocessor*) {},
        [](const osteon_postprocessor*) { return &info; },
        give,
        nullptr,
        nullptr,
        nullptr,
        nullptr};
    component_ = sdk::sized<osteon_component>();
    component_.api = &api;
    loaded_.component = &component_;
    loaded_.schema.name = "given";
    loaded_.schema.kind = plugin::Kind::kPostprocessor;
  }
  std::string refusal(std::uint32_t flags = 0, std::uint32_t elements = 0) {
    const plugin::Postprocessor post(loaded_, {}, classes_, call_);
    osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
    request.flags = flags;
    request.elements = elements;
    std::vector<OwnedPrediction> predictions(1);
    sdk::detail::OutPredictions out(predictions);
    try {
      post.process(call_.raw(), inner_.raw(), 1, raw_.data(), request, out.data());
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("postprocessor 'given', process"));
      return e.what();
    }
    return "nothing";
  }
  osteon_component component_;
  plugin::LoadedComponent loaded_;
};

TEST_F(GivenTest, IsRefusedByNameWhereItIsNotWhatWasPromised) {
  EXPECT_EQ(refusal(), "nothing");
  EXPECT_EQ(given.released, 1);
  given.to_image = std::nan("");
  EXPECT_THAT(refusal(), HasSubstr("a to_image that is not finite"));
  given.to_image = 2;
  EXPECT_THAT(refusal(), HasSubstr("does not say that it lies there"));
  given.to_image = 1;
  given.flags = 4;
  EXPECT_THAT(refusal(), HasSubstr("0x0004"));
  given.flags = 1u << 30;
  EXPECT_EQ(refusal(), "nothing");
  given.flags = 0;
  given.padded = true;
  EXPECT_THAT(refusal(), HasSubstr("not contiguous"));
  given.padded = false;
  given.type = {OSTEON_DTYPE_FLOAT, 16, 1};
  EXPECT_THAT(refusal(), HasSubstr("float16"));
  EXPECT_EQ(refusal(0, OSTEON_SET(OSTEON_ELEMENT_FLOAT16)), "nothing") << "it was asked for";
  EXPECT_THAT(refusal(0, OSTEON_SET(OSTEON_ELEMENT_BFLOAT16)), HasSubstr("float16"));
  EXPECT_EQ(given.released, 9) << "all that was given was released";
}

TEST_F(GivenTest, MayRefuseAnImageOnlyWhereEachIsByItself) {
  given.each = OSTEON_BAD_INPUT;
  EXPECT_THAT(refusal(OSTEON_PREDICT_EACH), HasSubstr("refused an image and gave a prediction of it"));
  given.values = false;
  EXPECT_EQ(refusal(OSTEON_PREDICT_EACH), "nothing");
  EXPECT_THAT(refusal(0), HasSubstr("status 7"));
  given.each = OSTEON_FAILED;
  EXPECT_THAT(refusal(OSTEON_PREDICT_EACH), HasSubstr("status 6"));
}

// What a failing plugin leaves in an out-struct is its own, and may be gone already.
TEST_F(GivenTest, IsNotReleasedAfterAFailure) {
  given.status = OSTEON_FAILED;
  refusal();
  EXPECT_EQ(given.released, 0);
}

}  // namespace
}  // namespace osteon::predict
