// SPDX-License-Identifier: Apache-2.0
// What the forwards of a model give.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <thread>

#include <fmt/ranges.h>

#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

void expect_output(const ModelProbe& model, std::size_t index, const osteon_tensor_view& input,
                   const sdk::OwnedTensor& output, const std::string& what) {
  const std::string name = fmt::format("{}: output '{}'", what, model.output(index).name);
  const osteon_tensor_view& view = output.view();
  expect(!output.empty() && view.ndim == 4 && view.shape != nullptr, "{} is not [N, K, H, W] of the caller's", name);
  const std::vector<std::int64_t> expected = model.shape_of(index, input);
  expect(std::equal(expected.begin(), expected.end(), view.shape), "{} has shape {}, expected [{}]", name,
         sdk::shape_text(view), fmt::join(expected, ", "));
  expect(view.dtype == sdk::dtype_of<float>(), "{} is {}, expected float32 in precision float32", name,
         sdk::to_string(view.dtype));
  const auto values = values_of(view);
  const std::size_t at = first_not_finite(values);
  expect(at == values.size(), "{} has {} at element {} for an input in -1..1", name, values[at], at);
}

// Every size, batch, number of channels and of classes that a host asks for.
std::string output_shapes(const Subject& subject) {
  using Counts = std::vector<std::int64_t>;
  int forwards = 0;
  std::string refused;
  const ModelAsk usual(subject);
  for (const std::int64_t channels : subject.channels ? Counts{*subject.channels} : Counts{1, 3, 4}) {
    ModelAsk ask(subject);
    ask.in_channels = channels;
    Outcome why;
    const auto model = ModelProbe::make(subject, ask, &why);
    if (model == nullptr) {
      expect_refused(why, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED},
                     fmt::format("create of {} channels", channels));
      refused += fmt::format("{}{} channels", refused.empty() ? "" : ", ", channels);
      continue;
    }
    for (const std::int64_t classes : subject.classes ? Counts{*subject.classes} : Counts{1, 3, 33}) {
      if (channels != usual.in_channels && classes != usual.n_classes) continue;
      ask.n_classes = classes;
      ModelProbe probe(subject, ask);
      const std::int64_t side = probe.side(), multiple = probe.info().size_multiple;
      for (const auto& [n, height, width] :
           {std::array<std::int64_t, 3>{1, side, side}, std::array<std::int64_t, 3>{2, side, side + multiple},
            std::array<std::int64_t, 3>{1, side + 2 * multiple, side}}) {
        const ProbeTensor input = ProbeTensor::random({n, channels, height, width}, 1);
        const std::string what = fmt::format("inference at {}", sdk::shape_text(input.view()));
        const ForwardResult result = probe.forward(input.view(), {});
        expect_ok(result.outcome, what);
        expect_output(probe, 0, input.view(), result.outputs[0], what);
        ++forwards;
      }
      if (!probe.trains()) continue;
      const ProbeTensor input = probe.input(2, 1, 64);
      ForwardResult result = probe.train(input.view());
      for (std::size_t i = 0; i < result.outputs.size(); ++i)
        expect_output(probe, i, input.view(), result.outputs[i],
                      fmt::format("training at {}", sdk::shape_text(input.view())));
      probe.release(result);
      ++forwards;
    }
  }
  expect(forwards > 0, "create refused 1, 3 and 4 channels; a model takes at least one of them");
  return fmt::format("{} forwards{}{}", forwards, refused.empty() ? "" : "; refuses ", refused);
}

// A padded output, or one of another type than it says, is read as what it is not.
std::string outputs_canonical(const Subject& subject) {
  ModelProbe model(subject);
  std::size_t count = 0;
  const auto look = [&](const ForwardResult& result, const char* what) {
    expect_ok(result.outcome, what);
    for (std::size_t i = 0; i < result.outputs.size(); ++i, ++count) {
      const std::string name = fmt::format("{}: output '{}'", what, model.output(i).name);
      expect(!result.outputs[i].empty(), "{} has no release; every output is owned by the caller", name);
      expect_canonical(result.outputs[i].view(), name);
    }
  };
  const ProbeTensor input = model.input(2, 1, 64);
  ModelProbe::Options options;
  for (const std::uint32_t flags : {std::uint32_t{0}, std::uint32_t{OSTEON_FORWARD_PLAIN}}) {
    options.flags = flags;
    look(model.forward(input.view(), options), "inference");
  }
  if (!model.trains()) return fmt::format("{} outputs", count);
  ForwardResult result = model.train(input.view(), 3, OSTEON_FORWARD_INPUT_GRADIENT);
  look(result, "training");
  const auto grads = cotangents(result.outputs);
  sdk::OwnedTensor grad_input;
  const Outcome outcome = model.backward(result.tape, views_of(grads), nullptr, nullptr, grad_input.out());
  model.release(result);
  expect_ok(outcome, "backward");
  expect(!grad_input.empty(), "backward returned OK without the gradient of the input that it was asked for");
  expect_canonical(grad_input.view(), "the gradient of the input");
  return fmt::format("{} outputs", count);
}

