// SPDX-License-Identifier: Apache-2.0
#include "train/objective.hpp"

#include <optional>

#include <ATen/ATen.h>
#include <osteon/sdk/torch/tensor.hpp>

#include "base/error.hpp"

namespace osteon::train {

Objective::Objective(const recipe::Recipe& recipe, plugin::Registry& registry, const plugin::ClassContext& classes,
                     const std::vector<plugin::ModelOutput>& outputs, const plugin::Call& call)
    : outputs_(outputs) {
  for (const recipe::LossTerm& term : recipe.loss) {
    auto component = registry.load(plugin::Kind::kLoss, term.component.plugin);
    names_.push_back(component.name());
    terms_.push_back(
        {std::make_unique<plugin::Loss>(std::move(component), term.component.parameters, classes, call), term.weight});
  }
  const auto& overrides = recipe.train.head_weights;
  for (const plugin::ModelOutput& output : outputs_) {
    const auto found = overrides.find(output.name);
    head_weights_.push_back(found != overrides.end() ? found->second : output.loss_weight);
  }
  for (const auto& [name, weight] : overrides) {
    bool known = false;
    for (const plugin::ModelOutput& output : outputs_) known = known || output.name == name;
    if (known) continue;
    std::string names;
    for (const plugin::ModelOutput& output : outputs_) names += (names.empty() ? "" : ", ") + output.name;
    throw Error(ExitCode::kUsage, "train.head_weights names '" + name + "', but the model's outputs are: " + names);
  }
}

Objective::Result Objective::evaluate(const plugin::Call& call, std::vector<sdk::OwnedTensor> outputs,
                                      const Target& target, double scale) const {
  Result result;
  result.grads.resize(outputs.size());
  const std::int64_t height = target.planes.size(2), width = target.planes.size(3);
  const sdk::TorchView planes(target.planes);
  const std::optional<sdk::TorchView> valid =
      target.valid.defined() ? std::optional<sdk::TorchView>(sdk::TorchView(target.valid)) : std::nullopt;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (head_weights_[i] == 0) {
      outputs[i].reset();
      continue;
    }
    const torch::Tensor native = sdk::borrow(outputs[i].view());
    const bool resized = native.size(2) != height || native.size(3) != width;
    const bool align = outputs_[i].align_corners;
    const torch::Tensor logits =
        resized ? at::upsample_bilinear2d(native, at::IntArrayRef({height, width}), align) : native;
    torch::Tensor grad = torch::empty_like(logits, at::MemoryFormat::Contiguous);
    const sdk::TorchView logits_view(logits.contiguous());
    const sdk::TorchView grad_view(grad);
    bool first = true;
    for (const Term& term : terms_) {
      osteon_loss_input input{};
      input.struct_size = sizeof input;
      input.flags = first ? 0u : std::uint32_t{OSTEON_LOSS_ACCUMULATE};
      input.logits = logits_view;
      input.target = planes;
      input.valid = valid ? static_cast<const osteon_tensor_view*>(*valid) : nullptr;
      input.grad_scale = term.weight * head_weights_[i] * scale;
      input.grad = grad_view;
      const double value = term.loss->evaluate(call, input);
      result.value += term.weight * head_weights_[i] * value;
      if (i == 0) result.terms.push_back(value);
      first = false;
    }
    result.grads[i] = resized ? at::upsample_bilinear2d_backward(grad, {height, width}, native.sizes(), align) : grad;
    outputs[i].reset();
  }
  return result;
}

}  // namespace osteon::train
