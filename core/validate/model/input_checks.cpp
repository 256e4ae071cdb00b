// SPDX-License-Identifier: Apache-2.0
// Which inputs and options a model takes, refuses and survives.
#include <algorithm>
#include <limits>

#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

std::string input_unchanged(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const std::vector<float> before = values_of(input.view());
  const auto compare = [&](const char* after) {
    const Difference apart = difference(before, values_of(input.view()));
    expect(apart.worst == 0, "the input was written to in {}, {}", after, apart.describe());
  };
  model.infer(input.view());
  compare("an inference forward");
  model.infer(input.view(), 0);
  compare("a compiled inference forward");
  if (!model.trains()) return "in inference";
  ForwardResult result = model.train(input.view(), 3, OSTEON_FORWARD_INPUT_GRADIENT);
  compare("a training forward");
  const auto grads = cotangents(result.outputs);
  const auto grads_before = values_of(grads[0].view());
  sdk::OwnedTensor grad_input;
  const Outcome outcome = model.backward(result.tape, views_of(grads), nullptr, nullptr, grad_input.out());
  compare("backward");
  const Difference apart = difference(grads_before, values_of(grads[0].view()));
  expect(apart.worst == 0, "backward wrote to the gradient of the main output, {}", apart.describe());
  model.release(result);
  expect_ok(outcome, "backward");
  compare("release_tape");
  return {};
}

// Right, or refused with a text.
void serve_or_refuse(ModelProbe& model, const std::vector<std::int64_t>& shape, bool must_refuse,
                     const std::string& why) {
  const ProbeTensor input = ProbeTensor::random(shape, 1);
  const bool trains = model.trains();
  for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING}) {
    if (mode == OSTEON_MODE_TRAINING && !trains) continue;
    ModelProbe::Options options;
    options.mode = mode;
    ForwardResult result = model.forward(input.view(), options);
    model.release(result);
    const std::string what = fmt::format("{} at {} ({})", mode == OSTEON_MODE_INFERENCE ? "inference" : "training",
                                         sdk::shape_text(input.view()), why);
    if (!result.outcome.ok()) {
      // In training a layer may find itself without enough values to normalise: the library's own failure.
      expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_FAILED}, what);
      expect(!must_refuse || result.outcome.status != OSTEON_FAILED, "{} returned {}, expected INVALID_ARGUMENT", what,
             result.outcome.describe());
      continue;
    }
    expect(!must_refuse, "{} returned OK, expected INVALID_ARGUMENT", what);
    const osteon_tensor_view& output = result.outputs[0].view();
    const std::vector<std::int64_t> expected = model.shape_of(0, input.view());
    expect(output.ndim == 4 && std::equal(expected.begin(), expected.end(), output.shape),
           "{} gave an output of shape {}", what, sdk::shape_text(output));
  }
}

std::string odd_sizes(const Subject& subject) {
  ModelProbe model(subject);
  const std::int64_t multiple = model.info().size_multiple, side = model.side(), channels = model.info().in_channels;
  serve_or_refuse(model, {0, channels, side, side}, false, "no image");
  serve_or_refuse(model, {1, channels, 0, side}, false, "no rows");
  serve_or_refuse(model, {1, channels, multiple, multiple}, false, "the least size that size_multiple allows");
  serve_or_refuse(model, {2, channels, 1, 1}, multiple > 1, "one pixel");
  if (multiple > 1) {
    serve_or_refuse(model, {1, channels, side + 1, side}, true,
                    fmt::format("the height is no multiple of {}", multiple));
    serve_or_refuse(model, {1, channels, side, side + multiple - 1}, true,
                    fmt::format("the width is no multiple of {}", multiple));
    // The host knows what to do only when the text names the multiple.
    const ProbeTensor input = ProbeTensor::random({1, channels, side + 1, side}, 1);
    const Outcome refused = model.forward(input.view(), {}).outcome;
    expect(refused.text.find(std::to_string(multiple)) != std::string::npos,
           "the refusal of a height of {} does not name the multiple {}: {}", side + 1, multiple, refused.describe());
  }
  // It still works.
  model.infer(model.input(1).view());
  return {};
}

std::string wrong_inputs_refused(const Subject& subject) {
  ModelProbe model(subject);
  const std::int64_t side = model.side(), channels = model.info().in_channels;
  serve_or_refuse(model, {1, channels + 1, side, side}, true, "one channel more than the model has");
  serve_or_refuse(model, {1, channels, side, side, 1}, true, "five dimensions");
  const ProbeTensor doubles(sdk::dtype_of<double>(), {1, channels, side, side});
  const ForwardResult result = model.forward(doubles.view(), {});
  expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "forward of a float64 input");
  model.infer(model.input(1).view());
  return {};
}

std::string odd_values(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor good = model.input(2, 1, 64);
  const auto expected = model.infer(good.view());
  const float values[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min(),
                          std::numeric_limits<float>::max()};
  // Statistics of the training forwards take in what they see, so that one is a model of its own.
  ModelProbe trained(subject);
  const bool trains = trained.trains();
  for (const float value : values) {
    const ProbeTensor input = model.input(2, 1, 64);
    for (std::int64_t i = 0; i < input.count(); i += 7) input.data()[i] = value;
    for (const std::uint32_t flags : {std::uint32_t{OSTEON_FORWARD_PLAIN}, std::uint32_t{0}}) {
      ModelProbe::Options options;
      options.flags = flags;
      const ForwardResult result = model.forward(input.view(), options);
      if (!result.outcome.ok())
        expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_BAD_INPUT},
                       fmt::format("inference with {} in the input", value));
    }
    if (!trains) continue;
    ModelProbe::Options options;
    options.mode = OSTEON_MODE_TRAINING;
    ForwardResult result = trained.forward(input.view(), options);
    if (result.outcome.ok()) {
      const auto grads = cotangents(result.outputs);
      const Outcome outcome = trained.backward(result.tape, views_of(grads));
      if (!outcome.ok()) expect(!outcome.text.empty(), "backward with {} in the input failed without a text", value);
    } else {
      expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_BAD_INPUT},
                     fmt::format("training with {} in the input", value));
    }
    trained.release(result);
  }
  const Difference apart = difference(expected, model.infer(good.view()));
  expect(apart.worst <= 1e-5 * (1e-3 + greatest(expected)),
         "after inputs with NaN, infinities and denormals a usual one gives other logits, {}", apart.describe());
  return {};
}

std::string unknown_options_refused(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(1);
  const auto refuse = [&](const ModelProbe::Options& options, const char* what) {
    ForwardResult result = model.forward(input.view(), options);
    model.release(result);
    expect_refused(result.outcome, {OSTEON_UNSUPPORTED}, std::string("forward with ") + what);
  };
  ModelProbe::Options options;
  options.precision = 77;
  refuse(options, "the unknown precision 77");
  options = {};
  options.mode = 77;
  refuse(options, "the unknown mode 77");
  model.infer(input.view());
  return {};
}

}  // namespace

const std::vector<Check>& model_input_checks() {
  static const std::vector<Check> checks = {
      {"input-unchanged", "forward and backward write neither to the input nor to gradients that they are given",
       input_unchanged},
      {"odd-sizes", "empty, single-pixel and unfit sizes work or are refused with a text that names the multiple",
       odd_sizes},
      {"wrong-inputs-refused", "other channels, dimensions and types are refused", wrong_inputs_refused},
      {"odd-values", "NaN, infinities and denormals are survived and leave nothing behind", odd_values},
      {"unknown-options-refused", "unknown precisions and modes are UNSUPPORTED", unknown_options_refused},
  };
  return checks;
}

}  // namespace osteon::validate
