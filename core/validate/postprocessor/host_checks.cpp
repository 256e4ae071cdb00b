// SPDX-License-Identifier: Apache-2.0
// How a post-processor behaves in a host that runs threads, cancels, and goes on for days.
#include <memory>

#include "validate/harness/cancellation.hpp"
#include "validate/postprocessor/probe.hpp"

namespace osteon::validate {
namespace {

std::string repeats(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(40, 61), other(20, 15);
    for (const osteon_predict_request& request : post.requests()) {
      const std::vector<float> first = post.values(*leaf, image, request);
      post.process(*leaf, {other}, request);
      expect(difference(first, post.values(*leaf, image, request)).worst == 0,
             "asked again for {} it gave something else", describe(request));
      const auto another = PostprocessorProbe::make(subject, post.classes().multiclass);
      expect(difference(first, another->values(*leaf, image, request)).worst == 0,
             "another instance asked for {} gave something else", describe(request));
    }
  });
  return {};
}

std::string threads_agree(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(150, 171);
    const osteon_predict_request request = post.usual_request();
    const std::vector<float> one = post.values(*leaf, image, request);
    for (const int threads : {2, 4}) {
      const SteeredCall call(threads);
      const Difference apart = difference(one, post.values(*leaf, image, request, call.raw()));
      expect(apart.worst <= 1e-5, "on {} threads it gave something else: {}", threads, apart.describe());
    }
  });
  return {};
}

std::string concurrent_calls(const Subject& subject) {
  constexpr int kThreads = 4, kRounds = 8;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const osteon_predict_request request = post.usual_request();
    std::vector<ProbeImage> images;
    std::vector<std::vector<float>> alone;
    for (int i = 0; i < kThreads; ++i) {
      images.emplace_back(30 + i, 41);
      alone.push_back(post.values(*leaf, images.back(), request));
    }
    in_threads(kThreads, [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      for (int round = 0; round < kRounds; ++round) {
        const Difference apart = difference(alone[at], post.values(*leaf, images[at], request));
        expect(apart.worst <= 1e-6, "{} threads at once on one instance: {}", kThreads, apart.describe());
      }
    });
  });
  return fmt::format("{} threads, {} calls each", kThreads, kRounds);
}

std::string instances_independent(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const osteon_predict_request request = post.usual_request();
    const ProbeImage images[] = {ProbeImage(40, 61), ProbeImage(33, 20)};
    const std::vector<float> alone[] = {post.values(*leaf, images[0], request), post.values(*leaf, images[1], request)};
    in_threads(2, [&](int i) {
      for (int round = 0; round < 8; ++round) {
        const auto own = PostprocessorProbe::make(subject, post.classes().multiclass);
        const Difference apart = difference(alone[i], own->values(*leaf, images[i], request));
        expect(apart.worst <= 1e-6, "two instances at once in two threads: {}; instances share no mutable state",
               apart.describe());
      }
    });
  });
  return {};
}

std::string no_growth(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf(), broken = post.leaf();
    broken->fail_with(OSTEON_FAILED);
    const ProbeImage image(40, 61);
    const osteon_predict_request request = post.usual_request();
    report = expect_no_growth("a prediction and a failed one", [&] {
      post.process(*leaf, {image}, request);
      post.try_process(*broken, {image}, request);
    });
  });
  return report;
}

std::string cancellation(const Subject& subject) {
  std::vector<Looks> all;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    constexpr std::int64_t kSide = 500, kLargeSide = 2400;
    static_assert(3 * kLargeSide * kLargeSide >= kManyValues);
    const osteon_predict_request request = post.usual_request();
    const auto process = [&](const ProbeImage& image, const std::vector<float>& expected) -> StoppableWork {
      return [&](const osteon_call* call, bool* right) {
        const ProcessResult result = post.try_process(*leaf, {image}, request, call);
        *right = result.outcome.ok() && difference(expected, floats_of(result.predictions[0])).worst <= 1e-6;
        return result.outcome;
      };
    };
    const ProbeImage image(kSide, kSide);
    const std::vector<float> expected = post.values(*leaf, image, request);
    std::unique_ptr<ProbeImage> large;
    std::vector<float> expected_of_large;
    all.push_back(expect_cancellable("process", process(image, expected), [&] {
      large = std::make_unique<ProbeImage>(kLargeSide, kLargeSide);
      expected_of_large = post.values(*leaf, *large, request);
      return process(*large, expected_of_large);
    }));
    expect(difference(expected, post.values(*leaf, image, request)).worst <= 1e-6,
           "after cancelled calls it gives something else");
  });
  return report_of(all);
}

// A host of an older version has a shorter osteon_prediction.
std::string prediction_not_overrun(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(40, 61);
    for (const osteon_predict_request& request : post.requests()) {
      auto preset = sdk::sized<osteon_prediction>();
      preset.values.struct_size = sizeof preset.values;
      ShortOut<osteon_prediction> out(preset);
      osteon_prediction* outs[] = {out.get()};
      const osteon_image* images[] = {image};
      const SteeredCall call;
      const Outcome outcome = attempt([&](osteon_error* e) {
        return post.api().process(call.raw(), post.get(), leaf->checked(), 1, images, &request, outs, e);
      });
      expect_ok(outcome, "process for " + describe(request));
      const sdk::OwnedTensor values(out.get()->values);
      expect(out.get()->struct_size == StructFacts<osteon_prediction>::least,
             "it changed the struct_size of an osteon_prediction to {}; it is the caller's", out.get()->struct_size);
      expect(out.overrun() == 0, "an osteon_prediction of {} bytes was written {} bytes beyond",
             StructFacts<osteon_prediction>::least, out.overrun());
    }
  });
  return {};
}

std::string null_ignored(const Subject& subject) {
  subject.component.api<osteon_postprocessor_api>().destroy(nullptr);
  return {};
}

std::string speed_and_memory(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const PostprocessorProbe& labels) {
    constexpr std::int64_t kSide = 512;
    const auto post = PostprocessorProbe::make(subject, labels.classes().multiclass, 29);
    const auto leaf = post->leaf();
    const ProbeImage image(kSide, kSide);
    const osteon_predict_request request = post->usual_request();
    const double before = peak_resident_mib();
    const double whole = best_milliseconds(2, [&] { post->process(*leaf, {image}, request); });
    report +=
        fmt::format("{}{}: [29, 512, 512], {}, on 1 thread {:.0f} ms with the model below, {} inner calls; +{:.0f} MiB",
                    report.empty() ? "" : "; ", labels.classes().multiclass ? "multiclass" : "multilabel",
                    describe(request), whole, leaf->calls() / 2, peak_resident_mib() - before);
  });
  return report;
}

}  // namespace

const std::vector<Check>& postprocessor_host_checks() {
  static const std::vector<Check> checks = {
      {"repeats", "the same image gives the same, bit by bit, from any instance", repeats},
      {"threads-agree", "the number of threads changes nothing that a post-processor gives", threads_agree},
      {"concurrent-calls", "calls at once on one instance give what they give alone", concurrent_calls},
      {"instances-independent", "two instances of a post-processor at once in two threads give what each gives alone",
       instances_independent},
      {"no-growth", "memory does not grow with predictions and failures", no_growth},
      {"cancellation", "a call of a post-processor that is stopped returns CANCELLED or had finished", cancellation},
      {"prediction-not-overrun", "an osteon_prediction is not written beyond its size", prediction_not_overrun},
      {"null-ignored", "destroy of a post-processor ignores NULL", null_ignored},
      {"speed-and-memory", "what a prediction costs, measured", speed_and_memory},
  };
  return checks;
}

}  // namespace osteon::validate
