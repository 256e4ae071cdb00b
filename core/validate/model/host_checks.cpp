// SPDX-License-Identifier: Apache-2.0
// How a model behaves in a host that runs threads, cancels, fails, and goes on for days.
#include <algorithm>
#include <cmath>
#include <memory>

#include "validate/harness/cancellation.hpp"
#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

// What a host does with an instance from beginning to end.
std::vector<std::vector<float>> a_life(const Subject& subject, std::uint64_t seed) {
  ModelAsk ask(subject);
  ask.seed = seed;
  ModelProbe model(subject, ask);
  std::vector<std::vector<float>> seen;
  const ProbeTensor input = model.input(2, seed, 64);
  for (int step = 0; step < 3; ++step) {
    model.step(input.view(), seed + static_cast<std::uint64_t>(step));
    for (const osteon_named_tensor& parameter : model.parameters()) {
      auto* value = static_cast<float*>(parameter.value.data);
      const auto* grad = static_cast<const float*>(parameter.grad.data);
      for (std::int64_t i = 0; i < sdk::element_count(parameter.value); ++i) value[i] -= 1e-3f * grad[i];
    }
    model.changed();
    seen.push_back(model.infer(input.view()));
  }
  return seen;
}

std::string instances_independent(const Subject& subject) {
  const std::vector<std::vector<std::vector<float>>> alone = {a_life(subject, 21), a_life(subject, 22)};
  std::vector<std::vector<std::vector<float>>> together(2);
  in_threads(
      2, [&](int i) { together[static_cast<std::size_t>(i)] = a_life(subject, 21 + static_cast<std::uint64_t>(i)); });
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t step = 0; step < alone[i].size(); ++step) {
      const Difference apart = difference(alone[i][step], together[i][step]);
      expect(apart.worst <= 1e-4 * (1e-3 + greatest(alone[i][step])),
             "two instances trained at once in two threads; instance {} predicts other logits after step {} than when "
             "alone, {}; instances share no mutable state",
             i, step, apart.describe());
    }
  return "2 threads, 3 steps each";
}

std::string concurrent_inference(const Subject& subject) {
  constexpr int kThreads = 4;
  ModelProbe model(subject);
  std::vector<ProbeTensor> inputs;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < kThreads; ++i) {
    // Two shapes, so that what is made for one meets the other.
    inputs.push_back(model.input(1 + i % 2, static_cast<std::uint64_t>(i)));
    expected.push_back(model.infer(inputs.back().view()));
  }
  in_threads(kThreads, [&](int i) {
    const auto at = static_cast<std::size_t>(i);
    for (int round = 0; round < 12; ++round) {
      const Difference apart =
          difference(expected[at], model.infer(inputs[at].view(), round % 3 == 0 ? OSTEON_FORWARD_PLAIN : 0));
      expect(apart.worst <= 2e-4 * (1e-3 + greatest(expected[at])),
             "{} inference forwards at once on one instance; one gives other logits than alone, {}", kThreads,
             apart.describe());
    }
  });
  return fmt::format("{} threads, 12 forwards each", kThreads);
}

std::string no_growth(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const ProbeTensor wrong = ProbeTensor::random({1, model.info().in_channels + 1, 8, 8}, 1);
  const int rounds =
      std::min(16, rounds_for(model.weight_count() * 4));  // a network's steps are work, however few its weights
  if (!model.trains())
    return expect_no_growth(
        "an inference forward and a refused forward",
        [&] {
          model.infer(input.view(), 0);
          model.forward(wrong.view(), {});
        },
        rounds);
  return expect_no_growth(
      "an inference forward, a training step, a tape released unused and a refused forward",
      [&] {
        model.infer(input.view(), 0);
        model.step(input.view());
        ForwardResult unused = model.train(input.view());
        model.release(unused);
        model.forward(wrong.view(), {});
      },
      rounds);
}

std::string errors_leave_nothing(const Subject& subject) {
  const auto api = subject.component.api<osteon_model_api>();
  for (const auto& [channels, classes] : {std::pair<std::int64_t, std::int64_t>{0, 3}, {1, 0}, {-1, 3}}) {
    ModelAsk ask(subject);
    ask.in_channels = channels;
    ask.n_classes = classes;
    Outcome why;
    const auto model = ModelProbe::make(subject, ask, &why);
    expect_refused(why, {OSTEON_INVALID_ARGUMENT},
                   fmt::format("create with {} channels and {} classes", channels, classes));
  }
  ModelProbe model(subject);
  const std::int64_t side = model.side();
  const ProbeTensor wrong = ProbeTensor::random({2, model.info().in_channels + 1, side, side}, 1);
  const bool trains = model.trains();
  for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING}) {
    if (mode == OSTEON_MODE_TRAINING && !trains) continue;
    const std::uint64_t heads = mode == OSTEON_MODE_TRAINING ? model.info().n_outputs : 1;
    std::vector<osteon_tensor> outputs(heads);
    std::vector<osteon_tensor*> pointers;
    for (osteon_tensor& output : outputs) {
      output.struct_size = sizeof output;
      pointers.push_back(&output);
    }
    osteon_tape* tape = nullptr;
    auto options = sdk::sized<osteon_forward_options>();
    options.mode = mode;
    const SteeredCall call;
    const Outcome outcome = attempt([&](osteon_error* e) {
      return api.forward(call.raw(), model.raw(), &options, &wrong.view(), heads, pointers.data(),
                         mode == OSTEON_MODE_TRAINING ? &tape : nullptr, e);
    });
    expect(!outcome.ok(), "forward of one channel more than the model has returned OK");
    expect(tape == nullptr, "a forward that failed left a tape");
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      expect(outputs[i].struct_size == sizeof outputs[i], "a failed forward changed struct_size of output {}", i);
      expect(outputs[i].release == nullptr && outputs[i].owner == nullptr && outputs[i].view.data == nullptr,
             "a forward that failed filled in output {}; out-arguments are written only with OSTEON_OK", i);
    }
  }
  model.infer(model.input(1).view());
  return {};
}

