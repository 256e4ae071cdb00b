// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <osteon/sdk/torch/guards.hpp>
#include <osteon/sdk/torch/network.hpp>

#include "support/model_fixture.hpp"
#include "support/rounding.hpp"

/// Checks that tests of several model plugins make.
namespace osteon::test {

inline at::Tensor random_tensor(std::vector<std::int64_t> shape, std::uint64_t seed) {
  auto generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(seed);
  return at::rand(shape, generator);
}

inline std::int64_t parameter_count(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

/// rounding() for a network: as many layers as it has weights, sums over what feeds one of its values or, where
/// gradients add up over pixels, over `terms`.
inline double rounding_of(const std::vector<at::Tensor>& parameters, std::int64_t terms = 1) {
  std::int64_t layers = 0;
  for (const at::Tensor& p : parameters) {
    if (p.dim() < 2) continue;
    ++layers;
    terms = std::max(terms, p.numel() / p.size(0));
  }
  return rounding(static_cast<double>(terms), static_cast<double>(layers));
}

inline double greatest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// Normalisation away from 1 and 0, and weights large enough that every layer counts.
inline void shake(torch::nn::Module& module, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  for (auto& item : module.named_parameters())
    item.value().add_(random_tensor(item.value().sizes().vec(), ++seed) - 0.5, 0.2);
  for (auto& item : module.named_buffers())
    if (item.value().is_floating_point()) item.value().copy_(random_tensor(item.value().sizes().vec(), ++seed) + 0.5);
}

/// Running statistics away from 0 and 1; weights stay as deep networks need them.
inline void shake_statistics(torch::nn::Module& module, std::uint64_t seed) {
  for (auto& item : module.named_buffers())
    if (item.value().is_floating_point()) item.value().copy_(random_tensor(item.value().sizes().vec(), ++seed) + 0.5);
}

/// Changes each of `names` of `model` in place, as an optimizer does, and tells it: its logits must move, and in the
/// end be those of `fresh`, a model of the same shape that has predicted nothing before.
inline void expect_new_weights_count(ModelUnderTest& model, ModelUnderTest& fresh, const at::Tensor& x,
                                     const std::vector<std::string>& names) {
  const RecordingCall call;
  at::Tensor before = model.infer(call, x, 0);
  for (const std::string& name : names) {
    model.value(name).mul_(1.5).add_(0.1);
    model.api().parameters_changed(model.get(), 1);
    const at::Tensor after = model.infer(call, x, 0);
    EXPECT_FALSE(after.allclose(before, 1e-4, 1e-4)) << name;
    before = after;
  }
  for (std::size_t i = 0; i < model.tensors().size(); ++i)
    sdk::borrow(fresh.tensors()[i]->value).copy_(sdk::borrow(model.tensors()[i]->value));
  EXPECT_TRUE(fresh.infer(call, x, 0).equal(before));
}

/// Holds the inference path of `network` (own kernels) against its differentiable one, both in inference mode.
template <class Network>
void expect_own_kernels_agree(Network& network, const at::Tensor& x) {
  network.eval();
  const auto outputs_of = [&network](const at::Tensor& images) -> std::vector<at::Tensor> {
    if constexpr (sdk::detail::LooksAtOutputs<Network>::value)
      return network.forward(images, sdk::Outputs::kAll);
    else
      return {network.forward(images)};
  };
  const std::vector<at::Tensor> expected = outputs_of(x);
  for (const int threads : {1, 2}) {
    const sdk::ThreadsGuard guard(threads);
    const c10::InferenceMode inference;
    const std::vector<at::Tensor> outputs = outputs_of(x);
    ASSERT_EQ(outputs.size(), expected.size());
    EXPECT_TRUE(outputs[0].is_contiguous());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      ASSERT_EQ(outputs[i].sizes(), expected[i].sizes());
      const at::Tensor wanted = expected[i].detach();
      EXPECT_LE(greatest_difference(outputs[i], wanted),
                rounding_of(network.parameters()) * (wanted.max() - wanted.min()).template item<double>())
          << "output " << i << " of " << x.sizes() << " on " << threads << " threads";
    }
  }
}

/// All outputs of inference have the shapes that the model says, the first is what it gives alone, and none is a
/// matter of chance.
inline void expect_all_outputs(const ModelUnderTest& model, const at::Tensor& x) {
  const RecordingCall call;
  const std::vector<at::Tensor> outputs = model.infer_all(call, x), again = model.infer_all(call, x);
  EXPECT_TRUE(outputs[0].equal(model.infer(call, x)));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const osteon_model_output& output = *model.info().outputs[i];
    const auto size = [&](int dim) {
      return output.stride == 0 ? 1 : (x.size(dim) + output.stride - 1) / output.stride;
    };
    EXPECT_EQ(outputs[i].sizes(), (std::vector<std::int64_t>{x.size(0), output.channels, size(2), size(3)}))
        << output.name;
    EXPECT_TRUE(outputs[i].isfinite().all().item<bool>()) << output.name;
    EXPECT_TRUE(outputs[i].equal(again[i])) << output.name;
  }
}

