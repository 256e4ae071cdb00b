// SPDX-License-Identifier: Apache-2.0
// Images and requests that a post-processor takes, refuses and survives, and failures from below.
#include <array>
#include <limits>
#include <thread>

#include "validate/postprocessor_probe.hpp"

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
          expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_FAILED},
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

std::string strided_images(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(40, 61);
    ProbeTensor room({40, 70, 1});
    for (std::int64_t y = 0; y < 40; ++y)
      for (std::int64_t x = 0; x < 61; ++x) room.data()[y * 70 + x] = image.pixels().data()[y * 61 + x];
    osteon_image strided = *image.get();
    std::int64_t strides[] = {70, 1, 1};
    strided.pixels.data = room.data();
    strided.pixels.strides = strides;
    const osteon_predict_request request = post.usual_request();
    const ProcessResult result = post.try_process(*leaf, {&strided}, request);
    if (!result.outcome.ok()) {
      expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "process of padded rows");
      report = "refuses padded rows";
      return;
    }
    const Difference apart = difference(post.values(*leaf, image, request), floats_of(result.predictions[0]));
    expect(apart.worst <= 1e-6, "padded rows give something else, {}; go by the strides, or refuse them",
           apart.describe());
  });
  return report;
}

std::string failures_pass_through(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const ProbeImage image(40, 61);
    const osteon_predict_request request = post.usual_request();
    for (const osteon_status status : {OSTEON_FAILED, OSTEON_CANCELLED, OSTEON_OUT_OF_MEMORY}) {
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
      {"odd-values", "NaN, infinities and denormals are survived, nothing is left behind", odd_values},
      {"images-unchanged", "images are only read", images_unchanged},
      {"strided-images", "rows with gaps give the right prediction or are refused", strided_images},
      {"failures-pass-through", "what fails below fails here, with the same status and a text", failures_pass_through},
      {"released-by-anyone", "predictions outlive the instance and are released in any thread", released_by_anyone},
  };
  return checks;
}

}  // namespace osteon::validate
