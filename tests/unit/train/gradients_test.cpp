// SPDX-License-Identifier: Apache-2.0
#include "train/gradients.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "unit/train/tiny_model.hpp"

namespace osteon::train {
namespace {

/// The gradients of one step on made-up data.
void take_step(plugin::Model& model, const plugin::Call& call) {
  const sdk::TorchView input(at::sin(at::arange(2 * 8 * 10, at::kFloat)).view({2, 1, 8, 10}));
  auto forward = model.forward(call, input.view(), {});
  std::vector<sdk::TorchView> views;
  std::vector<const osteon_tensor_view*> grads;
  for (const sdk::OwnedTensor& output : forward.outputs)
    views.emplace_back(sdk::borrow(output.view()).cos().contiguous());
  for (const sdk::TorchView& view : views) grads.push_back(view);
  model.backward(call, std::move(forward.tape), grads);
}

double norm_in_double(const std::vector<HostTensor>& tensors) {
  double sum = 0;
  for (const HostTensor& tensor : tensors)
    if (tensor.grad.defined()) sum += tensor.grad.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(sum);
}

TEST(Gradients, LieInOneBlockAlignedAndAreThoseOfAModelThatKeepsItsMemory) {
  const plugin::Call call;
  const auto model = test::tiny_model(call, 1, 3), stubborn = test::tiny_model(call, 1, 3, test::stubborn_api());
  Gradients bound(*model, call), own(*stubborn, call);
  EXPECT_TRUE(bound.in_one_block());
  EXPECT_FALSE(own.in_one_block());
  const float* previous = nullptr;
  for (const HostTensor& tensor : bound.tensors()) {
    ASSERT_EQ(tensor.grad.defined(), tensor.parameter) << tensor.name;
    if (!tensor.parameter) continue;
    const float* data = tensor.grad.data_ptr<float>();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0u) << tensor.name;
    if (previous != nullptr) {
      EXPECT_GT(data, previous);
      EXPECT_LT(data - previous, 1000) << tensor.name << " lies elsewhere";
    }
    previous = data;
    EXPECT_TRUE(tensor.grad.eq(0).all().item<bool>());
  }
  take_step(*model, call);
  take_step(*stubborn, call);
  for (std::size_t i = 0; i < bound.tensors().size(); ++i)
    if (bound.tensors()[i].parameter) {
      EXPECT_TRUE(at::equal(bound.tensors()[i].grad, own.tensors()[i].grad)) << bound.tensors()[i].name;
      EXPECT_GT(bound.tensors()[i].grad.abs().max().item<double>(), 0) << bound.tensors()[i].name;
    }
  const double expected = norm_in_double(bound.tensors());
  EXPECT_NEAR(bound.norm(), expected, 1e-6 * expected);
  EXPECT_NEAR(own.norm(), expected, 1e-6 * expected);
}

TEST(Gradients, AreScaledMeasuredAndZeroed) {
  const plugin::Call call;
  for (const osteon_model_api* api : {&test::tiny_api(), &test::stubborn_api()}) {
    const auto model = test::tiny_model(call, 1, 3, *api);
    Gradients gradients(*model, call);
    take_step(*model, call);
    const double once = gradients.norm();
    gradients.scale(0.25);
    EXPECT_NEAR(gradients.norm(), once / 4, 1e-6 * once);
    take_step(*model, call);  // backward adds
    EXPECT_NEAR(gradients.norm(), 1.25 * once, 1e-5 * once);
    gradients.tensors()[0].grad.view({-1})[3] = std::nanf("");
    EXPECT_FALSE(std::isfinite(gradients.norm()));
    gradients.zero();
    EXPECT_EQ(gradients.norm(), 0);
    EXPECT_EQ(norm_in_double(gradients.tensors()), 0);
  }
}

TEST(Gradients, NormDoesNotDependOnTheNumberOfThreads) {
  const plugin::Call call;
  const auto model = test::tiny_model(call, 1, 3);
  Gradients gradients(*model, call);
  take_step(*model, call);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double one = gradients.norm();
  at::set_num_threads(2);
  EXPECT_EQ(gradients.norm(), one);
  at::set_num_threads(before);
}

TEST(Gradients, LeaveAModelBehindThatTrainsNothing) {
  const plugin::Call call;
  const auto model = test::tiny_model(call, 1, 3);
  {
    const Gradients gradients(*model, call);
    take_step(*model, call);
  }
  for (const plugin::NamedTensor& tensor : model->tensors(call)) EXPECT_EQ(tensor.grad, nullptr) << tensor.name;
  Gradients again(*model, call);
  EXPECT_EQ(again.norm(), 0);
}

}  // namespace
}  // namespace osteon::train
