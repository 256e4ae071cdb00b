// SPDX-License-Identifier: Apache-2.0
// What a model says of itself, its tensors and its initial weights.
#include <cmath>
#include <set>

#include "validate/model_probe.hpp"

namespace osteon::validate {
namespace {

std::string info_well_formed(const Subject& subject) {
  ModelAsk ask(subject);
  ask.n_classes = subject.classes.value_or(5);
  const ModelProbe model(subject, ask);
  const osteon_model_info& info = model.info();
  expect(info.in_channels == ask.in_channels && info.n_classes == ask.n_classes,
         "info says {} channels and {} classes, asked for were {} and {}", info.in_channels, info.n_classes,
         ask.in_channels, ask.n_classes);
  expect(info.flags == 0, "info.flags is {:#x}, expected 0", info.flags);
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < info.n_outputs; ++i) {
    const osteon_model_output* output = info.outputs[i];
    expect(output != nullptr && output->name != nullptr && output->name[0] != '\0', "output {} has no name", i);
    expect(names.insert(output->name).second, "two outputs are called '{}'", output->name);
    expect(output->stride >= 1, "output '{}' has stride {}, expected at least 1", output->name, output->stride);
    expect(std::isfinite(output->loss_weight) && output->loss_weight >= 0,
           "output '{}' has loss weight {}, expected a finite number, not negative", output->name, output->loss_weight);
    expect((output->flags & ~std::uint32_t{OSTEON_OUTPUT_ALIGN_CORNERS}) == 0, "output '{}' has unknown flags {:#x}",
           output->name, output->flags);
  }
  expect(model.api().info(model.raw()) == &info, "info returned another pointer the second time");
  return fmt::format("{} outputs, sizes in multiples of {}", info.n_outputs, info.size_multiple);
}

// Throws for what no reader of a view could work with.
void expect_canonical(const osteon_tensor_view& view, const std::string& what) {
  expect(view.ndim >= 0 && (view.ndim == 0 || (view.shape != nullptr && view.strides != nullptr)),
         "{} has no shape or no strides", what);
  expect(view.byte_offset == 0, "{} has byte_offset {}, expected 0", what, view.byte_offset);
  expect(view.device.type == OSTEON_DEVICE_CPU, "{} is on device type {}; models are made on the CPU", what,
         view.device.type);
  for (std::int32_t d = 0; d < view.ndim; ++d)
    expect(view.shape[d] >= 0 && view.strides[d] >= 0, "{} has size {} and stride {} in dimension {}", what,
           view.shape[d], view.strides[d], d);
  expect(sdk::is_contiguous(view), "{} of shape {} is not row-major without gaps", what, sdk::shape_text(view));
  if (sdk::element_count(view) == 0) return;
  expect(view.data != nullptr, "{} has no data", what);
  expect(reinterpret_cast<std::uintptr_t>(view.data) % 64 == 0, "{} lies at {}, not aligned to 64 bytes", what,
         view.data);
}

std::string tensors_well_formed(const Subject& subject) {
  const ModelProbe model(subject);
  std::set<std::string> names;
  std::int64_t parameters = 0, buffers = 0;
  for (const osteon_named_tensor* tensor : model.tensors()) {
    expect(tensor != nullptr && tensor->name != nullptr && tensor->name[0] != '\0', "a tensor has no name");
    const std::string name = tensor->name;
    expect(names.insert(name).second, "two tensors are called '{}'", name);
    expect_canonical(tensor->value, "'" + name + "'");
    if (tensor->role == OSTEON_TENSOR_BUFFER) {
      ++buffers;
      expect(tensor->grad.data == nullptr, "buffer '{}' has a gradient", name);
      continue;
    }
    expect(tensor->role == OSTEON_TENSOR_PARAMETER, "'{}' has the unknown role {}", name, tensor->role);
    ++parameters;
    expect(tensor->value.dtype == sdk::dtype_of<float>(), "parameter '{}' is {}, expected float32", name,
           sdk::to_string(tensor->value.dtype));
    expect(tensor->grad.dtype == sdk::dtype_of<float>(), "the gradient of '{}' is {}, expected float32", name,
           sdk::to_string(tensor->grad.dtype));
    expect_canonical(tensor->grad, "the gradient of '" + name + "'");
    expect(sdk::shape_text(tensor->grad) == sdk::shape_text(tensor->value),
           "the gradient of '{}' has shape {}, the parameter {}", name, sdk::shape_text(tensor->grad),
           sdk::shape_text(tensor->value));
    expect(tensor->grad.data != tensor->value.data || sdk::element_count(tensor->value) == 0,
           "'{}' and its gradient are one memory", name);
  }
  return fmt::format("{} parameters, {} buffers", parameters, buffers);
}

std::string weights_finite(const Subject& subject) {
  const ModelProbe model(subject);
  for (const osteon_named_tensor* tensor : model.tensors()) {
    if (tensor->value.dtype != sdk::dtype_of<float>()) continue;
    const auto values = values_of(tensor->value);
    const std::size_t at = first_not_finite(values);
    expect(at == values.size(), "'{}' has {} at element {} after create", tensor->name, values[at], at);
    if (tensor->role != OSTEON_TENSOR_PARAMETER) continue;
    const double grad = greatest(values_of(tensor->grad));
    expect(grad == 0, "the gradient of '{}' is {} before any backward, expected 0", tensor->name, grad);
  }
  return {};
}

std::string addresses_stable(const Subject& subject) {
  ModelProbe model(subject);
  struct Place {
    std::string name;
    const void *value, *grad;
  };
  const auto places = [&model] {
    std::vector<Place> list;
    for (const osteon_named_tensor* tensor : model.tensors())
      list.push_back({tensor->name, tensor->value.data, tensor->grad.data});
    return list;
  };
  const std::vector<Place> before = places();
  const auto compare = [&](const char* after) {
    const std::vector<Place> now = places();
    expect(now.size() == before.size(), "there were {} tensors, after {} there are {}", before.size(), after,
           now.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      expect(now[i].name == before[i].name, "tensor {} was '{}', after {} it is '{}'", i, before[i].name, after,
             now[i].name);
      expect(now[i].value == before[i].value && now[i].grad == before[i].grad,
             "the {} of '{}' moved after {}; hosts keep the addresses until `move`",
             now[i].value != before[i].value ? "value" : "gradient", now[i].name, after);
    }
  };
  compare("tensors");
  const ProbeTensor input = model.input(2, 1, 64);
  model.infer(input.view());
  compare("an inference forward");
  if (model.trains()) {
    ForwardResult result = model.train(input.view());
    compare("a training forward");
    model.release(result);
    model.step(input.view());
    compare("backward");
  }
  model.changed();
  model.infer(input.view(), 0);
  compare("parameters_changed");
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
    expect(a[i] == b[i], "'{}' differs between two models of seed 7", list[i]->name);
  std::int64_t numbers = 0;
  for (const osteon_named_tensor* parameter : first.parameters()) numbers += sdk::element_count(parameter->value);
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
      {"info-well-formed", "info says what was asked for; outputs have names, strides and finite weights",
       info_well_formed},
      {"tensors-well-formed",
       "tensors have unique names, aligned row-major float32 values and gradients of their shape", tensors_well_formed},
      {"weights-finite", "initial weights and buffers are finite, gradients begin at 0", weights_finite},
      {"addresses-stable", "values and gradients stay where they are through forward, backward and tensors",
       addresses_stable},
      {"seed-decides-weights", "the same seed gives the same weights, another seed others", seed_decides_weights},
      {"state-round-trip", "tensors hold all state: copied into another instance they give the same logits",
       state_round_trip},
  };
  return checks;
}

}  // namespace osteon::validate