/// Finite differences through the ABI, per parameter along its own gradient, where the derivative is the gradient's
/// norm.
/// @param relative_step  of the parameter's norm; many layers of ReLU and normalisation ask for a smaller one
inline void expect_finite_differences(ModelUnderTest& model, const at::Tensor& x, const std::vector<std::string>& names,
                                      double relative_step = 2e-3) {
  const auto weights = [](const at::Tensor& logits) { return random_tensor(logits.sizes().vec(), 99) - 0.5; };
  const auto loss = [&] {
    const ModelUnderTest::Step step(model, x);
    double sum = 0;
    for (std::size_t i = 0; i < model.info().n_outputs; ++i)
      sum += (step.output(i).to(at::kDouble) * weights(step.output(i))).sum().item<double>();
    return sum;
  };
  {
    ModelUnderTest::Step step(model, x);
    std::vector<at::Tensor> grads;
    for (std::size_t i = 0; i < model.info().n_outputs; ++i) grads.push_back(weights(step.output(i)));
    step.backward(grads);
  }
  for (const std::string& name : names) {
    at::Tensor value = model.value(name);
    const at::Tensor start = value.clone(), grad = model.grad(name);
    const double norm = grad.norm().item<double>();
    ASSERT_GT(norm, 0) << name;
    const double step = relative_step * std::max(0.1, start.norm().item<double>());
    value.copy_(start + grad * (step / norm));
    const double up = loss();
    value.copy_(start - grad * (step / norm));
    const double down = loss();
    value.copy_(start);
    // ReLUs that turn within a step cost up to three hundredths, as rounding errors do of a smaller one.
    EXPECT_NEAR((up - down) / (2 * step), norm, margin() * 0.03 * norm) << name;
  }
}

/// Training with `plain` and `recomputing` from the same seeds gives the same outputs and gradients, dropout included.
/// What two parts of a network read adds up its gradients in another order, which goes through all layers before it.
inline void expect_same_training(ModelUnderTest& plain, ModelUnderTest& recomputing, const at::Tensor& x) {
  std::vector<at::Tensor> outputs, grads;
  for (ModelUnderTest* model : {&plain, &recomputing}) {
    ModelUnderTest::Step step(*model, x, /*seed=*/5);
    std::vector<at::Tensor> ones;
    for (std::size_t i = 0; i < model->info().n_outputs; ++i)
      ones.push_back(random_tensor(step.output(i).sizes().vec(), 3) - 0.5);
    outputs.push_back(step.output().clone());
    step.backward(ones);
    grads.push_back(model->all_grads());
  }
  EXPECT_TRUE(outputs[0].equal(outputs[1]));
  EXPECT_GT(grads[0].abs().max().item<float>(), 0);
  EXPECT_LE(greatest_difference(grads[0], grads[1]),
            rounding_of(plain.parameters(), x.numel() / x.size(1)) * grads[0].abs().max().item<double>());
  for (std::size_t i = 0; i < plain.tensors().size(); ++i) {
    const osteon_named_tensor &a = *plain.tensors()[i], &b = *recomputing.tensors()[i];
    if (a.role != OSTEON_TENSOR_BUFFER) continue;
    EXPECT_TRUE(sdk::borrow(a.value).equal(sdk::borrow(b.value))) << a.name;
  }
}

}  // namespace osteon::test
