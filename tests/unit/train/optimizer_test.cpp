// SPDX-License-Identifier: Apache-2.0
// The optimizer and the moving average against their formulas, in double.
#include "train/optimizer.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "base/error.hpp"
#include "train/ema.hpp"

namespace osteon::train {
namespace {

std::vector<HostTensor> some_tensors() {
  std::vector<HostTensor> tensors;
  tensors.push_back({"a", true, at::linspace(-1, 1, 5), at::zeros(5)});
  tensors.push_back({"running", false, at::full({2}, 3.0f), {}});
  tensors.push_back({"b", true, at::full({2, 2}, 0.5f), at::zeros({2, 2})});
  return tensors;
}

// Gradient of element i in step t.
float gradient(std::int64_t t, std::int64_t i) {
  return static_cast<float>(std::sin(static_cast<double>(3 * t + i)) * std::pow(10.0, static_cast<double>(i % 3) - 1));
}

void fill_gradients(const std::vector<HostTensor>& tensors, std::int64_t t) {
  for (const HostTensor& tensor : tensors)
    for (std::int64_t i = 0; tensor.parameter && i < tensor.grad.numel(); ++i)
      tensor.grad.data_ptr<float>()[i] = gradient(t, i);
}

recipe::OptimizerSection options() {
  recipe::OptimizerSection section;
  section.lr = 1e-2;
  section.weight_decay = 0.1;
  section.betas = {0.8, 0.95};
  section.eps = 1e-6;
  return section;
}

// Algorithm 2 of Loshchilov and Hutter with a schedule multiplier of 1.
TEST(Optimizer, IsAdamWithDecoupledWeightDecay) {
  const auto tensors = some_tensors();
  std::vector<double> theta, m(5), v(5);
  for (std::int64_t i = 0; i < 5; ++i) theta.push_back(tensors[0].value[i].item<double>());
  Optimizer optimizer(options(), tensors);
  for (std::int64_t t = 1; t <= 20; ++t) {
    const double lr = 1e-2 / static_cast<double>(t);
    fill_gradients(tensors, t);
    optimizer.step(lr);
    for (std::int64_t i = 0; i < 5; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const double g = static_cast<double>(gradient(t, i));
      m[k] = 0.8 * m[k] + 0.2 * g;
      v[k] = 0.95 * v[k] + 0.05 * g * g;
      const double m_hat = m[k] / (1 - std::pow(0.8, t)), v_hat = v[k] / (1 - std::pow(0.95, t));
      theta[k] = theta[k] - lr * 0.1 * theta[k] - lr * m_hat / (std::sqrt(v_hat) + 1e-6);
      EXPECT_NEAR(tensors[0].value[i].item<double>(), theta[k], 1e-5) << "step " << t;
    }
  }
  EXPECT_TRUE(at::equal(tensors[1].value, at::full({2}, 3.0f))) << "buffers are not learnt";
}

recipe::OptimizerSection rmsprop(double momentum) {
  recipe::OptimizerSection section = options();
  section.name = "rmsprop";
  section.alpha = 0.9;
  section.momentum = momentum;
  return section;
}

// Tieleman and Hinton's mean of squares, epsilon outside the root, weight decay in the gradient, heavy-ball momentum.
TEST(Optimizer, IsRmsPropWithAndWithoutMomentum) {
  for (const double momentum : {0.0, 0.7}) {
    const auto tensors = some_tensors();
    std::vector<double> theta, v(5), step(5);
    for (std::int64_t i = 0; i < 5; ++i) theta.push_back(tensors[0].value[i].item<double>());
    Optimizer optimizer(rmsprop(momentum), tensors);
    for (std::int64_t t = 1; t <= 20; ++t) {
      const double lr = 1e-2 / static_cast<double>(t);
      fill_gradients(tensors, t);
      optimizer.step(lr);
      for (std::int64_t i = 0; i < 5; ++i) {
        const auto k = static_cast<std::size_t>(i);
        const double g = static_cast<double>(gradient(t, i)) + 0.1 * theta[k];
        v[k] = 0.9 * v[k] + 0.1 * g * g;
        step[k] = momentum * step[k] + g / (std::sqrt(v[k]) + 1e-6);
        theta[k] -= lr * step[k];
        EXPECT_NEAR(tensors[0].value[i].item<double>(), theta[k], 1e-5) << "step " << t << ", momentum " << momentum;
      }
    }
  }
}

// Biases and scales keep their size where nothing pulls at them.
TEST(Optimizer, LeavesAloneWhatDoesNotDecay) {
  for (recipe::OptimizerSection section : {options(), rmsprop(0), rmsprop(0.7)})
    for (const char* decay : {"all", "weights"}) {
      section.decay = decay;
      auto tensors = some_tensors(), plain = some_tensors();
      tensors[0].decays = false;
      Optimizer optimizer(section, tensors), reference(section, plain);
      recipe::OptimizerSection none = section;
      none.weight_decay = 0;
      auto still = some_tensors();
      Optimizer undecayed(none, still);
      for (std::int64_t t = 1; t <= 3; ++t) {
        for (const auto* each : {&tensors, &plain, &still}) fill_gradients(*each, t);
        for (Optimizer* each : {&optimizer, &reference, &undecayed}) each->step(1e-2);
      }
      const bool all = std::string(decay) == "all";
      EXPECT_TRUE(at::equal(tensors[0].value, all ? plain[0].value : still[0].value)) << section.name << ' ' << decay;
      EXPECT_FALSE(at::equal(plain[0].value, still[0].value));
      EXPECT_TRUE(at::equal(tensors[2].value, plain[2].value)) << section.name << ' ' << decay;
      // A state is the parameters', whatever group they are in.
      EXPECT_EQ(optimizer.state().size(), reference.state().size());
      EXPECT_EQ(optimizer.state()[0].first, reference.state()[0].first);
    }
}

void expect_goes_on_from_its_state(const recipe::OptimizerSection& section) {
  const auto one = some_tensors(), other = some_tensors();
  Optimizer straight(section, one), before(section, other);
  for (std::int64_t t = 1; t <= 3; ++t) {
    fill_gradients(one, t);
    straight.step(1e-2);
    fill_gradients(other, t);
    before.step(1e-2);
  }
  Optimizer after(section, other);
  after.load(before.state());
  for (std::int64_t t = 4; t <= 6; ++t) {
    fill_gradients(one, t);
    straight.step(1e-2);
    fill_gradients(other, t);
    after.step(1e-2);
  }
  EXPECT_TRUE(at::equal(one[0].value, other[0].value));
  EXPECT_TRUE(at::equal(one[2].value, other[2].value));
}

// There all parameters are stepped together.
TEST(Optimizer, DoesOnCudaWhatItDoesOnTheCpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  const auto on_cuda = [](std::vector<HostTensor> tensors) {
    for (HostTensor& tensor : tensors) {
      tensor.value = tensor.value.cuda();
      if (tensor.parameter) tensor.grad = tensor.grad.cuda();
    }
    return tensors;
  };
  for (const recipe::OptimizerSection& section : {options(), rmsprop(0.7)}) {
    const auto cpu = some_tensors(), cuda = on_cuda(some_tensors());
    Optimizer expected(section, cpu);
    auto optimizer = std::make_unique<Optimizer>(section, cuda);
    for (std::int64_t t = 1; t <= 6; ++t) {
      fill_gradients(cpu, t);
      for (std::size_t i = 0; i < cpu.size(); ++i)
        if (cpu[i].parameter) cuda[i].grad.copy_(cpu[i].grad);
      expected.step(1e-2);
      optimizer->step(1e-2);
      if (t != 3) continue;
      NamedState kept;  // as a checkpoint brings it back
      for (const auto& [name, tensor] : optimizer->state()) kept.emplace_back(name, tensor.cpu());
      optimizer = std::make_unique<Optimizer>(section, cuda);
      optimizer->load(kept);
    }
    for (std::size_t i = 0; i < cpu.size(); ++i) EXPECT_TRUE(cuda[i].value.cpu().allclose(cpu[i].value, 1e-5, 1e-6));
    EXPECT_NEAR(gradient_norm(cuda), gradient_norm(cpu), 1e-6 * gradient_norm(cpu));
  }
}

TEST(Optimizer, GoesOnFromItsStateAsIfNothingHadHappened) {
  expect_goes_on_from_its_state(options());
  expect_goes_on_from_its_state(rmsprop(0));
  expect_goes_on_from_its_state(rmsprop(0.7));
  recipe::OptimizerSection weights = options();
  weights.decay = "weights";
  expect_goes_on_from_its_state(weights);
}

TEST(Optimizer, RefusesAStateOfOtherParameters) {
  const auto tensors = some_tensors();
  Optimizer optimizer(options(), tensors);
  fill_gradients(tensors, 1);
  optimizer.step(1e-2);
  NamedState state = optimizer.state();
  state[0].second = at::zeros(7);
  EXPECT_THROW(optimizer.load(state), Error);
  state.erase(state.begin());
  EXPECT_THROW(optimizer.load(state), Error);
}

TEST(MovingAverage, AveragesParametersAndCopiesBuffers) {
  const auto tensors = some_tensors();
  MovingAverage average(0.9, tensors);
  double expected = tensors[0].value[0].item<double>();
  for (int n = 1; n <= 200; ++n) {
    tensors[0].value.fill_(n);
    tensors[1].value.fill_(n);
    average.update();
    const double decay = std::min(0.9, (1.0 + n) / (10.0 + n));
    expected = decay * expected + (1 - decay) * n;
  }
  average.swap();
  EXPECT_NEAR(tensors[0].value[0].item<double>(), expected, 1e-3);
  EXPECT_EQ(tensors[1].value[0].item<double>(), 200);
  average.swap();
  EXPECT_EQ(tensors[0].value[0].item<double>(), 200);
}

TEST(MovingAverage, KeepsNothingWhenItIsOff) {
  const auto tensors = some_tensors();
  MovingAverage average(0, tensors);
  average.update();
  average.swap();
  EXPECT_TRUE(average.state().empty());
  EXPECT_EQ(tensors[0].value[0].item<double>(), -1);
}

}  // namespace
}  // namespace osteon::train
