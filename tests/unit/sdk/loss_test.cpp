// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/loss.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/parallel.hpp>

#include "support/loss_checks.hpp"

/// What the plain loss layer checks before an author's code sees an input, and parallel_for.
namespace {

using namespace osteon::sdk;
using osteon::test::TestCall;

/// A correct input of two classes at 2 x 3, for tests to spoil.
struct Case {
  std::vector<float> logits = std::vector<float>(12, 1.0f), grad = std::vector<float>(12, 0.0f);
  std::vector<std::int32_t> planes = std::vector<std::int32_t>(6, 1);
  std::vector<std::uint8_t> valid{1, 0, 1, 1, 1, 0}, known{1, 0};
  std::vector<float> weight{0.5f, 7, 1, 0, 2, 7}, shares{0, 0.25f, 0.5f, 1, 0, 0, 0.125f, 0, 1, 0, 0, 1};
  BorrowedTensor x{logits.data(), {1, 2, 2, 3}}, g{grad.data(), {1, 2, 2, 3}}, t{planes.data(), {1, 1, 2, 3}},
      v{valid.data(), {1, 2, 3}}, pixel_weight{weight.data(), {1, 2, 3}}, class_valid{known.data(), {1, 2}},
      soft{shares.data(), {1, 2, 2, 3}};
  osteon_loss_input input = sized<osteon_loss_input>();

  Case() {
    input.logits = x;
    input.target = t;
    input.valid = v;
    input.grad_scale = 1;
    input.grad = g;
  }
  /// All that an input can say.
  void say_all() {
    input.flags = OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;
    input.pixel_weight = pixel_weight;
    input.class_valid = class_valid;
    input.soft_target = soft;
    input.target = nullptr;
  }

