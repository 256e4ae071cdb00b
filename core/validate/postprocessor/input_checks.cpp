// SPDX-License-Identifier: Apache-2.0
// Images and requests that a post-processor takes, refuses and survives, and failures from below.
#include <array>
#include <limits>
#include <thread>

#include "validate/postprocessor/probe.hpp"

namespace osteon::validate {
namespace {

std::string other_forms_refused(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(20, 31);
    const auto refuse = [&](const osteon_predict_request& request) {
      expect_refused(post.try_process(*leaf, {image}, request).outcome, {OSTEON_UNSUPPORTED, OSTEON_INVALID_ARGUMENT},
                     "process for " + describe(request) + ", which it does not give,");
    };
    for (const std::uint32_t form : {1u, 2u, 3u, 9u})
      for (const std::uint32_t grid : {1u, 2u, 9u})
        if ((post.info().gives_forms & OSTEON_SET(form)) == 0 || (post.info().gives_grids & OSTEON_SET(grid)) == 0)
          refuse(sdk::make_request(form, grid));
    post.process(*leaf, {image}, post.usual_request());
  });
  return {};
}

std::string many_images(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage a(40, 61), b(33, 20), c(40, 61, 3);
    const osteon_predict_request request = post.usual_request();
    expect(post.process(*leaf, {}, request).empty(), "nothing came of something");
    const auto together = post.process(*leaf, {a, b, c}, request);
    const std::array<const osteon_image*, 3> images = {a, b, c};
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Difference apart = difference(post.values(*leaf, images[i], request), floats_of(together[i]));
      expect(apart.worst <= 1e-5, "image {} of 3 in one call does not give what it gives alone: {}", i + 1,
             apart.describe());
    }
  });
  return {};
}

std::string odd_images(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    for (const auto& [h, w, c] :
         {std::array<std::int64_t, 3>{1, 1, 1}, {1, 67, 1}, {131, 1, 3}, {2, 3, 1}, {97, 89, 3}})
      for (osteon_predict_request request : post.requests())
        for (const std::uint32_t scale : {OSTEON_SCALE_RECIPE, OSTEON_SCALE_NATIVE}) {
          request.scale = scale;
          const auto predictions = post.process(*leaf, {ProbeImage(h, w, c)}, request);
          expect(request.grid != OSTEON_GRID_IMAGE || (predictions[0].height() == h && predictions[0].width() == w),
                 "an image of {} x {} pixels gave {} x {}", h, w, predictions[0].height(), predictions[0].width());
        }
  });
  return {};
}

std::string odd_values(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto good = post.leaf();
    const ProbeImage image(40, 61);
    const osteon_predict_request request = post.usual_request();
    const std::vector<float> before = post.values(*good, image, request);
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min()}) {
      const auto spoilt = post.leaf();
      spoilt->spoil_with(value);
      ProbeImage odd(40, 61);
      for (std::int64_t p = 0; p < odd.pixels().count(); p += 7) odd.pixels().data()[p] = value;
      for (const ProcessResult& result :
           {post.try_process(*spoilt, {image}, request), post.try_process(*good, {odd}, request)})
        if (!result.outcome.ok())
          expect_refused(result.outcome, {OSTEON_BAD_INPUT, OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_FAILED},
                         fmt::format("process with {} among pixels or logits", value));
    }
    const Difference apart = difference(before, post.values(*good, image, request));
    expect(apart.worst <= 1e-6, "after odd values usual ones come out different: {}", apart.describe());
  });
  return {};
}

std::string images_unchanged(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    for (const osteon_predict_request& request : post.requests()) {
      const ProbeImage image(40, 61);
      const auto before = image.pixels().bytes();
      post.process(*leaf, {image}, request);
      expect(image.pixels().bytes() == before, "process wrote to the image");
    }
  });
  return {};
}

