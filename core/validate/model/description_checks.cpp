// SPDX-License-Identifier: Apache-2.0
// What a model says of itself, its tensors and its initial weights.
#include <cmath>
#include <set>

#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

// Whether an output's role and its numbers go together.
void expect_output_well_formed(const osteon_model_output& output, std::size_t index, const ModelAsk& ask) {
  expect(output.name != nullptr && output.name[0] != '\0', "output {} has no name", index);
  const bool main = index == 0;
  expect(output.role >= OSTEON_OUTPUT_MAIN && output.role <= OSTEON_OUTPUT_PRESENCE,
         "output '{}' has the role {}, which is none", output.name, output.role);
  expect((output.role == OSTEON_OUTPUT_MAIN) == main,
         "output '{}' is number {} and has the role {}; the main output is the first, and no other", output.name, index,
         output.role);
  const bool presence = output.role == OSTEON_OUTPUT_PRESENCE;
  expect(presence ? output.stride == 0 : output.stride >= 1,
         "output '{}' has stride {}, expected 0 for one logit per image and 1 or more for a grid", output.name,
         output.stride);
  expect(output.channels == ask.n_classes, "output '{}' has {} channels, expected one per class, {}", output.name,
         output.channels, ask.n_classes);
  expect(std::isfinite(output.loss_weight) && output.loss_weight >= 0,
         "output '{}' has loss weight {}, expected a finite number, not negative", output.name, output.loss_weight);
}

std::string info_well_formed(const Subject& subject) {
  ModelAsk ask(subject);
  ask.n_classes = subject.classes.value_or(5);
  const ModelProbe model(subject, ask);
  const osteon_model_info info = model.info();
  expect(info.in_channels == ask.in_channels && info.n_classes == ask.n_classes,
         "info says {} channels and {} classes, asked for were {} and {}", info.in_channels, info.n_classes,
         ask.in_channels, ask.n_classes);
  std::set<std::string> names;
  for (std::size_t i = 0; i < model.n_outputs(); ++i) {
    const osteon_model_output output = model.output(i);
    expect_output_well_formed(output, i, ask);
    expect(names.insert(output.name).second, "two outputs are called '{}'", output.name);
  }
  expect(model.api().info(model.raw()) == model.api().info(model.raw()),
         "info returned another pointer the second time");
  return fmt::format("{} outputs, sizes in multiples of {}", info.n_outputs, info.size_multiple);
}

// Throws for a gradient that does not fit its parameter.
void expect_gradient_well_formed(const osteon_named_tensor& tensor) {
  const std::string name = tensor.name;
  expect(tensor.grad.dtype == sdk::dtype_of<float>(), "the gradient of '{}' is {}, expected float32", name,
         sdk::to_string(tensor.grad.dtype));
  expect_canonical(tensor.grad, "the gradient of '" + name + "'");
  expect(sdk::shape_text(tensor.grad) == sdk::shape_text(tensor.value),
         "the gradient of '{}' has shape {}, the parameter {}", name, sdk::shape_text(tensor.grad),
         sdk::shape_text(tensor.value));
  expect(tensor.grad.data != tensor.value.data || sdk::element_count(tensor.value) == 0,
         "'{}' and its gradient are one memory", name);
}

std::string tensors_well_formed(const Subject& subject) {
  ModelProbe model(subject);
  const bool trains = model.trains();
  std::set<std::string> names;
  std::int64_t parameters = 0, buffers = 0, placed = 0;
  for (const osteon_named_tensor& tensor : model.tensors()) {
    expect(tensor.name != nullptr && tensor.name[0] != '\0', "a tensor has no name");
    const std::string name = tensor.name;
    expect(names.insert(name).second, "two tensors are called '{}'", name);
    expect_canonical(tensor.value, "'" + name + "'");
    expect(tensor.part <= OSTEON_PART_HEAD, "'{}' is of the part {}, which is none", name, tensor.part);
    expect(tensor.depth >= -1, "'{}' has the depth {}, expected -1 for unknown, or 0 and more", name, tensor.depth);
    placed += tensor.part != OSTEON_PART_UNKNOWN ? 1 : 0;
    if (tensor.role == OSTEON_TENSOR_BUFFER) {
      ++buffers;
      expect(tensor.grad.data == nullptr, "buffer '{}' has a gradient", name);
      continue;
    }
    expect(tensor.role == OSTEON_TENSOR_PARAMETER, "'{}' has the unknown role {}", name, tensor.role);
    ++parameters;
    expect(tensor.value.dtype == sdk::dtype_of<float>(), "parameter '{}' is {}, expected float32", name,
           sdk::to_string(tensor.value.dtype));
    if (trains) expect_gradient_well_formed(tensor);
  }
  return fmt::format("{} parameters, {} buffers; {} say their part", parameters, buffers, placed);
}

std::string weights_finite(const Subject& subject) {
  const ModelProbe model(subject);
  for (const osteon_named_tensor& tensor : model.tensors()) {
    if (tensor.value.dtype != sdk::dtype_of<float>()) continue;
    const auto values = values_of(tensor.value);
    const std::size_t at = first_not_finite(values);
    expect(at == values.size(), "'{}' has {} at element {} after create", tensor.name, values[at], at);
  }
  return {};
}

std::string seed_decides_weights(const Subject& subject) {
  ModelAsk ask(subject);
  const ModelProbe first(subject, ask), second(subject, ask);
  ask.seed = 8;
  const ModelProbe other(subject, ask);
  const auto list = first.tensors();
  const auto a = first.state(), b = second.state(), c = other.state();
  expect(a.size() == b.size() && a.size() == c.size(), "instances have {}, {} and {} tensors", a.size(), b.size(),
         c.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    expect(a[i] == b[i], "'{}' differs between two models of seed 7", list[i].name);
  std::int64_t numbers = 0;
  for (const osteon_named_tensor& parameter : first.parameters()) numbers += sdk::element_count(parameter.value);
  if (numbers == 0) return "no parameters";
  if (a == c && !subject.parameters.empty())
    skip("seeds 7 and 8 give the same weights; they may come from what --set names");
  expect(a != c, "models of seeds 7 and 8 have the same weights, {} of them; the request's seed is not used", numbers);
  return {};
}

std::string state_round_trip(const Subject& subject) {
  ModelAsk ask(subject);
  ModelProbe first(subject, ask);
  const ProbeTensor input = first.input(2, 1, 64);
  // So that buffers are no longer as they were made.
  if (first.trains()) first.step(input.view());
  first.changed();
  const auto expected = first.infer(input.view());
  ask.seed = 8;
  ModelProbe second(subject, ask);
  second.load_state(first.state());
  const Difference apart = difference(expected, second.infer(input.view()));
  expect(apart.worst <= 1e-6 * (1 + greatest(expected)),
         "all tensors of a model were copied into another, and its logits differ {}; something that it predicts with "
         "is not among its tensors",
         apart.describe());
  return {};
}

}  // namespace

const std::vector<Check>& model_description_checks() {
  static const std::vector<Check> checks = {
      {"info-well-formed", "info says what was asked for; outputs have names, roles, strides and finite weights",
       info_well_formed},
      {"tensors-well-formed",
       "tensors have unique names, aligned row-major float32 values and gradients of their shape", tensors_well_formed},
      {"weights-finite", "initial weights and buffers are finite", weights_finite},
      {"seed-decides-weights", "the same seed gives the same weights, another seed others", seed_decides_weights},
      {"state-round-trip", "tensors hold all state: copied into another instance they give the same logits",
       state_round_trip},
  };
  return checks;
}

}  // namespace osteon::validate