std::string all_outputs(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  ModelProbe::Options options;
  for (const std::uint32_t plain : {std::uint32_t{OSTEON_FORWARD_PLAIN}, std::uint32_t{0}}) {
    const auto main = model.infer(input.view(), plain);
    options.flags = OSTEON_FORWARD_ALL_OUTPUTS | plain;
    const ForwardResult result = model.forward(input.view(), options);
    expect_ok(result.outcome, "inference with OSTEON_FORWARD_ALL_OUTPUTS");
    for (std::size_t i = 0; i < result.outputs.size(); ++i)
      expect_output(model, i, input.view(), result.outputs[i], "inference with OSTEON_FORWARD_ALL_OUTPUTS");
    const Difference apart = difference(main, values_of(result.outputs[0].view()));
    expect(apart.worst <= 2e-4 * (1e-3 + greatest(main)), "asked for all outputs the main one is another, {}",
           apart.describe());
  }
  return fmt::format("{} outputs", model.n_outputs());
}

// In the bit patterns of released memory; reading on needs no luck, for the outputs are alive.
std::string outputs_owned(const Subject& subject) {
  auto model = std::make_unique<ModelProbe>(subject);
  const ProbeTensor input = model->input(2, 1, 64);
  std::vector<sdk::OwnedTensor> kept;
  std::vector<std::vector<float>> before;
  const auto keep = [&](ForwardResult& result) {
    for (sdk::OwnedTensor& output : result.outputs) {
      expect(!output.empty(), "an output has no release; every output is owned by the caller");
      before.push_back(values_of(output.view()));
      kept.push_back(std::move(output));
    }
  };
  for (const std::uint64_t seed : {1, 2}) {
    const ProbeTensor other = model->input(2, seed, 64);
    ForwardResult inference = model->forward(other.view(), {});
    expect_ok(inference.outcome, "inference forward");
    keep(inference);
    if (!model->trains()) continue;
    ForwardResult training = model->train(other.view());
    keep(training);
    model->release(training);
  }
  if (model->trains()) model->step(input.view());
  const auto begin = [&kept](std::size_t i) { return static_cast<const char*>(kept[i].view().data); };
  for (std::size_t i = 0; i < kept.size(); ++i)
    for (std::size_t j = 0; j < kept.size(); ++j)
      expect(i == j || begin(j) < begin(i) || begin(j) >= begin(i) + 4 * before[i].size(),
             "an output lies in the memory of another, at {}", kept[j].view().data);
  const auto compare = [&](const char* when) {
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const Difference apart = difference(before[i], values_of(kept[i].view()));
      expect(apart.worst == 0, "output {} of an earlier forward changed {}, {}", i, when, apart.describe());
    }
  };
  compare("while the model worked on");
  model.reset();
  compare("when the model was destroyed");
  std::thread([&kept] { kept.clear(); }).join();
  return fmt::format("{} outputs", before.size());
}

std::string inference_repeats(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(1);
  const auto first = model.infer(input.view());
  model.infer(model.input(1, 2).view());
  const Difference apart = difference(first, model.infer(input.view()));
  expect(apart.worst == 0, "the same input gave other logits the second time, {}", apart.describe());
  return {};
}

// A plugin may measure, compile and change its mind as forwards of one shape go by.
std::string compiled_equals_plain(const Subject& subject) {
  constexpr int kForwards = 14;
  ModelProbe model(subject);
  const ProbeTensor input = model.input(1, 1, 64);
  const auto plain = model.infer(input.view(), OSTEON_FORWARD_PLAIN);
  const double allowed = 2e-4 * (1e-3 + greatest(plain));
  double worst = 0;
  for (int i = 0; i < kForwards; ++i) {
    const Difference apart = difference(plain, model.infer(input.view(), 0));
    expect(apart.worst <= allowed,
           "forward {} without OSTEON_FORWARD_PLAIN differs from the plain one by more than {:.3g}, {}", i + 1, allowed,
           apart.describe());
    worst = std::max(worst, apart.worst);
  }
  return fmt::format("worst difference of {} forwards {:.2g}", kForwards, worst);
}

struct Precision {
  std::uint32_t number;
  const char* name;
  osteon_dtype type;  // of logits; float32 is always allowed
};
constexpr Precision kHalves[] = {{OSTEON_PRECISION_FLOAT16, "float16", {OSTEON_DTYPE_FLOAT, 16, 1}},
                                 {OSTEON_PRECISION_BFLOAT16, "bfloat16", {OSTEON_DTYPE_BFLOAT, 16, 1}}};