  void expect_refused(osteon_status status, const std::string& text) const {
    try {
      LossInput checked(detail::known_loss_input(&input, detail::kLossFlags), 2);
      ADD_FAILURE() << "accepted; expected: " << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.status(), status);
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  }
};

TEST(LossInput, GivesSizesAndRows) {
  const Case c;
  const LossInput in(c.input, 2);
  EXPECT_EQ(in.pixels(), 6);
  EXPECT_EQ(in.valid_pixels(), 4);
  EXPECT_EQ(in.weight_sum(), 4);
  EXPECT_EQ(in.sample_weight(0), 1.0f);
  EXPECT_EQ(in.logits(0, 1, 2, 4, nullptr), c.logits.data() + 8);
  EXPECT_EQ(in.plane(0, 1, 2)[0], 1u);
  EXPECT_EQ(in.runs(), 1);
  EXPECT_EQ(in.run_length(0), 6);
  EXPECT_TRUE(in.is_plain());
  EXPECT_TRUE(in.class_valid(0, 1));
  in.with_run(0, 1, 0, 6, [](auto run) { EXPECT_TRUE(decltype(run)::kBits); });
}

TEST(LossInput, GivesWeightsKnownClassesAndTargets) {
  Case c;
  c.say_all();
  const LossInput in(c.input, 2);
  EXPECT_FALSE(in.is_plain());
  EXPECT_EQ(in.valid_pixels(), 4);
  EXPECT_EQ(in.weight_sum(0), 3.5);
  EXPECT_TRUE(in.class_valid(0, 0));
  EXPECT_FALSE(in.class_valid(0, 1));
  EXPECT_TRUE(in.counts(0, 0));
  EXPECT_FALSE(in.counts(0, 1));
  float buffer[6];
  const std::vector<float> weights(in.weights(0, 0, 6, buffer), in.weights(0, 0, 6, buffer) + 6);
  EXPECT_EQ(weights, (std::vector<float>{0.5f, 0, 1, 0, 2, 0}));
  EXPECT_EQ(in.targets(0, 1, 0, 6, buffer), c.shares.data() + 6);
  in.with_run(0, 0, 0, 6, [&](auto run) {
    EXPECT_FALSE(decltype(run)::kBits);
    EXPECT_EQ(run.mix(1, 4, 8), 5.0f);
    EXPECT_EQ(run.weigh(0, 3), 1.5f);
    EXPECT_EQ(run.weigh(1, std::nanf("")), 0.0f);
  });
}

TEST(LossInput, MakesNumbersOfBits) {
  Case c;
  c.planes = {2, 1, 3, 0, 2, 2};
  const LossInput in(c.input, 2);
  float buffer[6];
  in.targets(0, 1, 0, 6, buffer);
  EXPECT_EQ(std::vector<float>(buffer, buffer + 6), (std::vector<float>{1, 0, 1, 0, 1, 1}));
}

TEST(LossInput, NamesWhatDoesNotFit) {
  Case c;
  c.input.flags = 1u << 9;
  c.expect_refused(OSTEON_UNSUPPORTED, "flags 0x0200");
  Case may;
  may.input.flags = 1u << 20;  // a bit that may be passed over
  EXPECT_NO_THROW(LossInput(detail::known_loss_input(&may.input, 0), 2));
  Case shape;
  const BorrowedTensor wide(shape.valid.data(), {1, 3, 2});
  shape.input.valid = wide;
  shape.expect_refused(OSTEON_INVALID_ARGUMENT, "valid plane has shape [1, 3, 2], expected [1, 2, 3]");
  Case classes;
  const BorrowedTensor flat(classes.logits.data(), {1, 1, 4, 3});
  classes.input.logits = flat;
  classes.expect_refused(OSTEON_INVALID_ARGUMENT, "logits has shape [1, 1, 4, 3], expected [any, 2, any, any]");
  Case type;
  const BorrowedTensor doubles(type.logits.data(), dtype_of<double>(), {1, 2, 2, 3});
  type.input.logits = type.input.grad = doubles;
  type.expect_refused(OSTEON_UNSUPPORTED, "logits are float64; float32, float16 and bfloat16 are offered");
  Case grad;
  const BorrowedTensor half(grad.grad.data(), LossInput::kFloat16, {1, 2, 2, 3});
  grad.input.grad = half;
  grad.expect_refused(OSTEON_INVALID_ARGUMENT, "grad is float16, logits are float32");
  Case device;
  osteon_tensor_view elsewhere = *device.input.logits;
  elsewhere.device = {OSTEON_DEVICE_CUDA, 0};
  device.input.logits = &elsewhere;
  device.expect_refused(OSTEON_UNSUPPORTED, "logits is not on the CPU");
  Case gaps;
  osteon_tensor_view padded = *gaps.input.logits;
  std::int64_t strides[] = {24, 12, 6, 2};
  padded.strides = strides;
  gaps.input.logits = &padded;
  gaps.expect_refused(OSTEON_INVALID_ARGUMENT, "logits is not contiguous");
}

TEST(LossInput, NamesWhatDoesNotFitOfWeightsKnownClassesAndTargets) {
  Case missing;
  missing.say_all();
  missing.input.pixel_weight = nullptr;
  missing.expect_refused(OSTEON_INVALID_ARGUMENT, "pixel_weight is NULL, but its flag is set");
  Case unflagged;
  unflagged.input.class_valid = unflagged.class_valid;
  unflagged.expect_refused(OSTEON_INVALID_ARGUMENT, "class_valid is given without its flag");
  Case both;
  both.say_all();
  both.input.target = both.t;
  both.expect_refused(OSTEON_INVALID_ARGUMENT, "target planes, or soft_target in their place");
  Case none;
  none.input.target = nullptr;
  none.expect_refused(OSTEON_INVALID_ARGUMENT, "target planes, or soft_target in their place");
  Case shape;
  shape.say_all();
  const BorrowedTensor flat(shape.known.data(), {2, 1});
  shape.input.class_valid = flat;
  shape.expect_refused(OSTEON_INVALID_ARGUMENT, "class_valid has shape [2, 1], expected [1, 2]");
  Case type;
  type.say_all();
  const BorrowedTensor whole(type.weight.data(), dtype_of<std::int32_t>(), {1, 2, 3});
  type.input.pixel_weight = whole;
  type.expect_refused(OSTEON_UNSUPPORTED, "pixel_weight is int32, not float32");
  for (const float wrong : {-1.0f, std::nanf(""), HUGE_VALF}) {
    Case weight;
    weight.say_all();
    weight.weight[1] = wrong;  // under an invalid pixel it means nothing
    EXPECT_NO_THROW(LossInput(weight.input, 2));
    weight.weight[2] = wrong;
    weight.expect_refused(OSTEON_INVALID_ARGUMENT, "pixel_weight of image 0");
  }
}

/// As an author would write it who knows nothing of weights.
struct Plain {
  struct Params {
    static void schema(Schema<Params>&) {}
  };
  Plain(const Params&, const LossRequest&) {}
  double evaluate(const Call&, const LossInput& in) const {
    in.store_zero_gradient();
    return 1;
  }
};
struct WithWeights : Plain {
  using Plain::Plain;
  static constexpr std::uint32_t kUnderstands = OSTEON_LOSS_PIXEL_WEIGHT;
};

struct WithAdvice : Plain {
  using Plain::Plain;
  static constexpr const char* kInstead = "use another one";
};

TEST(Loss, SaysWhatToUseInstead) {
  const osteon_component advises = loss<WithAdvice>({"advises", "1.0.0", "Test."});
  try {
    osteon::test::LossBatch(1, 3, 2, 2, false, false, 1)
        .with(OSTEON_LOSS_SOFT_TARGET, false, 1)
        .run(osteon::test::LossUnderTest(advises, false, 3));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "this loss does not know targets between 0 and 1: use another one");
  }
}

