// SPDX-License-Identifier: Apache-2.0
// Can the hardest training of the zoo cross the ABI: three heads at three strides, two losses on each, gradients
// accumulated over micro-batches, heads freed one at a time? The answer is compared with plain autograd of the same
// sum.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "deep_model.hpp"
#include "plugin/call.hpp"
#include "plugin/model.hpp"
#include "support/rounding.hpp"

namespace osteon::spikes {
namespace {

constexpr int kMicroBatches = 2;
constexpr double kBceWeight = 0.4, kDiceWeight = 0.6;

at::Tensor bce(const at::Tensor& logits, const at::Tensor& target) {
  return at::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::Mean);
}

at::Tensor dice(const at::Tensor& logits, const at::Tensor& target) {
  const at::Tensor p = at::sigmoid(logits);
  const at::Tensor overlap = (p * target).sum({2, 3}), sizes = (p + target).sum({2, 3});
  return 1 - ((2 * overlap + 1) / (sizes + 1)).mean();
}

/// Logits on the target's grid: what the host does between a head and its losses.
at::Tensor resized(const at::Tensor& logits, const at::Tensor& target, bool align_corners) {
  if (logits.sizes() == target.sizes()) return logits;
  return at::upsample_bilinear2d(logits, {target.size(2), target.size(3)}, align_corners);
}

/// The value of one loss at one head and its gradient with respect to that head's logits, scaled.
struct HostLoss {
  at::Tensor (*function)(const at::Tensor&, const at::Tensor&);
  double weight;

  at::Tensor gradient(const at::Tensor& logits, const at::Tensor& target, bool align_corners, double scale) const {
    const at::Tensor leaf = logits.detach().clone().set_requires_grad(true);
    (function(resized(leaf, target, align_corners), target) * (weight * scale)).backward();
    return leaf.grad();
  }
};
const HostLoss kLosses[] = {{&bce, kBceWeight}, {&dice, kDiceWeight}};

struct Batch {
  at::Tensor input, target;
};

std::vector<Batch> batches() {
  auto generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(11);
  std::vector<Batch> all;
  for (int i = 0; i < kMicroBatches; ++i)
    all.push_back({at::rand({2, 3, 20, 28}, generator), (at::rand({2, 4, 20, 28}, generator) > 0.7).to(at::kFloat)});
  return all;
}

plugin::LoadedComponent linked_in() {
  plugin::LoadedComponent component;
  component.component = osteon_get_plugin(OSTEON_ABI_VERSION)->components[0];
  component.schema.name = component.component->name;
  component.schema.kind = plugin::Kind::kModel;
  component.schema.parameters.resize(1);
  component.schema.parameters[0].name = "width";
  component.schema.parameters[0].type = plugin::ParameterType::kInt;
  return component;
}

plugin::Parameters width(std::int64_t channels) { return {std::vector<std::int64_t>{channels}}; }

class DeepSupervision : public testing::Test {
 protected:
  plugin::Call call;
  plugin::ClassContext classes{false, {"a", "b", "c", "d"}, {}};
  plugin::Model model{linked_in(), width(6), classes, /*in_channels=*/3, /*seed=*/5, call};