// How far half precisions may be from float32, as a part of the spread of the logits. A weight that is rounded to
// bfloat16 is off by 2^-9 of itself, and a network with untrained weights may be a hundred layers deep; where a
// processor has no instructions for them, libraries also add up in them. What is wrong, and not only rounded, is off by
// all of it.
constexpr double kHalfDistance = 0.5;

// Root mean square of the difference over the standard deviation of what was expected.
double relative_distance(const std::vector<float>& expected, const std::vector<float>& got) {
  if (expected.size() != got.size() || first_not_finite(got) < got.size())
    return std::numeric_limits<double>::infinity();
  const auto n = static_cast<double>(std::max<std::size_t>(1, expected.size()));
  double sum = 0, squares = 0, apart = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = expected[i], d = e - got[i];
    sum += e, squares += e * e, apart += d * d;
  }
  const double variance = std::max(0.0, squares / n - sum / n * (sum / n));
  return std::sqrt(apart / n) / (1e-3 + std::sqrt(variance));
}

std::string precisions(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const auto reference = model.infer(input.view());
  const bool trains = model.trains();
  std::string report;
  for (const Precision& precision : kHalves) {
    for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING}) {
      if (mode == OSTEON_MODE_TRAINING && !trains) continue;
      ModelProbe::Options options;
      options.mode = mode;
      options.precision = precision.number;
      ForwardResult result = model.forward(input.view(), options);
      model.release(result);
      const std::string what =
          fmt::format("{} in precision {}", mode == OSTEON_MODE_INFERENCE ? "inference" : "training", precision.name);
      if (!result.outcome.ok()) {
        expect_refused(result.outcome, {OSTEON_UNSUPPORTED}, what);
        if (mode == OSTEON_MODE_INFERENCE)
          report += fmt::format("{}{} refused", report.empty() ? "" : ", ", precision.name);
        continue;
      }
      expect(subject.component.supports_dtype(precision.type), "{} works, but the component does not list {}", what,
             precision.name);
      const osteon_dtype got = result.outputs[0].view().dtype;
      expect(got == precision.type || got == sdk::dtype_of<float>(), "{} gave {}, expected {} or float32", what,
             sdk::to_string(got), precision.name);
      if (mode == OSTEON_MODE_TRAINING) continue;
      const double apart = relative_distance(reference, values_of(result.outputs[0].view()));
      expect(apart <= kHalfDistance,
             "{} is far from float32: it is off by {:.2g} of the logits' own spread, {} is borne", what, apart,
             kHalfDistance);
      report += fmt::format("{}{} off by {:.2g}", report.empty() ? "" : ", ", precision.name, apart);
    }
  }
  return report;
}

// A host asks for it whatever the device is; without units for it, it is float32.
std::string tf32_taken(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const auto reference = model.infer(input.view());
  const bool trains = model.trains();
  for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING}) {
    if (mode == OSTEON_MODE_TRAINING && !trains) continue;
    ModelProbe::Options options;
    options.mode = mode;
    options.flags = mode == OSTEON_MODE_INFERENCE ? OSTEON_FORWARD_PLAIN : 0;
    options.precision = OSTEON_PRECISION_TF32;
    ForwardResult result = model.forward(input.view(), options);
    model.release(result);
    expect_ok(result.outcome, fmt::format("{} in precision TF32, which on the CPU is float32,",
                                          mode == OSTEON_MODE_INFERENCE ? "inference" : "training"));
    if (mode == OSTEON_MODE_TRAINING) continue;
    const Difference apart = difference(reference, values_of(result.outputs[0].view()));
    expect(apart.worst <= 2e-4 * (1e-3 + greatest(reference)), "on the CPU TF32 is not what float32 is, {}",
           apart.describe());
  }
  return {};
}

}  // namespace

const std::vector<Check>& model_output_checks() {
  static const std::vector<Check> checks = {
      {"output-shapes", "outputs have the promised shapes and types at all batches, sizes, channels and classes",
       output_shapes},
      {"outputs-owned",
       "outputs are the caller's: unchanged by later work, alive after destroy, released on any thread", outputs_owned},
      {"outputs-canonical", "what a forward and a backward give is canonical: row-major without gaps, aligned",
       outputs_canonical},
      {"all-outputs", "inference gives all outputs when it is asked to", all_outputs},
      {"inference-repeats", "the same input gives the same logits, bit by bit", inference_repeats},
      {"compiled-equals-plain", "every inference forward gives what the plain path gives", compiled_equals_plain},
      {"precisions", "half precisions are near float32 and listed, or UNSUPPORTED", precisions},
      {"tf32-taken", "TF32 is taken, and on the CPU it is float32", tf32_taken},
  };
  return checks;
}

}  // namespace osteon::validate
