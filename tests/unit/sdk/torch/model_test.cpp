// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/torch/model.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/rounding.hpp"
#include "toys.hpp"

namespace osteon::sdk {
namespace {

struct Dropping : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return at::dropout(head(x), 0.5, is_training()); }
};
struct PassThrough : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return x.view_as(x); }
};
struct ReadsItsData : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return head(x) + x.mean().item<float>(); }
};
struct OutOfMemory : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor&) { return at::empty({std::int64_t{1} << 50}); }
};
struct WrongShape : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return at::max_pool2d(head(x), 2); }
};
struct ForgetsAHead : Toy {
  using Toy::Toy;
  ModelTraits traits() const {
    ModelTraits traits;
    traits.outputs = {{"main", 1, 1, false}, {"aux", 0.4, 2, false}};
    return traits;
  }
  at::Tensor forward(const at::Tensor& x) { return head(x); }
};
struct Tied : Toy {
  Tied(const Params& p, const ModelRequest& request) : Toy(p, request) { register_parameter("again", head->weight); }
  at::Tensor forward(const at::Tensor& x) { return head(x); }
};
struct Doubles : Toy {
  Doubles(const Params& p, const ModelRequest& request) : Toy(p, request) { to(at::kDouble); }
  at::Tensor forward(const at::Tensor& x) { return head(x); }
};

TEST(TorchModel, DropoutDrawsFromTheCallsSeedAlone) {
  const auto model = make<Dropping>();
  const auto draw = [&](std::uint64_t seed) { return ModelUnderTest::Step(*model, ramp(2), seed).output().clone(); };
  const at::Tensor state = at::globalContext().defaultGenerator(at::kCPU).get_state();
  const at::Tensor first = draw(5);
  EXPECT_TRUE(at::globalContext().defaultGenerator(at::kCPU).get_state().equal(state));
  at::rand({10});
  EXPECT_TRUE(draw(5).equal(first));
  EXPECT_FALSE(draw(6).equal(first));
}

TEST(TorchModel, WhatTheHostWritesToAnOutputDoesNotChangeGradients) {
  const auto model = make<ReluLast>();
  const auto gradient = [&](bool overwrite) {
    model->zero_grads();
    ModelUnderTest::Step step(*model, ramp(2));
    if (overwrite) step.output().fill_(-1);  // a ReLU's backward looks at its result
    step.backward({at::ones({1, 3, 8, 8})});
    return model->all_grads().clone();
  };
  const at::Tensor wanted = gradient(false);
  EXPECT_GT(wanted.abs().max().item<float>(), 0);
  EXPECT_TRUE(gradient(true).equal(wanted));
}

TEST(TorchModel, TheGradientOfTheInputIsMemoryOfItsOwn) {
  const auto model = make<PassThrough>(3, 3);
  ModelUnderTest::Step step(*model, ramp(3), 0, OSTEON_FORWARD_INPUT_GRADIENT);
  EXPECT_TRUE(step.backward({ramp(3)}, nullptr, nullptr, true).equal(ramp(3)));
}

TEST(TorchModel, AnOutputIsMemoryOfItsOwnToo) {
  const auto model = make<PassThrough>(3, 3);
  model->train_all();
  at::Tensor x = ramp(3);
  const TorchView view(x);
  const RecordingCall call;
  for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING}) {
    auto options = sized<osteon_forward_options>();
    options.mode = mode;
    OwnedTensor output;
    osteon_tensor* const outputs[] = {output.out()};
    osteon_tape* tape = nullptr;
    check([&](osteon_error* e) {
      return model->api().forward(call.raw(), model->get(), &options, view, 1, outputs,
                                  mode == OSTEON_MODE_TRAINING ? &tape : nullptr, e);
    });
    EXPECT_NE(output.view().data, x.data_ptr());
    model->api().release_tape(model->get(), tape);
  }
}

TEST(TorchModel, TheGradientOfTheInputMustBeAnnounced) {
  const auto model = make<PassThrough>(3, 3);
  ModelUnderTest::Step step(*model, ramp(3));
  EXPECT_EQ(failure([&] { step.backward({ramp(3)}, nullptr, nullptr, true); }).first, OSTEON_INVALID_ARGUMENT);
}