TEST(ClassWeights, AreOneForEachClass) {
  EXPECT_EQ(class_weights({}, 2), (std::vector<double>{1, 1}));
  EXPECT_EQ(ClassShares({1, 3}, 2)[1], 0.75);
  for (const std::vector<double>& wrong : {std::vector<double>{1}, {0, 0}})
    EXPECT_EQ(osteon::test::status_of([&] { class_weights(wrong, 2); }), OSTEON_INVALID_ARGUMENT);
}

TEST(ClassWeights, CountWhereTheClassIsKnown) {
  Case c;
  EXPECT_EQ(ClassShares({1, 3}, 2).weight_sum(LossInput(c.input, 2)), 4);
  c.say_all();  // pixels that count 3.5 together; class 0 alone is known
  EXPECT_EQ(ClassShares({1, 3}, 2).weight_sum(LossInput(c.input, 2)), 3.5 / 4);
}

TEST(MeanOfClasses, SharesAreOfWhatCounts) {
  const TestCall call;
  Case c;  // the planes have class 0 everywhere
  const LossInput in(c.input, 2);
  EXPECT_EQ((MeanOfClasses{true, false, {1, 3}}.shares(call.get(), in)), (std::vector<double>{0.25, 0.75}));
  EXPECT_EQ((MeanOfClasses{true, true, {1, 3}}.shares(call.get(), in)), (std::vector<double>{1, 0}));
  EXPECT_TRUE((MeanOfClasses{false, true, {0, 3}}.shares(call.get(), in)).empty());
}

TEST(Loss, RefusesWhatItsClassDoesNotList) {
  const osteon_component plain = loss<Plain>({"plain", "1.0.0", "Test."});
  const osteon::test::LossBatch batch(1, 3, 2, 2, false, false, 1);
  osteon::test::expect_refuses_what_it_does_not_know(osteon::test::LossUnderTest(plain, false, 3), batch, false);
  const osteon_component weighs = loss<WithWeights>({"weighs", "1.0.0", "Test."});
  const osteon::test::LossUnderTest knows(weighs, false, 3);
  EXPECT_EQ(batch.with(OSTEON_LOSS_PIXEL_WEIGHT, false, 1).run(knows), 1);
  const auto told_of_classes = [&] { batch.with(OSTEON_LOSS_CLASS_VALID, false, 1).run(knows); };
  EXPECT_EQ(osteon::test::status_of(told_of_classes), OSTEON_UNSUPPORTED);
}

TEST(ParallelFor, VisitsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    const TestCall call(static_cast<std::uint32_t>(threads));
    std::vector<int> visits(1000, 0);
    parallel_for(Call(call.raw()), 1000, [&](std::int64_t i, int thread) {
      EXPECT_LT(thread, threads);
      ++visits[static_cast<std::size_t>(i)];
    });
    EXPECT_EQ(visits, std::vector<int>(1000, 1));
    parallel_for(Call(call.raw()), 0, [](std::int64_t, int) { FAIL(); });
  }
}

TEST(ParallelFor, RethrowsAndCancels) {
  TestCall call(2);
  EXPECT_THROW(parallel_for(Call(call.raw()), 100,
                            [](std::int64_t i, int) {
                              if (i == 60) throw InvalidArgument("60");
                            }),
               InvalidArgument);
  call.cancel = true;
  EXPECT_THROW(parallel_for(Call(call.raw()), 100, [](std::int64_t, int) {}), Cancelled);
}

}  // namespace