std::string null_ignored(const Subject& subject) {
  ModelProbe model(subject);
  model.api().destroy(nullptr);
  model.api().release_tape(model.raw(), nullptr);
  model.infer(model.input(1).view());
  return {};
}

std::string cancellation(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 128);
  const auto expected = model.infer(input.view());
  std::vector<Looks> all;
  const auto infer = [&](const ProbeTensor& images, const std::vector<float>& right_ones) -> StoppableWork {
    return [&](const osteon_call* call, bool* right) {
      ModelProbe::Options options;
      options.flags = OSTEON_FORWARD_PLAIN;
      const ForwardResult result = model.forward(images.view(), options, call);
      *right = result.outcome.ok() && difference(right_ones, values_of(result.outputs[0].view())).worst == 0;
      expect(result.outcome.ok() || result.outputs[0].empty(), "a cancelled forward filled in its output");
      return result.outcome;
    };
  };
  std::unique_ptr<ProbeTensor> many;
  std::vector<float> expected_of_many;
  all.push_back(expect_cancellable("inference", infer(input, expected), [&] {
    // Within itself a network has many times as many.
    many = std::make_unique<ProbeTensor>(model.input(1, 1, 1024));
    expected_of_many = model.infer(many->view());
    return infer(*many, expected_of_many);
  }));
  many.reset();
  if (!model.trains()) return report_of(all);
  std::vector<float> trained;
  all.push_back(expect_cancellable("training forward", [&](const osteon_call* call, bool* right) {
    ModelProbe::Options options;
    options.mode = OSTEON_MODE_TRAINING;
    ForwardResult result = model.forward(input.view(), options, call);
    model.release(result);
    if (!result.outcome.ok()) return result.outcome;
    const auto values = values_of(result.outputs[0].view());
    if (trained.empty()) trained = values;
    *right = difference(trained, values).worst <= 1e-4 * (1e-3 + greatest(trained));
    return result.outcome;
  }));
  std::vector<std::vector<float>> gradients;
  all.push_back(expect_cancellable("backward", [&](const osteon_call* call, bool* right) {
    model.zero_gradients();
    ForwardResult result = model.train(input.view());
    const auto grads = cotangents(result.outputs);
    const Outcome outcome = model.backward(result.tape, views_of(grads), nullptr, nullptr, nullptr, call);
    model.release(result);
    if (!outcome.ok()) return outcome;
    const auto got = model.gradients();
    if (gradients.empty()) gradients = got;
    *right = true;
    for (std::size_t i = 0; i < got.size(); ++i)
      *right = *right && difference(gradients[i], got[i]).worst <= 1e-2 * (1e-3 + greatest(gradients[i]));
    return outcome;
  }));
  const Difference apart = difference(expected, model.infer(input.view()));
  // Training forwards move running statistics, so only the size of the logits can be told.
  expect(std::isfinite(apart.worst), "after cancelled calls inference gives NaN");
  return report_of(all);
}

std::string speed_and_memory(const Subject& subject) {
  const double before = peak_resident_mib();
  ModelProbe model(subject);
  const std::int64_t numbers = model.weight_count();
  const ProbeTensor input = model.input(1, 1, 256), batch = model.input(2, 1, 256);
  model.infer(input.view());
  const double predict = best_milliseconds(3, [&] { model.infer(input.view()); });
  std::string report = fmt::format("{} weights; [{}, {}, {}] on 1 thread: forward of 1 {:.1f} ms", numbers,
                                   model.info().in_channels, model.side(256), model.side(256), predict);
  // Two images: batch normalization of pooled maps needs more than one value a channel.
  if (model.trains())
    report += fmt::format(", training step of 2 {:.1f} ms", best_milliseconds(2, [&] { model.step(batch.view()); }));
  return report + fmt::format("; +{:.0f} MiB", peak_resident_mib() - before);
}

}  // namespace

const std::vector<Check>& model_host_checks() {
  static const std::vector<Check> checks = {
      {"instances-independent", "two instances that train at once in two threads do what each does alone",
       instances_independent},
      {"concurrent-inference", "inference forwards at once on one instance give what they give alone",
       concurrent_inference},
      {"no-growth", "memory does not grow with forwards, steps, unused tapes and refusals", no_growth},
      {"errors-leave-nothing", "what fails leaves no output and no tape", errors_leave_nothing},
      {"null-ignored", "destroy and release_tape ignore NULL", null_ignored},
      {"cancellation", "a call of a model that is stopped returns CANCELLED or had finished", cancellation},
      {"speed-and-memory", "what a forward and a training step cost, measured", speed_and_memory},
  };
  return checks;
}

}  // namespace osteon::validate
