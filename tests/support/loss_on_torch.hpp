// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <osteon/sdk/torch/loss.hpp>

#include "support/built_loss.hpp"
#include "support/eager_losses.hpp"
#include "support/loss_checks.hpp"

/// Holds a loss's torch expression, on the CPU and on CUDA, against its fused kernel.
namespace osteon::test {

/// Value and gradient of a batch whose tensors are LibTorch's, on `device`.
inline std::pair<double, at::Tensor> run_on_torch(const LossUnderTest& loss, LossBatch& batch, at::Device device,
                                                  at::ScalarType type = at::kFloat) {
  const auto tensor = [&](auto& values, std::vector<std::int64_t> shape, at::ScalarType from, at::ScalarType to) {
    return sdk::TorchView(at::from_blob(values.data(), shape, from).to(device, to).contiguous().clone());
  };
  const std::int64_t n = batch.n, k = batch.k, h = batch.h, w = batch.w;
  const auto logits = tensor(batch.logits, {n, k, h, w}, at::kFloat, type);
  const auto grad = tensor(batch.grad, {n, k, h, w}, at::kFloat, type);
  const auto target = tensor(batch.planes, {n, batch.n_planes(), h, w}, at::kInt, at::kInt);
  const auto given = [&](auto& values, std::vector<std::int64_t> shape, at::ScalarType element) {
    return values.empty() ? sdk::TorchView() : tensor(values, shape, element, element);
  };
  const auto valid = given(batch.valid, {n, h, w}, at::kByte);
  const auto weight = given(batch.sample_weight, {n}, at::kFloat);
  const auto pixel_weight = given(batch.pixel_weight, {n, h, w}, at::kFloat);
  const auto known = given(batch.known, {n, k}, at::kByte);
  const auto soft = given(batch.soft, {n, k, h, w}, at::kFloat);
  auto input = sdk::sized<osteon_loss_input>();
  input.flags = batch.flags();
  input.logits = logits;
  if (batch.soft.empty())
    input.target = target;
  else
    input.soft_target = soft;
  if (!batch.valid.empty()) input.valid = valid;
  if (!batch.sample_weight.empty()) input.sample_weight = weight;
  if (!batch.pixel_weight.empty()) input.pixel_weight = pixel_weight;
  if (!batch.known.empty()) input.class_valid = known;
  input.grad_scale = batch.grad_scale;
  input.grad = grad;
  const TestCall call;
  const double value = loss.evaluate(input, call);
  return {value, grad.tensor().to(at::kCPU, at::kFloat)};
}

/// Value and gradient of a plugin's kernel and of its expression agree: with holes, weights, a scale, added up, in
/// float32 and float16, with nonsense under invalid pixels and unknown classes, and with all that osteon_loss_input can
/// say and they understand.
template <class Expression>
void expect_agreement(const std::string& plugin, at::Device device, bool multiclass, std::int64_t classes,
                      const LossUnderTest::Values& values, const LossBatch& plain,
                      const LossUnderTest::Strings& strings = {}) {
  static const osteon_component component = sdk::torch_loss<Expression>({"expression", "1.0.0", "Under test."});
  const LossUnderTest fused(built_loss(plugin), multiclass, classes, values, strings),
      expression(component, multiclass, classes, values, strings);
  for (std::uint32_t flags = 0; flags < 16; flags += 2) {
    if ((flags & ~Expression::kUnderstands) != 0) continue;
    SCOPED_TRACE("flags " + std::to_string(flags));
    LossBatch batch = plain.with(flags, multiclass, 23);
    batch.grad_scale = 3;
    const double tolerance = rounding_of_loss(batch);
    for (std::int64_t i = 0; i < batch.n; ++i)
      for (std::int64_t p = 0; p < batch.pixels(); p += 3) {
        if (batch.weight(i, p) == 0) batch.logits[batch.at(i, 0, p)] = std::nanf("");
        for (std::int64_t c = 0; c < batch.k; ++c)
          if (!batch.knows(i, c)) batch.logits[batch.at(i, c, p)] = std::nanf("");
      }
    for (const bool accumulate : {false, true}) {
      batch.accumulate = accumulate;
      std::fill(batch.grad.begin(), batch.grad.end(), 0.25f);
      const auto [value, grad] = run_on_torch(expression, batch, device);
      EXPECT_NEAR(value, batch.run(fused), tolerance * std::max(1.0, std::abs(value)));
      const at::Tensor expected = at::from_blob(batch.grad.data(), grad.sizes(), at::kFloat);
      EXPECT_LE((grad - expected).abs().max().template item<double>(),
                tolerance * expected.abs().max().template item<double>());
    }
    // float16's own rounding, of logits and of gradients large enough for it.
    batch.accumulate = false;
    batch.grad_scale = 3e4;
    for (float& x : batch.logits) x = sdk::float_from_half(sdk::half_from_float(x));
    const auto [value, grad] = run_on_torch(expression, batch, device, at::kHalf);
    EXPECT_NEAR(value, batch.run(fused), tolerance * std::max(1.0, std::abs(value)));
    const at::Tensor expected = at::from_blob(batch.grad.data(), grad.sizes(), at::kFloat);
    EXPECT_LE((grad - expected).abs().max().template item<double>(),
              4 * kHalfUnit * expected.abs().max().template item<double>());
  }
}

/// A plugin's kernel, with its defaults, is within 1e-5 of `eager(logits, dense target)` in float64: the value, and
/// every derivative beside the greatest.
template <class Eager>
void expect_is_eager(const std::string& plugin, bool multiclass, LossBatch batch, Eager&& eager,
                     const LossUnderTest::Strings& strings = {}) {
  SCOPED_TRACE(plugin + (multiclass ? " of multiclass data" : ""));
  const double value = batch.run(LossUnderTest(built_loss(plugin), multiclass, batch.k, {}, strings));
  const std::vector<std::int64_t> shape{batch.n, batch.k, batch.h, batch.w};
  at::Tensor target = at::zeros(shape, at::kDouble);
  for (std::int64_t i = 0; i < batch.n; ++i)
    for (std::int64_t c = 0; c < batch.k; ++c)
      for (std::int64_t p = 0; p < batch.pixels(); ++p)
        target.data_ptr<double>()[batch.at(i, c, p)] = batch.target(i, c, p);
  const at::Tensor logits = at::from_blob(batch.logits.data(), shape, at::kFloat).to(at::kDouble).requires_grad_();
  const c10::AutoGradMode enable(true);
  const at::Tensor expected = eager(logits, target);
  expected.backward();
  EXPECT_NEAR(value, expected.item<double>(), 1e-5 * std::max(1.0, std::abs(value)));
  const at::Tensor grad = at::from_blob(batch.grad.data(), shape, at::kFloat);
  EXPECT_LE((grad - logits.grad()).abs().max().item<double>(), 1e-5 * logits.grad().abs().max().item<double>());
}

/// The devices that tests of expressions run on; what is not there is skipped.
class OnTorch : public ::testing::TestWithParam<at::DeviceType> {
 protected:
  void SetUp() override {
    if (GetParam() == at::kCUDA && !torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  }
  at::Device device() const { return {GetParam(), static_cast<at::DeviceIndex>(GetParam() == at::kCUDA ? 0 : -1)}; }
};
inline auto devices() { return ::testing::Values(at::kCPU, at::kCUDA); }
inline std::string name_of(const ::testing::TestParamInfo<at::DeviceType>& info) {
  return info.param == at::kCPU ? "Cpu" : "Cuda";
}

}  // namespace osteon::test
