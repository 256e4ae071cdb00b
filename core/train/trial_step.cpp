// SPDX-License-Identifier: Apache-2.0
#include "train/trial_step.hpp"

#include <algorithm>

#include <torch/utils.h>
#include <osteon/sdk/torch/tensor.hpp>

#include "data/labels.hpp"
#include "plugin/interrupt.hpp"
#include "train/objective.hpp"
#include "train/trainer.hpp"

namespace osteon::train {
namespace {

// Two images, for which normalisation over a batch has more than one value at any size, unless batches have one.
constexpr std::int64_t kImages = 2;

/// The left half is of the first class, the right one of the last.
Target made_up_target(std::int64_t images, std::int64_t classes, cv::Size size, torch::Device device) {
  const auto ints = torch::TensorOptions().dtype(torch::kInt32);
  Target target;
  target.planes = torch::zeros({images, data::plane_count(static_cast<int>(classes)), size.height, size.width}, ints);
  const auto set = [&](std::int64_t c, std::int64_t from, std::int64_t width) {
    const auto bit = static_cast<std::int32_t>(std::uint32_t{1} << (c % 32));
    target.planes.select(1, c / 32).narrow(2, from, width).fill_(bit);
  };
  set(0, 0, size.width / 2);
  set(classes - 1, size.width / 2, size.width - size.width / 2);
  target.planes = target.planes.to(device);
  return target;
}

}  // namespace

void try_step(const recipe::Recipe& recipe, plugin::Registry& registry, const plugin::ClassContext& classes,
              plugin::Model& model, cv::Size size, osteon_device device, int threads) {
  plugin::CallOptions call_options;
  call_options.threads = threads;
  call_options.device = device;
  call_options.cancel = &plugin::interrupted();
  call_options.who = "trial";
  call_options.quiet = true;
  const plugin::Call call(std::move(call_options));
  const torch::Device there = sdk::to_torch_device(device);
  std::vector<std::uint64_t> parameters;
  const auto& tensors = model.tensors(call);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].parameter) parameters.push_back(i);
  model.set_trainable(call, parameters);
  const Objective objective(recipe, registry, classes, model.outputs(), call);

  const std::int64_t images = std::min<std::int64_t>(kImages, recipe.train.batch_size), channels = recipe.data.channels;
  const torch::Tensor image = torch::linspace(0, 1, images * channels * size.area())
                                  .view({images, channels, size.height, size.width})
                                  .to(there);
  const Target target = made_up_target(images, static_cast<std::int64_t>(classes.names.size()), size, there);
  plugin::Model::ForwardOptions options;
  options.precision = abi_precision(recipe.train.precision, device);
  const sdk::TorchView input(sdk::canonical(image));
  auto forward = model.forward(call, input.view(), options);
  Objective::Result result;
  try {
    result = objective.evaluate(call, std::move(forward.outputs), target, 1);
  } catch (const NotFinite&) {
    return;
  }
  std::vector<sdk::TorchView> views;
  views.reserve(result.grads.size());
  std::vector<const osteon_tensor_view*> grads;
  for (const torch::Tensor& grad : result.grads) {
    if (grad.defined()) views.emplace_back(sdk::canonical(grad));
    grads.push_back(grad.defined() ? static_cast<const osteon_tensor_view*>(views.back()) : nullptr);
  }
  model.backward(call, std::move(forward.tape), grads);
}

}  // namespace osteon::train