// Facts of an image that change nothing about it: who it is, how large its pixels are.
std::string image_facts(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const osteon_predict_request request = post.usual_request();
    ProbeImage image(40, 61);
    const ProbeImage other(61, 40);
    const std::vector<float> expected = post.values(*leaf, image, request);
    const auto compare = [&](const char* what) {
      // Twice: what was kept of the first may be used in the second.
      for (int round = 0; round < 2; ++round) {
        const Difference apart = difference(expected, post.values(*leaf, image, request));
        expect(apart.worst <= 1e-6, "an image {} gives something else, {}", what, apart.describe());
        post.process(*leaf, {other}, request);
      }
    };
    compare("predicted again");
    image.raw().digest = nullptr;
    compare("whose digest is not known");
    image.raw().root = nullptr;
    compare("without a name");
    image.raw().spacing[0] = image.raw().spacing[1] = 0;
    compare("whose spacing is not known");
  });
  return {};
}

// The same pixels elsewhere in the root image, other pixels of the same root image.
std::string parts_of_an_image(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const osteon_predict_request request = post.usual_request();
    ProbeImage first(40, 61), second(40, 61);
    for (std::int64_t p = 0; p < second.pixels().count(); ++p)
      second.pixels().data()[p] = 1 - second.pixels().data()[p] * second.pixels().data()[p];
    second.raw().to_root[2] = 100;  // of the same root image, and so of one digest, 100 pixels to the right
    const auto alone = PostprocessorProbe::make(subject, post.classes().multiclass);
    const auto leaf = post.leaf();
    const std::vector<float> expected = alone->values(*leaf, second, request);
    post.process(*leaf, {first}, request);
    const Difference apart = difference(expected, post.values(*leaf, second, request));
    expect(apart.worst <= 1e-6,
           "another part of the root image gives something else after the first, {}; what is kept of an image goes by "
           "its digest and its to_root",
           apart.describe());
  });
  return {};
}

// One bad image of three. Asked for each by itself, the others are predicted; else the call fails.
std::string each_by_itself(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage first(40, 61), third(33, 20);
    ProbeImage bad(30, 30);
    bad.raw().root = kBadRoot;
    osteon_predict_request request = post.usual_request();
    const std::vector<const osteon_image*> images = {first, bad, third};
    const ProcessResult together = post.try_process(*leaf, images, request);
    expect_refused(together.outcome, {OSTEON_BAD_INPUT}, "process of three images of which one is bad");
    request.flags = OSTEON_PREDICT_EACH;
    const ProcessResult each = post.try_process(*leaf, images, request);
    leaf->expect_well_used();
    if (each.outcome.status == OSTEON_UNSUPPORTED) {
      expect_refused(each.outcome, {OSTEON_UNSUPPORTED}, "process with OSTEON_PREDICT_EACH");
      report = "refuses OSTEON_PREDICT_EACH";
      return;
    }
    expect_ok(each.outcome, "process with OSTEON_PREDICT_EACH of three images of which one is bad");
    for (std::size_t i = 0; i < 3; ++i) {
      const sdk::Prediction& prediction = each.predictions[i];
      const osteon_status wanted = i == 1 ? OSTEON_BAD_INPUT : OSTEON_OK;
      expect(prediction.raw().status == wanted, "image {} of 3 has the status {}, expected {}; the second is bad",
             i + 1, prediction.raw().status, wanted);
      if (i == 1) {
        expect(prediction.raw().values.release == nullptr, "a bad image has values");
        expect(!prediction.refusal().empty(), "a bad image has no text that says why; fill in osteon_prediction.error");
        continue;
      }
      expect(prediction.raw().values.release != nullptr, "image {} of 3 is good and has no values", i + 1);
      osteon_predict_request alone = request;
      alone.flags = 0;
      const Difference apart = difference(post.values(*leaf, images[i], alone), floats_of(prediction));
      expect(apart.worst <= 1e-5, "image {} of 3 does not give what it gives alone: {}", i + 1, apart.describe());
    }
  });
  return report;
}

