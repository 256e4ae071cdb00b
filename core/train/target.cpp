// SPDX-License-Identifier: Apache-2.0
#include "train/target.hpp"

#include <ATen/ATen.h>

namespace osteon::train {
namespace {

sdk::TorchView view_of(const torch::Tensor& tensor) {
  return tensor.defined() ? sdk::TorchView(tensor) : sdk::TorchView();
}

const osteon_tensor_view* given(const sdk::TorchView& view) { return view.tensor().defined() ? &view.view() : nullptr; }

/// The OR of the last dimension. LibTorch has no such reduction; folding the upper half onto the lower one, which may
/// overlap, takes log2 steps and reads everything about twice.
torch::Tensor any_bits(torch::Tensor planes) {
  while (planes.size(-1) > 1) {
    const std::int64_t length = planes.size(-1), half = (length + 1) / 2;
    planes = planes.narrow(-1, 0, half).bitwise_or(planes.narrow(-1, length - half, half));
  }
  return planes;
}

}  // namespace

Target presence_of(const Target& target) {
  const torch::NoGradGuard no_grad;
  Target presence;
  presence.sample_weight = target.sample_weight;
  presence.class_valid = target.class_valid;
  presence.names = target.names;
  const torch::Tensor holes = target.valid.defined() ? target.valid.eq(0).unsqueeze(1) : torch::Tensor();
  const auto valid_part = [&](const torch::Tensor& all) { return holes.defined() ? all.masked_fill(holes, 0) : all; };
  if (holes.defined()) presence.valid = target.valid.flatten(1).ne(0).any(1).to(torch::kUInt8).view({-1, 1, 1});
  if (target.soft.defined())
    presence.soft = valid_part(target.soft).amax({2, 3}, /*keepdim=*/true).contiguous();
  else
    presence.planes = any_bits(valid_part(target.planes).flatten(2)).unsqueeze(3).contiguous();
  return presence;
}

Target image_of(const Target& target, std::int64_t index) {
  const auto part = [&](const torch::Tensor& all) { return all.defined() ? all.narrow(0, index, 1) : all; };
  Target image{part(target.planes),
               part(target.valid),
               part(target.sample_weight),
               part(target.pixel_weight),
               part(target.class_valid),
               part(target.soft),
               {}};
  if (!target.names.empty()) image.names = {target.names.at(static_cast<std::size_t>(index))};
  return image;
}

TargetViews::TargetViews(const Target& target)
    : planes_(view_of(target.planes)),
      valid_(view_of(target.valid)),
      sample_weight_(view_of(target.sample_weight)),
      pixel_weight_(view_of(target.pixel_weight)),
      class_valid_(view_of(target.class_valid)),
      soft_(view_of(target.soft)) {}

void TargetViews::put_into(osteon_loss_input& input) const {
  input.target = given(planes_);
  input.valid = given(valid_);
  input.sample_weight = given(sample_weight_);
  input.pixel_weight = given(pixel_weight_);
  input.class_valid = given(class_valid_);
  input.soft_target = given(soft_);
  if (input.pixel_weight != nullptr) input.flags |= OSTEON_LOSS_PIXEL_WEIGHT;
  if (input.class_valid != nullptr) input.flags |= OSTEON_LOSS_CLASS_VALID;
  if (input.soft_target != nullptr) input.flags |= OSTEON_LOSS_SOFT_TARGET;
}

}  // namespace osteon::train
