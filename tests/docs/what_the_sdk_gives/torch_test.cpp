// SPDX-License-Identifier: Apache-2.0
// What docs/author/what-the-sdk-gives.md shows of models and losses on LibTorch.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/testing.hpp>
#include <osteon/sdk/torch/loss.hpp>
#include <osteon/sdk/torch/model.hpp>

namespace {

using namespace osteon::sdk;

// Losses.

class SquaredError {
 public:
  using Params = NoParams;
  static constexpr std::uint32_t kUnderstands =
      OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;
  SquaredError(const Params&, const LossRequest&) {}

  at::Tensor forward(const at::Tensor& logits, const TorchTarget& target) const {
    return target.mean((at::sigmoid(logits) - target.dense()).square());
  }
};

TEST(TheSdkGives, ALossAsAnExpression) {
  std::vector<float> logits = {0, 2};
  std::vector<std::int32_t> planes = {1, 0};
  std::vector<std::uint8_t> valid = {1, 0};
  const BorrowedTensor x(logits.data(), {1, 1, 1, 2}), y(planes.data(), {1, 1, 1, 2}), v(valid.data(), {1, 1, 2});
  auto raw = sized<osteon_loss_input>();
  raw.logits = x;
  raw.target = y;
  raw.valid = v;
  const TorchTarget target(raw, /*multiclass=*/false);
  EXPECT_FLOAT_EQ(SquaredError({}, {}).forward(borrow(x.view()), target).item<float>(), 0.25f);
}

// Models.

struct TwoHeads : torch::nn::Module {
  using Params = NoParams;
  TwoHeads(const Params&, const ModelRequest& request) : classes(request.n_classes) {
    body =
        register_module("encoder", torch::nn::Conv2d(torch::nn::Conv2dOptions(request.in_channels, 8, 3).padding(1)));
    head = register_module("head", torch::nn::Conv2d(8, classes, 1));
    presence = register_module("presence", torch::nn::Linear(8, classes));
  }

  ModelTraits traits() const {
    ModelTraits traits;
    OutputTraits there;
    there.name = "presence";  // what recipes write after `output =`
    there.role = OutputRole::kPresence;
    there.stride = 0;  // one logit for the whole image
    there.loss_weight = 0.1;
    traits.outputs.push_back(there);
    return traits;
  }

  std::vector<torch::Tensor> forward(const torch::Tensor& image, Outputs wanted) {
    const torch::Tensor features = torch::relu(body(image));
    std::vector<torch::Tensor> outputs = {head(features)};
    if (wanted == Outputs::kAll) outputs.push_back(presence(features.mean({2, 3})).view({-1, classes, 1, 1}));
    return outputs;
  }

  std::int64_t classes;
  torch::nn::Conv2d body{nullptr}, head{nullptr};
  torch::nn::Linear presence{nullptr};
};

TEST(TheSdkGives, AModelWithTwoOutputs) {
  ModelRequest request;
  request.n_classes = 5;
  TwoHeads model({}, request);
  EXPECT_EQ(model.forward(torch::zeros({1, 3, 8, 8}), Outputs::kMain).size(), 1u);
  const auto all = model.forward(torch::zeros({1, 3, 8, 8}), Outputs::kAll);
  EXPECT_EQ(all.at(1).sizes(), torch::IntArrayRef({1, 5, 1, 1}));
  EXPECT_EQ(torch_model<TwoHeads>({"two_heads", "1.0.0", "Two heads."}).kind, std::uint32_t{OSTEON_KIND_MODEL});
  EXPECT_EQ(torch_loss<SquaredError>({"squared_error", "1.0.0", "Squares."}).kind, std::uint32_t{OSTEON_KIND_LOSS});
}

}  // namespace