// Half precision is given only to who takes it, and is the same but for its rounding.
std::string element_types(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(40, 61);
    for (osteon_predict_request request : post.requests()) {
      if (request.form == OSTEON_FORM_BITS) continue;
      const std::vector<float> expected = post.values(*leaf, image, request);
      for (const std::uint32_t element : {OSTEON_ELEMENT_FLOAT16, OSTEON_ELEMENT_BFLOAT16}) {
        request.elements = OSTEON_SET(element);
        const auto predictions = post.process(*leaf, {image}, request);
        const osteon_dtype got = predictions[0].view().dtype;
        expect(sdk::takes_element(request, got), "asked for {} in float32 or element type {}, it gave {}",
               describe(request), element, sdk::to_string(got));
        const std::vector<float> values = floats_of(predictions[0]);
        const Difference apart = difference(expected, values);
        expect(apart.worst <= 1e-2 * (1e-3 + greatest(expected)), "asked for {} in {}, it gave something else: {}",
               describe(request), sdk::to_string(got), apart.describe());
        if (got != sdk::dtype_of<float>()) report = "gives half precision";
      }
    }
  });
  return report.empty() ? "gives float32 alone" : report;
}

std::string failures_pass_through(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const ProbeImage image(40, 61);
    const osteon_predict_request request = post.usual_request();
    for (const osteon_status status : {OSTEON_FAILED, OSTEON_CANCELLED, OSTEON_OUT_OF_MEMORY, OSTEON_BAD_INPUT}) {
      const auto leaf = post.leaf();
      leaf->fail_with(status);
      expect_refused(post.try_process(*leaf, {image}, request).outcome, {status},
                     "process over a predictor that fails");
      leaf->fail_with(OSTEON_OK);
      post.process(*leaf, {image}, request);
    }
  });
  return {};
}

std::string released_by_anyone(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& labels) {
    auto post = PostprocessorProbe::make(subject, labels.classes().multiclass);
    auto leaf = post->leaf();
    const ProbeImage image(40, 61);
    auto predictions = post->process(*leaf, {image, image}, post->usual_request());
    const std::vector<float> before = floats_of(predictions[0]);
    leaf.reset();
    post.reset();
    expect(difference(before, floats_of(predictions[0])).worst == 0,
           "a prediction changes when its post-processor is destroyed");
    for (float* value = predictions[1].raw().form == OSTEON_FORM_BITS ? nullptr : predictions[1].data();
         value != nullptr && value < predictions[1].data() + sdk::element_count(predictions[1].view()); ++value)
      *value = 0.25f;  // the owner may work in it
    expect(difference(before, floats_of(predictions[0])).worst == 0, "two predictions share memory");
    std::thread([&predictions] { predictions.clear(); }).join();
  });
  return {};
}

}  // namespace

const std::vector<Check>& postprocessor_input_checks() {
  static const std::vector<Check> checks = {
      {"other-forms-refused", "forms and grids that it does not give are refused", other_forms_refused},
      {"many-images", "no image, and several of different sizes, work in one call", many_images},
      {"odd-images", "images of one pixel, one row, one column and three channels work", odd_images},
      {"odd-values", "a post-processor survives NaN, infinities and denormals, nothing is left behind", odd_values},
      {"images-unchanged", "images are only read", images_unchanged},
      {"image-facts", "digest, name and spacing, known or not, change nothing about a prediction", image_facts},
      {"parts-of-an-image", "what is kept of one part of an image is not taken for another's", parts_of_an_image},
      {"each-by-itself", "a bad image is BAD_INPUT, and with OSTEON_PREDICT_EACH it fails no other", each_by_itself},
      {"element-types", "half precision is given to those alone who take it", element_types},
      {"failures-pass-through", "what fails below fails here, with the same status and a text", failures_pass_through},
      {"released-by-anyone", "predictions outlive the instance and are released in any thread", released_by_anyone},
  };
  return checks;
}

}  // namespace osteon::validate
