// SPDX-License-Identifier: Apache-2.0
// What a forward of the torch layer gives: which outputs, of which type, in which form.
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "toys.hpp"

namespace osteon::sdk {
namespace {

using ::testing::HasSubstr;

/// A main output, an auxiliary one at half the size, and whether each class is there.
struct ThreeOutputs : Toy {
  using Toy::Toy;
  static ModelTraits three() {
    ModelTraits traits;
    traits.outputs = {{"main", 1, 1, false}, {"aux", 0.4, 2, true}, {"presence", 0, 0, false, OutputRole::kPresence}};
    return traits;
  }
  ModelTraits traits() const { return three(); }
  std::vector<at::Tensor> all(const at::Tensor& x) {
    const at::Tensor y = head(x);
    return {y, at::max_pool2d(y, 2), y.amax({2, 3}, /*keepdim=*/true)};
  }
};
struct LooksAtWhatIsWanted : ThreeOutputs {
  using ThreeOutputs::ThreeOutputs;
  std::vector<at::Tensor> forward(const at::Tensor& x, Outputs wanted) {
    std::vector<at::Tensor> outputs = all(x);
    if (wanted == Outputs::kMain) outputs.resize(1);
    return outputs;
  }
};
struct GivesAllAlways : ThreeOutputs {
  using ThreeOutputs::ThreeOutputs;
  std::vector<at::Tensor> forward(const at::Tensor& x) { return all(x); }
};
struct GivesAllInTraining : ThreeOutputs {
  using ThreeOutputs::ThreeOutputs;
  std::vector<at::Tensor> forward(const at::Tensor& x) {
    std::vector<at::Tensor> outputs = all(x);
    if (!is_training()) outputs.resize(1);
    return outputs;
  }
};
struct PresenceFirst : Toy {
  using Toy::Toy;
  ModelTraits traits() const {
    ModelTraits traits;
    traits.outputs = {{"presence", 1, 0, false, OutputRole::kPresence}};
    return traits;
  }
  at::Tensor forward(const at::Tensor& x) { return head(x).amax({2, 3}, true); }
};

TEST(TorchOutputs, SayWhatTheyAre) {
  const auto model = make<LooksAtWhatIsWanted>();
  const osteon_model_info& info = model->info();
  ASSERT_EQ(info.n_outputs, 3u);
  const std::uint32_t roles[] = {OSTEON_OUTPUT_MAIN, OSTEON_OUTPUT_AUXILIARY, OSTEON_OUTPUT_PRESENCE};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(info.outputs[i]->role, roles[i]);
    EXPECT_EQ(info.outputs[i]->channels, 3);
  }
  EXPECT_EQ(info.outputs[1]->flags, OSTEON_OUTPUT_ALIGN_CORNERS);
  EXPECT_EQ(info.outputs[2]->stride, 0);
  EXPECT_THAT(failure([] { make<PresenceFirst>(); }).second, HasSubstr("presence, which no main output says"));
}

TEST(TorchOutputs, AreAllThereInInferenceWhereTheyAreAskedFor) {
  for (const auto& model : {make<LooksAtWhatIsWanted>(), make<GivesAllAlways>()}) {
    const RecordingCall call;
    const std::vector<at::Tensor> outputs = model->infer_all(call, ramp(2));
    ASSERT_EQ(outputs.size(), 3u);
    EXPECT_TRUE(outputs[0].equal(model->infer(call, ramp(2))));
    EXPECT_TRUE(outputs[1].equal(at::max_pool2d(outputs[0], 2)));
    EXPECT_EQ(outputs[2].sizes(), at::IntArrayRef({1, 3, 1, 1}));
    EXPECT_TRUE(outputs[2].equal(outputs[0].amax({2, 3}, true)));
    // Training gives the same ones, with gradients of their own.
    ModelUnderTest::Step step(*model, ramp(2));
    EXPECT_TRUE(step.output(2).equal(outputs[2]));
    step.backward({{}, {}, at::ones({1, 3, 1, 1})});
    EXPECT_TRUE(model->grad("head.bias").equal(at::ones({3})));
  }
}

TEST(TorchOutputs, ThatOnlyTrainingHasAreRefusedInInference) {
  const auto model = make<GivesAllInTraining>();
  const RecordingCall call;
  EXPECT_EQ(model->infer(call, ramp(2)).sizes(), at::IntArrayRef({1, 3, 8, 8}));
  const auto [status, text] = failure([&] { model->infer_all(call, ramp(2)); });
  EXPECT_EQ(status, OSTEON_UNSUPPORTED);
  EXPECT_THAT(text, HasSubstr("1 outputs, its traits say 3"));
  EXPECT_THAT(text, HasSubstr("osteon::sdk::Outputs"));
}

TEST(TorchOutputs, AreAsManyAsThereIsRoomFor) {
  const auto model = make<LooksAtWhatIsWanted>();
  const RecordingCall call;
  const TorchView input(ramp(2));
  const auto run = [&](std::uint32_t flags, std::size_t room) {
    auto options = sized<osteon_forward_options>();
    options.flags = flags;
    std::vector<OwnedTensor> outputs(room);
    std::vector<osteon_tensor*> outs;
    for (OwnedTensor& output : outputs) outs.push_back(output.out());
    return failure([&] {
      check([&](osteon_error* e) {
        return model->api().forward(call.raw(), model->get(), &options, input, room, outs.data(), nullptr, e);
      });
    });
  };
  EXPECT_EQ(run(OSTEON_FORWARD_ALL_OUTPUTS, 3).first, OSTEON_OK);
  EXPECT_EQ(run(OSTEON_FORWARD_ALL_OUTPUTS, 1).first, OSTEON_INVALID_ARGUMENT);
  EXPECT_EQ(run(0, 3).first, OSTEON_INVALID_ARGUMENT);
  EXPECT_EQ(run(0, 1).first, OSTEON_OK);
  EXPECT_EQ(run(1u << 31, 1).first, OSTEON_OK) << "a bit that may be ignored";
  const auto [status, text] = run(1u << 15, 1);
  EXPECT_EQ(status, OSTEON_UNSUPPORTED);
  EXPECT_THAT(text, HasSubstr("must be understood"));
}

/// Logits in memory that is not row-major: 0 repeated, transposed, cut out of something larger.
struct Repeated : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) {
    return head(x).mean({2, 3}, true).expand({x.size(0), 3, x.size(2), x.size(3)});
  }
};
struct Transposed : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return head(x).transpose(2, 3); }
};
struct CutOut : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) {
    return at::constant_pad_nd(head(x), {3, 2, 1, 4}, 7).narrow(2, 1, x.size(2)).narrow(3, 3, x.size(3));
  }
};
struct ChannelsLast : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return head(x).contiguous(at::MemoryFormat::ChannelsLast); }
};
struct OfTheBias : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) {
    return head->bias.view({1, 3, 1, 1}).expand({x.size(0), 3, x.size(2), x.size(3)});
  }
};

