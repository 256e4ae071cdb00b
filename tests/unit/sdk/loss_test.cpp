// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/loss.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/parallel.hpp>

#include "support/loss_fixture.hpp"

/// What the plain loss layer checks before an author's code sees an input, and parallel_for.
namespace {

using namespace osteon::sdk;
using osteon::test::BareCall;

/// A correct input of two classes at 2 x 3, for tests to spoil.
struct Case {
  std::vector<float> logits = std::vector<float>(12, 1.0f), grad = std::vector<float>(12, 0.0f);
  std::vector<std::int32_t> planes = std::vector<std::int32_t>(6, 1);
  std::vector<std::uint8_t> valid{1, 0, 1, 1, 1, 0};
  BorrowedTensor x{logits.data(), {1, 2, 2, 3}}, g{grad.data(), {1, 2, 2, 3}}, t{planes.data(), {1, 1, 2, 3}},
      v{valid.data(), {1, 2, 3}};
  osteon_loss_input input{sizeof input, 0, x, t, v, nullptr, 1, g};

  void expect_refused(osteon_status status, const std::string& text) const {
    try {
      LossInput checked(input, 2);
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
  EXPECT_EQ(in.sample_weight(0), 1.0f);
  EXPECT_EQ(in.logits(0, 1, 2, 4, nullptr), c.logits.data() + 8);
  EXPECT_EQ(in.plane(0, 1, 2)[0], 1u);
  EXPECT_EQ(in.runs(), 1);
  EXPECT_EQ(in.run_length(0), 6);
}

TEST(LossInput, NamesWhatDoesNotFit) {
  Case c;
  c.input.flags = 6;
  c.expect_refused(OSTEON_UNSUPPORTED, "flags 6");
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
}

TEST(ParallelFor, VisitsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    const BareCall call(threads);
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
  BareCall call(2);
  EXPECT_THROW(parallel_for(Call(call.raw()), 100,
                            [](std::int64_t i, int) {
                              if (i == 60) throw InvalidArgument("60");
                            }),
               InvalidArgument);
  call.cancel = true;
  EXPECT_THROW(parallel_for(Call(call.raw()), 100, [](std::int64_t, int) {}), Cancelled);
}

}  // namespace