  void SetUp() override {
    std::vector<std::uint64_t> parameters;
    for (std::uint64_t i = 0; i < model.tensors(call).size(); ++i)
      if (model.tensors(call)[i].parameter) parameters.push_back(i);
    model.set_trainable(call, parameters);
  }
};

TEST_F(DeepSupervision, TwoLossesOnThreeHeadsOverTwoMicroBatchesEqualPlainAutograd) {
  // The reference: one module, one sum, one backward.
  DeepImpl reference({6}, {3, 4, {}, 0});
  for (const plugin::NamedTensor& tensor : model.tensors(call)) {
    if (!tensor.parameter) continue;
    const torch::NoGradGuard no_grad;
    reference.named_parameters()[tensor.name].copy_(sdk::borrow(*tensor.value));
  }
  const auto traits = reference.traits();
  at::Tensor sum = at::zeros({});
  for (const Batch& batch : batches()) {
    const std::vector<at::Tensor> heads = reference.forward(batch.input, sdk::Outputs::kAll);
    for (std::size_t h = 0; h < heads.size(); ++h)
      for (const HostLoss& loss : kLosses)
        sum = sum + loss.function(resized(heads[h], batch.target, traits.outputs[h].align_corners), batch.target) *
                        (loss.weight * traits.outputs[h].loss_weight / kMicroBatches);
  }
  sum.backward();

  // The same through the host's handle.
  for (const plugin::NamedTensor& tensor : model.tensors(call))
    if (tensor.parameter) sdk::borrow(*tensor.grad).zero_();
  for (const Batch& batch : batches()) {
    const sdk::TorchView input(batch.input);
    plugin::Model::TrainingResult result = model.forward(call, input.view(), {});
    ASSERT_EQ(result.outputs.size(), 3u);
    std::vector<sdk::TorchView> grads;
    for (std::size_t h = 0; h < result.outputs.size(); ++h) {
      const plugin::ModelOutput& head = model.outputs()[h];
      const at::Tensor logits = sdk::borrow(result.outputs[h].view());
      at::Tensor grad = at::zeros_like(logits);
      for (const HostLoss& loss : kLosses)
        grad += loss.gradient(logits, batch.target, head.align_corners, head.loss_weight / kMicroBatches);
      grads.emplace_back(sdk::canonical(grad));
      result.outputs[h].reset();  // a head's logits are not needed once its losses are done
    }
    model.backward(call, std::move(result.tape), {&grads[0].view(), &grads[1].view(), &grads[2].view()});
  }
  // Sums over the pixels of all micro-batches, through four layers.
  const double tolerance = test::rounding(kMicroBatches * 2 * 20 * 28, 4);
  for (const plugin::NamedTensor& tensor : model.tensors(call)) {
    if (!tensor.parameter) continue;
    const at::Tensor got = sdk::borrow(*tensor.grad), wanted = reference.named_parameters()[tensor.name].grad();
    EXPECT_LE((got - wanted).abs().max().item<double>(), tolerance * std::max(1.0, wanted.abs().max().item<double>()))
        << tensor.name;
    EXPECT_GT(wanted.abs().max().item<double>(), 0) << tensor.name;
  }
}

TEST_F(DeepSupervision, AHeadWithoutAGradientDoesNotCount) {
  const Batch batch = batches()[0];
  const sdk::TorchView input(batch.input);
  plugin::Model::TrainingResult result = model.forward(call, input.view(), {});
  const sdk::TorchView ones(at::ones_like(sdk::borrow(result.outputs[0].view())));
  model.backward(call, std::move(result.tape), {&ones.view(), nullptr, nullptr});
  for (const plugin::NamedTensor& tensor : model.tensors(call)) {
    if (!tensor.parameter) continue;
    const bool other_head = tensor.name.rfind("head2", 0) == 0 || tensor.name.rfind("head4", 0) == 0;
    EXPECT_EQ(sdk::borrow(*tensor.grad).abs().max().item<float>() == 0, other_head) << tensor.name;
  }
}

TEST_F(DeepSupervision, InferenceGivesTheMainHeadAloneUnlessAllAreAskedFor) {
  const Batch batch = batches()[0];
  const sdk::TorchView input(batch.input);
  const sdk::OwnedTensor logits = model.infer(call.raw(), input.view(), {});
  EXPECT_EQ(sdk::borrow(logits.view()).sizes(), (std::vector<std::int64_t>{2, 4, 20, 28}));
  const std::vector<sdk::OwnedTensor> all = model.infer_all(call.raw(), input.view(), {});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_TRUE(sdk::borrow(all[0].view()).equal(sdk::borrow(logits.view())));
  EXPECT_EQ(sdk::borrow(all[1].view()).sizes(), (std::vector<std::int64_t>{2, 4, 10, 14}));
  EXPECT_EQ(sdk::borrow(all[2].view()).sizes(), (std::vector<std::int64_t>{2, 4, 5, 7}));
}

}  // namespace
}  // namespace osteon::spikes