template <class M>
class TorchForms : public ::testing::Test {};
using Forms = ::testing::Types<Repeated, Transposed, CutOut, ChannelsLast, OfTheBias>;
TYPED_TEST_SUITE(TorchForms, Forms);

TYPED_TEST(TorchForms, OfOutputsAreCanonical) {
  const auto model = make<TypeParam>();
  model->train_all();
  TypeParam reference({}, {2, 3, {}, 0});
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : reference.named_parameters()) item.value().copy_(model->value(item.key()));
  }
  const at::Tensor expected = reference.forward(ramp(2)).detach();
  const TorchView input(ramp(2));
  const RecordingCall call;
  for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING})
    for (const std::uint32_t flags : {0u, std::uint32_t{OSTEON_FORWARD_PLAIN}}) {
      auto options = sized<osteon_forward_options>();
      options.mode = mode;
      options.flags = flags;
      OwnedTensor output;
      osteon_tensor* const outputs[] = {output.out()};
      osteon_tape* tape = nullptr;
      check([&](osteon_error* e) {
        return model->api().forward(call.raw(), model->get(), &options, input, 1, outputs,
                                    mode == OSTEON_MODE_TRAINING ? &tape : nullptr, e);
      });
      EXPECT_NO_THROW(expect_canonical(output.view(), "the output"));
      EXPECT_TRUE(borrow(output.view()).allclose(expected, 1e-5, 1e-6));
      EXPECT_NE(output.view().data, model->value("head.bias").data_ptr());
      model->api().release_tape(model->get(), tape);
    }
}

struct GivesHalves : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return head(x).to(at::kBFloat16); }
};
struct GivesDoubles : Toy {
  using Toy::Toy;
  at::Tensor forward(const at::Tensor& x) { return head(x).to(at::kDouble); }
};

TEST(TorchOutputs, HaveTheTypeOfTheirPrecision) {
  const auto halves = make<GivesHalves>(), doubles = make<GivesDoubles>(), floats = make<ReluLast>();
  const RecordingCall call;
  const auto type = [&](ModelUnderTest& model, std::uint32_t precision) {
    return model.infer(call, ramp(2), OSTEON_FORWARD_PLAIN, precision).scalar_type();
  };
  EXPECT_EQ(type(*floats, OSTEON_PRECISION_FLOAT32), at::kFloat);
  EXPECT_EQ(type(*floats, OSTEON_PRECISION_TF32), at::kFloat);
  EXPECT_EQ(type(*floats, OSTEON_PRECISION_BFLOAT16), at::kBFloat16);
  EXPECT_EQ(type(*halves, OSTEON_PRECISION_BFLOAT16), at::kBFloat16);
  EXPECT_THAT(failure([&] { type(*halves, OSTEON_PRECISION_FLOAT32); }).second, HasSubstr("'main' is BFloat16"));
  EXPECT_THAT(failure([&] { type(*doubles, OSTEON_PRECISION_FLOAT32); }).second, HasSubstr("'main' is Double"));
  EXPECT_EQ(failure([&] { type(*floats, OSTEON_PRECISION_FLOAT16); }).first, OSTEON_UNSUPPORTED);
  EXPECT_EQ(failure([&] { type(*floats, 4); }).first, OSTEON_UNSUPPORTED);
}

