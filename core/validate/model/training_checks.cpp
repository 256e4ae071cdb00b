// SPDX-License-Identifier: Apache-2.0
// Tapes, gradients that add up, freezing, and weights that the host changes.
#include <algorithm>
#include <cmath>
#include <mutex>

#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

using Gradients = std::vector<std::vector<float>>;

double greatest_of(const Gradients& gradients) {
  double most = 0;
  for (const auto& gradient : gradients) most = std::max(most, greatest(gradient));
  return most;
}

/// Fails where `got` differs from factor * expected by more than a share of the tensor's greatest gradient. Tensors
/// whose gradient is rounding alone, such as a bias before a normalisation, are measured by a hundredth of the model's
/// greatest.
void expect_gradients(const ModelProbe& model, const Gradients& expected, const Gradients& got, float factor,
                      double tolerance, const std::string& what) {
  const auto parameters = model.parameters();
  const double overall = greatest_of(expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::vector<float> scaled = expected[i];
    for (float& value : scaled) value *= factor;
    const Difference apart = difference(scaled, got[i]);
    expect(apart.worst <= tolerance * (greatest(scaled) + 1e-2 * overall), "{}: the gradient of '{}' {}", what,
           parameters[i].name, apart.describe());
  }
}

std::string training_repeats(const Subject& subject) {
  ModelProbe first(subject), second(subject);
  const ProbeTensor input = first.input(2, 1, 64);
  const auto forward = [&input](ModelProbe& model) {
    ForwardResult result = model.train(input.view(), 11);
    auto values = values_of(result.outputs[0].view());
    model.release(result);
    return values;
  };
  const auto expected = forward(first);
  Difference apart = difference(expected, forward(second));
  expect(apart.worst == 0, "two models of one seed gave other logits in training with the same seed, {}",
         apart.describe());
  first.step(input.view(), 11);
  second.step(input.view(), 11);
  expect_gradients(first, first.gradients(), second.gradients(), 1, 0, "a training step with the same seed");
  const auto a = first.state(), b = second.state();
  const auto list = first.tensors();
  for (std::size_t i = 0; i < a.size(); ++i)
    expect(a[i] == b[i], "after the same training step '{}' differs between two models", list[i].name);
  return {};
}

std::string gradients_accumulate(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const auto buffers = model.state();
  model.step(input.view(), 3);
  const Gradients once = model.gradients();
  model.load_state(buffers);
  model.step(input.view(), 3, /*add=*/true);
  expect_gradients(model, once, model.gradients(), 2, 1e-4,
                   "after two equal backwards without zeroing, expected twice");
  return {};
}

std::string heads_optional(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const auto state = model.state();
  const std::size_t heads = static_cast<std::size_t>(model.info().n_outputs);
  const auto run = [&](const std::vector<bool>& counts) {
    model.load_state(state);
    model.zero_gradients();
    ForwardResult result = model.train(input.view());
    const auto grads = cotangents(result.outputs);
    std::vector<const osteon_tensor_view*> views = views_of(grads);
    for (std::size_t i = 0; i < heads; ++i)
      if (!counts[i]) views[i] = nullptr;
    const Outcome outcome = model.backward(result.tape, views);
    model.release(result);
    expect_ok(outcome, "backward with NULL for some outputs");
    return model.gradients();
  };
  expect(greatest_of(run(std::vector<bool>(heads, false))) == 0,
         "backward with NULL for every output made gradients that are not 0");
  Gradients sum;
  for (std::size_t head = 0; head < heads; ++head) {
    std::vector<bool> counts(heads, false);
    counts[head] = true;
    const Gradients part = run(counts);
    if (sum.empty()) sum.assign(part.size(), {});
    for (std::size_t i = 0; i < part.size(); ++i) {
      sum[i].resize(part[i].size(), 0);
      for (std::size_t p = 0; p < part[i].size(); ++p) sum[i][p] += part[i][p];
    }
  }
  expect_gradients(model, run(std::vector<bool>(heads, true)), sum, 1, 1e-3,
                   "gradients of the outputs one by one do not add up to those of all");
  return fmt::format("{} outputs", heads);
}

/// What was reported ready, and what the gradient was then.
struct Reports {
  std::vector<osteon_named_tensor> tensors;
  std::mutex mutex;
  std::vector<int> counts;
  std::vector<std::vector<float>> then;
  std::uint64_t beyond = 0;
  int on_streams = 0;
};

