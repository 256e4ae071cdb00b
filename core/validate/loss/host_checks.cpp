// SPDX-License-Identifier: Apache-2.0
// How a loss behaves in a host that runs threads, cancels, and goes on for days.
#include <cmath>
#include <memory>

#include "validate/harness/cancellation.hpp"
#include "validate/loss/probe.hpp"

namespace osteon::validate {
namespace {

void expect_same(const LossResult& expected, const LossResult& got, double tolerance, const std::string& what) {
  expect(std::abs(expected.value - got.value) <= tolerance * std::abs(expected.value),
         "{}: the value is {:.12g}, expected {:.12g}", what, got.value, expected.value);
  const Difference apart = difference(expected.gradient, got.gradient);
  expect(apart.worst <= tolerance * greatest(expected.gradient), "{}: the gradient {}", what, apart.describe());
}

std::string repeats(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    const LossBatch batch(2, 3, 40, 50, multiclass), other(1, 3, 7, 5, multiclass, 2);
    const LossResult first = loss.evaluate(batch);
    loss.evaluate(other);
    expect_same(first, loss.evaluate(batch), 0, "evaluated again");
    const LossProbe another(subject, 3, multiclass);
    expect_same(first, another.evaluate(batch), 0, "evaluated by another instance");
  });
  return {};
}

std::string threads_agree(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 120, 130, multiclass);
    batch.punch_holes();
    const LossResult one = loss.evaluate(batch);
    for (const int threads : {2, 4}) {
      const SteeredCall call(threads);
      expect_same(one, loss.evaluate(batch, call.raw()), 1e-6, fmt::format("on {} threads", threads));
    }
  });
  return {};
}

std::string concurrent_evaluations(const Subject& subject) {
  constexpr int kThreads = 4;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    std::vector<LossBatch> batches;
    std::vector<LossResult> alone;
    for (int i = 0; i < kThreads; ++i) {
      batches.emplace_back(1 + i % 2, 3, 30 + i, 40, multiclass, static_cast<std::uint64_t>(i));
      alone.push_back(loss.evaluate(batches.back()));
    }
    in_threads(kThreads, [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      for (int round = 0; round < 20; ++round)
        expect_same(alone[at], loss.evaluate(batches[at]), 1e-6,
                    fmt::format("{} threads at once on one instance", kThreads));
    });
  });
  return fmt::format("{} threads, 20 evaluations each", kThreads);
}

std::string instances_independent(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const std::int64_t classes[] = {3, 5};
    std::vector<LossResult> alone;
    for (const std::int64_t k : classes)
      alone.push_back(LossProbe(subject, k, multiclass).evaluate(LossBatch(2, k, 20, 30, multiclass)));
    in_threads(2, [&](int i) {
      const std::int64_t k = classes[i];
      for (int round = 0; round < 10; ++round) {
        const LossProbe loss(subject, k, multiclass);
        expect_same(alone[static_cast<std::size_t>(i)], loss.evaluate(LossBatch(2, k, 20, 30, multiclass)), 1e-6,
                    "two instances at once in two threads; instances share no mutable state");
      }
    });
  });
  return {};
}

std::string no_growth(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    const LossBatch batch(2, 3, 40, 50, multiclass), wrong(1, 4, 4, 4, multiclass);
    report = expect_no_growth("an evaluation and a refused one", [&] {
      loss.evaluate(batch);
      loss.try_evaluate(wrong);
    });
  });
  return report;
}

std::string cancellation(const Subject& subject) {
  std::vector<Looks> all;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 33, multiclass);
    const auto evaluate = [&loss](const LossBatch& batch, const LossResult& expected) -> StoppableWork {
      return [&](const osteon_call* call, bool* right) {
        const LossResult result = loss.try_evaluate(batch, call);
        *right = result.value == expected.value && difference(expected.gradient, result.gradient).worst == 0;
        return result.outcome;
      };
    };
    const LossBatch batch(2, 33, 256, 256, multiclass);
    const LossResult expected = loss.evaluate(batch);
    std::unique_ptr<LossBatch> many;
    LossResult expected_of_many;
    all.push_back(expect_cancellable("evaluate", evaluate(batch, expected), [&] {
      many = std::make_unique<LossBatch>(2, 33, 512, 512, multiclass);
      expected_of_many = loss.evaluate(*many);
      return evaluate(*many, expected_of_many);
    }));
    const LossResult after = loss.evaluate(batch);
    expect(std::abs(after.value - expected.value) <= 1e-6 * std::abs(expected.value),
           "after cancelled evaluations the value is {:.9g}, before {:.9g}", after.value, expected.value);
  });
  return report_of(all);
}

std::string null_ignored(const Subject& subject) {
  subject.component.api<osteon_loss_api>().destroy(nullptr);
  return {};
}

std::string speed_and_memory(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](bool multiclass) {
    const double before = peak_resident_mib();
    constexpr std::int64_t kClasses = 29, kSide = 512;
    const LossProbe loss(subject, kClasses, multiclass);
    const LossBatch batch(1, kClasses, kSide, kSide, multiclass);
    const ProbeTensor gradient({1, kClasses, kSide, kSide});
    const osteon_loss_input input = input_of(batch, &gradient.view());
    double value = 0;
    Outcome outcome;
    const double ms = best_milliseconds(4, [&] { outcome = loss.evaluate_raw(input, &value); });
    expect_ok(outcome, "evaluate at [1, 29, 512, 512]");
    const double own = static_cast<double>(2 * gradient.count()) * sizeof(float) / 1048576;
    report += fmt::format(
        "{}{}: [1, 29, 512, 512] on 1 thread {:.1f} ms, +{:.0f} MiB, {:.0f} of them logits and gradient",
        report.empty() ? "" : "; ", multiclass ? "multiclass" : "multilabel", ms, peak_resident_mib() - before, own);
  });
  return report;
}

}  // namespace

const std::vector<Check>& loss_host_checks() {
  static const std::vector<Check> checks = {
      {"repeats", "the same input gives the same value and gradient, bit by bit, from any instance", repeats},
      {"threads-agree", "the number of threads changes nothing that a loss gives", threads_agree},
      {"concurrent-evaluations", "evaluations at once on one instance give what they give alone",
       concurrent_evaluations},
      {"instances-independent", "two instances of a loss at once in two threads give what each gives alone",
       instances_independent},
      {"no-growth", "memory does not grow with evaluations and refusals", no_growth},
      {"cancellation", "a call of a loss that is stopped returns CANCELLED or had finished", cancellation},
      {"null-ignored", "destroy of a loss ignores NULL", null_ignored},
      {"speed-and-memory", "what an evaluation costs, measured", speed_and_memory},
  };
  return checks;
}

}  // namespace osteon::validate