TEST(TorchPrecision, Tf32IsFloat32OnTheCpu) {
  const auto model = make<ReluLast>();
  const auto gradient = [&](std::uint32_t precision) {
    model->zero_grads();
    ModelUnderTest::Step step(*model, ramp(2), 0, 0, precision);
    step.backward({at::ones({1, 3, 8, 8})});
    return model->all_grads().clone();
  };
  EXPECT_TRUE(gradient(OSTEON_PRECISION_TF32).equal(gradient(OSTEON_PRECISION_FLOAT32)));
  const RecordingCall call;
  model->infer(call, ramp(2), 0, OSTEON_PRECISION_TF32);
  model->infer(call, ramp(2), 0, OSTEON_PRECISION_FLOAT32);
  const auto* plan =
      static_cast<const osteon_inference_plan*>(model->component().extension(OSTEON_EXTENSION_INFERENCE_PLAN));
  int lines = 0;
  check([&](osteon_error* e) {
    return plan->describe(
        model->get(), [](void* user, const char*) { ++*static_cast<int*>(user); }, &lines, e);
  });
  EXPECT_EQ(lines, 1) << "one plan for both";
}

// The setting is the process's, whatever it was.
TEST(TorchPrecision, Tf32PutsBackWhatItFound) {
  const auto allowed = [] {
    return std::make_pair(at::globalContext().allowTF32CuDNN(), at::globalContext().allowTF32CuBLAS());
  };
  for (const bool before : {false, true}) {
    at::globalContext().setAllowTF32CuDNN(before);
    at::globalContext().setAllowTF32CuBLAS(!before);
    {
      auto first = std::make_unique<compat::Tf32Guard>(), second = std::make_unique<compat::Tf32Guard>();
      EXPECT_EQ(allowed(), std::make_pair(true, true));
      first.reset();  // scopes of two threads need not end in the order in which they began
      EXPECT_EQ(allowed(), std::make_pair(true, true));
    }
    EXPECT_EQ(allowed(), std::make_pair(before, !before));
  }
  compat::allow_tf32(false);
}

bool* g_cancel = nullptr;
struct CancelsItself : ReluLast {
  using ReluLast::ReluLast;
  at::Tensor forward(const at::Tensor& x) {
    if (g_cancel != nullptr) *g_cancel = true;
    return ReluLast::forward(x);
  }
};

// LibTorch cannot be stopped on its way; what it made is dropped when it comes back.
TEST(TorchOutputs, AreDroppedWhenTheCallWasCancelledMeanwhile) {
  const auto model = make<CancelsItself>();
  model->train_all();
  const TorchView input(ramp(2));
  for (const std::uint32_t mode : {OSTEON_MODE_INFERENCE, OSTEON_MODE_TRAINING}) {
    RecordingCall call;
    g_cancel = &call.cancel;
    auto options = sized<osteon_forward_options>();
    options.mode = mode;
    OwnedTensor output;
    osteon_tensor* const outputs[] = {output.out()};
    osteon_tape* tape = nullptr;
    ErrorBuffer error;
    EXPECT_EQ(model->api().forward(call.raw(), model->get(), &options, input, 1, outputs,
                                   mode == OSTEON_MODE_TRAINING ? &tape : nullptr, error.out()),
              OSTEON_CANCELLED);
    EXPECT_TRUE(output.empty());
    EXPECT_EQ(tape, nullptr);
  }
  g_cancel = nullptr;
  model->set_trainable({});  // no tape is alive
}

// A later host's structs are longer, and none is shorter than the first one's.
TEST(TorchRequests, AreReadAsFarAsTheyGo) {
  const auto model = make<ReluLast>();
  const TorchView input(ramp(2));
  const RecordingCall call;
  struct Longer {
    osteon_forward_options known = sized<osteon_forward_options>();
    std::uint64_t appended = ~std::uint64_t{0};
  } longer;
  longer.known.struct_size = sizeof longer;
  const auto status = [&] {
    OwnedTensor output;
    osteon_tensor* const outputs[] = {output.out()};
    return model->api().forward(call.raw(), model->get(), &longer.known, input, 1, outputs, nullptr, nullptr);
  };
  EXPECT_EQ(status(), OSTEON_OK);
  longer.known.struct_size = sizeof longer.known - 8;
  EXPECT_EQ(status(), OSTEON_INVALID_ARGUMENT);
  auto request = sized<osteon_model_request>();
  request.in_channels = 2;
  request.n_classes = 3;
  const auto& api = *static_cast<const osteon_model_api*>(toy_component<ReluLast>().api);
  const auto created = [&] {
    osteon_model* made = nullptr;
    const osteon_status result = api.create(call.raw(), nullptr, &request, &made, nullptr);
    api.destroy(made);
    return result;
  };
  EXPECT_EQ(created(), OSTEON_OK);
  request.flags = 1u << 20;
  EXPECT_EQ(created(), OSTEON_OK);
  request.flags = 1u << 3;
  EXPECT_EQ(created(), OSTEON_UNSUPPORTED);
}

}  // namespace
}  // namespace osteon::sdk