std::string gradient_ready(const Subject& subject) {
  ModelProbe model(subject);
  if (!model.trains()) skip("the model is there for prediction alone");
  const ProbeTensor input = model.input(2, 1, 64);
  Reports reports;
  reports.tensors = model.tensors();
  reports.counts.assign(reports.tensors.size(), 0);
  reports.then.assign(reports.tensors.size(), {});
  const auto ready = [](void* user, std::uint64_t index, void* stream) {
    auto& all = *static_cast<Reports*>(user);
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.on_streams += stream != nullptr ? 1 : 0;
    if (index >= all.counts.size()) {
      all.beyond = std::max(all.beyond, index);
      return;
    }
    ++all.counts[index];
    const osteon_named_tensor& tensor = all.tensors[index];
    if (tensor.role == OSTEON_TENSOR_PARAMETER) all.then[index] = values_of(tensor.grad);
  };
  model.zero_gradients();
  ForwardResult result = model.train(input.view());
  const auto grads = cotangents(result.outputs);
  const Outcome outcome = model.backward(result.tape, views_of(grads), ready, &reports);
  model.release(result);
  expect_ok(outcome, "backward with gradient_ready");
  const auto& tensors = reports.tensors;
  expect(reports.beyond == 0, "gradient_ready was called for tensor {} of {}", reports.beyond, tensors.size());
  expect(reports.on_streams == 0, "gradient_ready named a stream {} times; on the CPU there is none",
         reports.on_streams);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool parameter = tensors[i].role == OSTEON_TENSOR_PARAMETER;
    expect(parameter || reports.counts[i] == 0, "gradient_ready was called for the buffer '{}'", tensors[i].name);
    expect(reports.counts[i] <= 1, "gradient_ready was called {} times for '{}', expected at most once",
           reports.counts[i], tensors[i].name);
    if (!parameter) continue;
    expect(reports.counts[i] == 1, "gradient_ready was not called for '{}'; hosts wait for every trained parameter",
           tensors[i].name);
    const Difference apart = difference(values_of(tensors[i].grad), reports.then[i]);
    expect(apart.worst == 0, "the gradient of '{}' still changed after it was reported ready, {}", tensors[i].name,
           apart.describe());
  }
  return {};
}

std::string set_trainable_freezes(const Subject& subject) {
  ModelProbe model(subject);
  if (!model.trains()) skip("the model is there for prediction alone");
  const ProbeTensor input = model.input(2, 1, 64);
  const std::vector<std::uint64_t> all = model.parameter_indices();
  if (all.empty()) skip("the model has no parameters");
  const auto state = model.state();
  model.step(input.view());
  const Gradients before = model.gradients();

  // A weight and what follows it: the last half trains, so that gradients still flow to the trained ones alone.
  const std::size_t frozen = all.size() / 2;
  model.set_trainable({all.begin() + static_cast<std::ptrdiff_t>(frozen), all.end()});
  model.load_state(state);
  model.step(input.view());
  const Gradients after = model.gradients();
  const auto tensors = model.tensors();
  for (std::size_t i = 0; i < frozen; ++i)
    expect(after[i].empty() || sdk::element_count(tensors[all[i]].value) == 0,
           "'{}' is frozen, and has a gradient after backward", tensors[all[i]].name);
  // Normalisation that is frozen now uses its running statistics, so the others' values may differ; that they have a
  // gradient may not.
  for (std::size_t i = frozen; i < after.size(); ++i)
    expect(greatest(after[i]) > 0 || greatest(before[i]) == 0, "'{}' is trained, and its gradient is 0",
           tensors[all[i]].name);

  model.set_trainable(all);
  model.load_state(state);
  model.step(input.view());
  expect_gradients(model, before, model.gradients(), 1, 1e-4, "after all were made trainable again");
  const std::uint64_t wrong = tensors.size();
  expect_refused(model.try_set_trainable({wrong}), {OSTEON_INVALID_ARGUMENT},
                 fmt::format("set_trainable of tensor {} of {}", wrong, wrong));
  return {};
}