TEST(TorchModel, AGraphThatFrozeSomethingOfItsDataIsDroppedAndTheLogSaysSo) {
  const auto model = make<ReadsItsData>();
  const RecordingCall call;
  for (int i = 0; i < 12; ++i) {
    const at::Tensor x = ramp(2) * static_cast<float>(i + 1);
    const at::Tensor expected = model->infer(call, x);
    EXPECT_LE((model->infer(call, x, 0) - expected).abs().max().item<double>(),
              test::rounding(27) * expected.abs().max().item<double>())
        << i;
  }
  ASSERT_EQ(call.lines.size(), 2u);
  EXPECT_NE(call.lines[0].find("graph is not used"), std::string::npos) << call.lines[0];
  EXPECT_NE(call.lines[1].find("graph dropped"), std::string::npos) << call.lines[1];
}

TEST(TorchModel, RemembersTheEightShapesUsedLast) {
  const auto model = make<ReluLast>();
  const RecordingCall call;
  for (std::int64_t size = 8; size < 17; ++size) model->infer(call, ramp(2, size), 0);
  const auto* plan =
      static_cast<const osteon_inference_plan*>(model->component().extension(OSTEON_EXTENSION_INFERENCE_PLAN));
  int lines = 0;
  check([&](osteon_error* e) {
    return plan->describe(
        model->get(), [](void* user, const char*) { ++*static_cast<int*>(user); }, &lines, e);
  });
  EXPECT_EQ(lines, 8);
  EXPECT_EQ(call.lines.size(), 1u);
  EXPECT_EQ(model->component().extension("osteon.no-such-thing/1"), nullptr);
}

TEST(TorchModel, SaysThatMemoryRanOut) {
  const auto model = make<OutOfMemory>();
  const RecordingCall call;
  EXPECT_EQ(failure([&] { model->infer(call, ramp(2)); }).first, OSTEON_OUT_OF_MEMORY);
  EXPECT_EQ(failure([&] { ModelUnderTest::Step(*model, ramp(2)); }).first, OSTEON_OUT_OF_MEMORY);
}

TEST(TorchModel, HoldsAuthorsToWhatTheirTraitsSay) {
  const auto wrong = failure([] { make<WrongShape>()->infer(RecordingCall(), ramp(2)); });
  EXPECT_EQ(wrong.first, OSTEON_FAILED);
  EXPECT_NE(wrong.second.find("[1, 3, 8, 8]"), std::string::npos) << wrong.second;
  const auto model = make<ForgetsAHead>();
  const auto forgotten = failure([&] { ModelUnderTest::Step(*model, ramp(2)); });
  EXPECT_EQ(forgotten.first, OSTEON_FAILED);
  EXPECT_NE(forgotten.second.find("1 outputs, its traits say 2"), std::string::npos) << forgotten.second;
}

TEST(TorchModel, RefusesWeightsThatItCannotShow) {
  const auto tied = failure([] { make<Tied>(); });
  EXPECT_EQ(tied.first, OSTEON_FAILED);
  EXPECT_NE(tied.second.find("'head.weight'"), std::string::npos) << tied.second;
  const auto doubles = failure([] { make<Doubles>(); });
  EXPECT_EQ(doubles.first, OSTEON_FAILED);
  EXPECT_NE(doubles.second.find("Double"), std::string::npos) << doubles.second;
}

TEST(TorchModel, KeepsValuesAndGradientsInAMove) {
  const auto model = make<ReluLast>();
  {
    ModelUnderTest::Step step(*model, ramp(2));
    step.backward({at::ones({1, 3, 8, 8})});
  }
  const at::Tensor values = model->value("head.weight").clone(), grads = model->grad("head.weight").clone();
  model->move({OSTEON_DEVICE_CPU, 0});
  ASSERT_EQ(model->tensors().size(), 2u);
  EXPECT_TRUE(model->value("head.weight").equal(values));
  EXPECT_TRUE(model->grad("head.weight").equal(grads));
}

}  // namespace
}  // namespace osteon::sdk

OSTEON_PLUGIN("toy", "1.0.0", osteon::sdk::torch_model<osteon::sdk::ReluLast>({"toy", "1.0.0", "a toy"}))
