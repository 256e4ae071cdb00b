// SPDX-License-Identifier: Apache-2.0
#include "train/objective.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "recipe/located.hpp"
#include "recipe/value.hpp"

namespace osteon::train {
namespace {

/// Where the recipe says `key`; empty when it does not.
std::string place_of(const recipe::Recipe& recipe, const std::string& key) {
  for (const recipe::Origin& origin : recipe.origins)
    if (origin.key == key) return origin.from;
  return {};
}

bool is_presence(const plugin::ModelOutput& output) { return output.role == OSTEON_OUTPUT_PRESENCE; }

/// A target of `side` x `side` pixels of the first class that says what training images can say.
Target dry_target(const recipe::DataSection& data, std::int64_t classes, std::int64_t side, torch::Device device) {
  const auto options = torch::TensorOptions().device(device);
  Target target;
  target.planes = at::zeros({1, (classes + 31) / 32, side, side}, options.dtype(torch::kInt32));
  target.planes.select(1, 0).fill_(1);
  if (!data.weights.empty()) target.sample_weight = at::ones({1}, options.dtype(torch::kFloat32));
  if (data.absent == "unknown") target.class_valid = at::ones({1, classes}, options.dtype(torch::kUInt8));
  return target;
}

}  // namespace

Objective::Objective(const recipe::Recipe& recipe, plugin::Registry& registry, const plugin::ClassContext& classes,
                     const std::vector<plugin::ModelOutput>& outputs, const plugin::Call& call)
    : classes_(classes.names), outputs_(outputs) {
  for (const recipe::LossTerm& term : recipe.loss) {
    auto component = registry.load(plugin::Kind::kLoss, term.component.plugin, term.component.version);
    names_.push_back(component.name());
    auto loss = recipe::located(term.component, [&] {
      return std::make_unique<plugin::Loss>(std::move(component), term.component.parameters, classes, call);
    });
    terms_.push_back({std::move(loss), term.weight, term.output});
  }
  check_names(recipe);
  for (const plugin::ModelOutput& output : outputs_) uses_.push_back(uses_of(output, recipe));
  try_out(recipe, classes, call);
}

void Objective::check_names(const recipe::Recipe& recipe) const {
  std::vector<std::string> names;
  for (const plugin::ModelOutput& output : outputs_) names.push_back(output.name);
  const auto find = [&](const std::string& key, const std::string& name,
                        const std::string& place) -> const plugin::ModelOutput& {
    for (const plugin::ModelOutput& output : outputs_)
      if (output.name == name) return output;
    throw Error(ExitCode::kUsage,
                fmt::format("{} names '{}', but the model's outputs are: {}", key, name, fmt::join(names, ", ")),
                place);
  };
  for (std::size_t i = 0; i < terms_.size(); ++i)
    if (const std::string key = fmt::format("loss[{}].output", i); !terms_[i].output.empty())
      find(key, terms_[i].output, place_of(recipe, key));
  for (const auto& [name, weight] : recipe.train.head_weights) {
    const std::string place = place_of(recipe, "train.head_weights." + recipe::toml_string(name));
    const plugin::ModelOutput& output = find("train.head_weights", name, place);
    const bool counts =
        !is_presence(output) || std::any_of(terms_.begin(), terms_.end(),
                                            [&, &wanted = name](const Term& term) { return term.output == wanted; });
    if (!counts)
      throw Error(ExitCode::kUsage,
                  fmt::format("train.head_weights names '{}', which no loss is for; a [[loss]] with output = \"{}\" is",
                              name, name),
                  place);
  }
}

std::vector<Objective::Use> Objective::uses_of(const plugin::ModelOutput& output, const recipe::Recipe& recipe) const {
  const auto& overrides = recipe.train.head_weights;
  const auto given = overrides.find(output.name);
  std::vector<Use> uses;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    const bool named = terms_[i].output == output.name;
    if (!named && (!terms_[i].output.empty() || is_presence(output))) continue;
    const double weight = given != overrides.end() ? given->second : named ? 1 : output.loss_weight;
    if (weight != 0) uses.push_back({i, weight});
  }
  return uses;
}

// With what the data will say, so that a loss that does not know it is a matter of the recipe, and not of the first
// step.
void Objective::try_out(const recipe::Recipe& recipe, const plugin::ClassContext& classes,
                        const plugin::Call& call) const {
  const torch::Device device = sdk::to_torch_device(call.raw()->device);
  const auto k = static_cast<std::int64_t>(classes.names.size());
  for (std::size_t o = 0; o < outputs_.size(); ++o) {
    const std::int64_t side = is_presence(outputs_[o]) ? 1 : 8;
    const Target target = dry_target(recipe.data, k, side, device);
    const TargetViews views(target);
    const auto options = torch::TensorOptions().device(device).dtype(torch::kFloat32);
    const sdk::TorchView logits(at::zeros({1, k, side, side}, options)), grad(at::zeros({1, k, side, side}, options));
    auto input = sdk::sized<osteon_loss_input>();
    views.put_into(input);
    input.logits = logits;
    input.grad = grad;
    input.grad_scale = 1;
    for (const Use& use : uses_[o])
      if (const auto refusal = terms_[use.term].loss->refusal(call, input))
        throw Error(ExitCode::kUsage,
                    fmt::format("loss '{}' cannot be trained with on this data: {}", names_[use.term], *refusal),
                    place_of(recipe, fmt::format("loss[{}].plugin", use.term)));
  }
}

double Objective::evaluate_use(const plugin::Call& call, const Use& use, osteon_loss_input input, double scale) const {
  const Term& term = terms_[use.term];
  input.grad_scale = term.weight * use.head_weight * scale;
  return term.loss->evaluate(call, input);
}