std::string parameters_changed(const Subject& subject) {
  ModelProbe model(subject);
  const auto parameters = model.parameters();
  if (parameters.empty()) skip("the model has no parameters");
  const ProbeTensor input = model.input(1, 1, 64);
  // Until whatever the model compiles or packs is there.
  for (int i = 0; i < 12; ++i) model.infer(input.view(), 0);
  const auto before = model.infer(input.view(), 0);
  for (int change = 0; change < 2; ++change) {
    for (const osteon_named_tensor& parameter : parameters) {
      auto* data = static_cast<float*>(parameter.value.data);
      for (std::int64_t i = 0; i < sdk::element_count(parameter.value); ++i)
        data[i] += 0.02f * (1 + std::abs(data[i])) * (i % 2 == 0 ? 1.0f : -0.5f);
    }
    model.changed();
    const auto expected = model.infer(input.view(), OSTEON_FORWARD_PLAIN);
    const double allowed = 1e-3 * (1e-3 + greatest(expected));
    expect(difference(before, expected).worst > 0,
           "all weights were changed, and the plain forward gives what it gave before");
    for (int i = 0; i < 4; ++i) {
      const Difference apart = difference(expected, model.infer(input.view(), 0));
      expect(apart.worst <= allowed,
             "forward {} after parameters_changed differs from the plain one by more than {:.3g}, {}; what was made "
             "from the old weights is still used",
             i + 1, allowed, apart.describe());
    }
  }
  return {};
}

std::string tape_used_once(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  ForwardResult result = model.train(input.view());
  const auto grads = cotangents(result.outputs);
  const Outcome first = model.backward(result.tape, views_of(grads));
  const Outcome second = model.backward(result.tape, views_of(grads));
  model.release(result);
  expect_ok(first, "the first backward of a tape");
  expect_refused(second, {OSTEON_INVALID_ARGUMENT}, "the second backward of a tape");
  model.step(input.view());
  return {};
}

std::string tape_after_failure(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const auto state = model.state();
  model.step(input.view());
  const Gradients expected = model.gradients();
  model.load_state(state);
  ForwardResult result = model.train(input.view());
  std::vector<ProbeTensor> wrong;
  for (std::size_t i = 0; i < result.outputs.size(); ++i)
    wrong.emplace_back(std::vector<std::int64_t>{1, model.info().n_classes, 3, 5});
  const Outcome failed = model.backward(result.tape, views_of(wrong));
  const Outcome count = model.backward(result.tape, std::vector<const osteon_tensor_view*>(result.outputs.size() + 1));
  const auto grads = cotangents(result.outputs);
  const Outcome again = model.backward(result.tape, views_of(grads));
  model.release(result);
  expect_refused(failed, {OSTEON_INVALID_ARGUMENT}, "backward with gradients of shape [1, K, 3, 5]");
  expect(!count.ok(), "backward with one gradient more than there are outputs returned OK");
  expect(!again.ok(), "backward of a tape whose backward had failed returned OK; it can only be released");
  model.load_state(state);
  model.step(input.view());
  expect_gradients(model, expected, model.gradients(), 1, 1e-4, "a step after a failed one");
  return {};
}

std::string tape_released_unused(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  const auto state = model.state();
  model.step(input.view());
  const Gradients expected = model.gradients();
  model.load_state(state);
  model.zero_gradients();
  // Two at once, released in the order in which they were made.
  ForwardResult first = model.train(input.view()), second = model.train(input.view());
  expect(first.tape != second.tape, "two training forwards gave one tape");
  model.release(first);
  model.release(second);
  model.api().release_tape(model.raw(), nullptr);
  expect(greatest_of(model.gradients()) == 0, "releasing tapes that were not used changed gradients");
  model.load_state(state);
  model.step(input.view());
  expect_gradients(model, expected, model.gradients(), 1, 1e-4, "a step after tapes that were released unused");
  return {};
}

}  // namespace

const std::vector<Check>& model_training_checks() {
  static const std::vector<Check> checks = {
      {"training-repeats", "a training step with the same seed gives the same logits, gradients and buffers",
       training_repeats},
      {"gradients-accumulate", "backward adds to the gradients that are there", gradients_accumulate},
      {"heads-optional", "outputs whose gradient is NULL do not count, and gradients of outputs add up",
       heads_optional},
      {"gradient-ready", "every trained parameter is reported once, with its final gradient, on no stream",
       gradient_ready},
      {"set-trainable-freezes", "frozen parameters get no gradient, the others do; all can be trained again",
       set_trainable_freezes},
      {"parameters-changed", "inference follows weights that the host changed", parameters_changed},
      {"tape-used-once", "a second backward of a tape is refused", tape_used_once},
      {"tape-after-failure", "a tape whose backward failed can only be released, and the model works on",
       tape_after_failure},
      {"tape-released-unused", "tapes can be released without a backward and leave nothing behind",
       tape_released_unused},
  };
  return checks;
}

}  // namespace osteon::validate