std::string Objective::place_in(const torch::Tensor& tensor, std::size_t index, const Target& target) const {
  const torch::Tensor finite = at::isfinite(tensor);
  if (finite.all().item<bool>()) return {};
  const std::int64_t first = finite.logical_not().flatten().to(torch::kUInt8).argmax().item<std::int64_t>();
  const std::int64_t plane = first / (tensor.size(2) * tensor.size(3));
  const auto image = static_cast<std::size_t>(plane / tensor.size(1));
  const auto class_index = static_cast<std::size_t>(plane % tensor.size(1));
  return fmt::format("output '{}', class '{}', image {}", outputs_[index].name, classes_.at(class_index),
                     target.names.empty() ? std::to_string(image) : "'" + target.names.at(image) + "'");
}

double Objective::value_of(const plugin::Call& call, const Use& use, const torch::Tensor& logits,
                           const Target& target) const {
  const TargetViews views(target);
  const sdk::TorchView logits_view(logits);
  auto input = sdk::sized<osteon_loss_input>();
  views.put_into(input);
  input.logits = logits_view;
  return evaluate_use(call, use, input, 1);
}

std::string Objective::cause_of_value(const plugin::Call& call, const Use& use, const torch::Tensor& logits,
                                      const Target& target) const {
  for (std::int64_t i = 0; i < logits.size(0); ++i) {
    const torch::Tensor own = logits.narrow(0, i, 1).contiguous();
    const Target truth = image_of(target, i);
    if (std::isfinite(value_of(call, use, own, truth))) continue;
    const std::string image = "image " + (truth.names.empty() ? std::to_string(i) : "'" + truth.names[0] + "'");
    for (std::int64_t c = 0; c < own.size(1); ++c) {
      torch::Tensor alone = at::zeros_like(own);
      alone.select(1, c).copy_(own.select(1, c));
      if (!std::isfinite(value_of(call, use, alone, truth)))
        return fmt::format("class '{}', {}", classes_.at(static_cast<std::size_t>(c)), image);
    }
    return "several classes together, " + image;
  }
  return fmt::format("several images together: {}", fmt::join(target.names, ", "));
}

void Objective::blame_for_value(const plugin::Call& call, const Use& use, std::size_t index, double value,
                                const torch::Tensor& logits, const Target& target) const {
  if (const std::string place = place_in(logits, index, target); !place.empty())
    throw NotFinite(fmt::format("gives logits that are not finite ({})", place), true);
  throw NotFinite(fmt::format("loss '{}', evaluate: gives {} for finite logits (output '{}', {})", names_[use.term],
                              value, outputs_[index].name, cause_of_value(call, use, logits, target)),
                  false);
}

void Objective::blame_for_gradient(const plugin::Call& call, std::size_t index, const torch::Tensor& logits,
                                   const Target& target) const {
  if (!at::isfinite(logits).all().item<bool>()) return;
  const TargetViews views(target);
  const sdk::TorchView logits_view(logits);
  for (const Use& use : uses_[index]) {
    const torch::Tensor grad = at::zeros_like(logits);
    const sdk::TorchView grad_view(grad);
    auto input = sdk::sized<osteon_loss_input>();
    views.put_into(input);
    input.logits = logits_view;
    input.grad = grad_view;
    evaluate_use(call, use, input, 1);
    if (const std::string place = place_in(grad, index, target); !place.empty())
      throw NotFinite(fmt::format("loss '{}', evaluate: gives a gradient that is not finite for finite logits ({})",
                                  names_[use.term], place),
                      false);
  }
}

torch::Tensor Objective::add_output(const plugin::Call& call, std::size_t index, const torch::Tensor& native,
                                    const Target& target, double scale, Result& result) const {
  const std::int64_t height = target.height(), width = target.width();
  const bool resized = native.size(2) != height || native.size(3) != width;
  const bool align = outputs_[index].align_corners;
  const torch::Tensor logits =
      (resized ? at::upsample_bilinear2d(native, at::IntArrayRef({height, width}), align) : native).contiguous();
  torch::Tensor grad = torch::empty_like(logits, at::MemoryFormat::Contiguous);
  const sdk::TorchView logits_view(logits), grad_view(grad);
  const TargetViews views(target);
  auto input = sdk::sized<osteon_loss_input>();
  views.put_into(input);
  input.logits = logits_view;
  input.grad = grad_view;
  for (const Use& use : uses_[index]) {
    const double value = evaluate_use(call, use, input, scale);
    if (!std::isfinite(value)) blame_for_value(call, use, index, value, logits, target);
    result.value += terms_[use.term].weight * use.head_weight * value;
    input.flags |= OSTEON_LOSS_ACCUMULATE;
  }
  // One pass over the gradient; which loss it was is asked only where there is something to ask.
  if (!std::isfinite(at::sum(grad, torch::kFloat32).item<double>())) blame_for_gradient(call, index, logits, target);
  return resized ? at::upsample_bilinear2d_backward(grad, {height, width}, native.sizes(), align) : grad;
}

Objective::Result Objective::evaluate(const plugin::Call& call, std::vector<sdk::OwnedTensor> outputs,
                                      const Target& target, double scale) const {
  Result result;
  result.grads.resize(outputs.size());
  std::optional<Target> presence;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!uses_[i].empty()) {
      if (is_presence(outputs_[i]) && !presence) presence = presence_of(target);
      const Target& truth = is_presence(outputs_[i]) ? *presence : target;
      result.grads[i] = add_output(call, i, sdk::borrow(outputs[i].view()), truth, scale, result);
    }
    outputs[i].reset();
  }
  return result;
}

}  // namespace osteon::train
