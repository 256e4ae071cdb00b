// SPDX-License-Identifier: Apache-2.0
// Can a loss work in a process of its own? Its tensors lie in shared memory that osteon_call.allocate gave and are
// passed by descriptor; nothing is copied. Cancellation is a shared flag. The plugin is one in plain C that knows of
// none of it.
#include <chrono>
#include <cstring>
#include <future>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/random.hpp>

#include "base/child.hpp"
#include "child_loss.hpp"
#include "plugin/shared_memory.hpp"

namespace osteon::spikes {
namespace {

constexpr std::int64_t kImages = 2, kClasses = 33, kHeight = 16, kWidth = 24;
// The loss looks at every row, once for the value and once for the gradient.
constexpr std::int64_t kLooks = 2 * kImages * kClasses * kHeight;

/// A descriptor that a child inherits.
class Inherited {
 public:
  explicit Inherited(const osteon_tensor_view& view) : number_(::dup(plugin::shared_descriptor_of(view.data))) {}
  ~Inherited() { ::close(number_); }
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

class ChildLoss : public ::testing::Test {
 protected:
  void SetUp() override {
    sdk::Random random(11, 0);
    for (std::int64_t i = 0; i < sdk::element_count(logits_.view()); ++i)
      logits_.data<float>()[i] = static_cast<float>(random.uniform(-4, 4));
    for (std::int64_t i = 0; i < sdk::element_count(target_.view()); ++i)
      target_.data<std::int32_t>()[i] = static_cast<std::int32_t>(random.bits());
    ::new (control_.data<std::uint8_t>()) Control{{false}, {0}, 0, 0, {kImages, kClasses, kHeight, kWidth}, 3.5};
  }

  Control& control() { return *reinterpret_cast<Control*>(control_.data<std::uint8_t>()); }
  std::vector<float> gradient() {
    const auto* data = grad_.data<float>();
    return {data, data + sdk::element_count(grad_.view())};
  }

  ChildOutcome run() {
    const Inherited control(control_.view()), logits(logits_.view()), target(target_.view()), grad(grad_.view());
    std::vector<std::string> command = {OSTEON_CHILD_LOSS_WORKER};
    for (const Inherited* descriptor : {&control, &logits, &target, &grad})
      command.push_back(std::to_string(descriptor->number()));
    return run_child(command, std::chrono::minutes(2));
  }

  plugin::Call call_;
  sdk::OwnedTensor shared(osteon_dtype type, const std::vector<std::int64_t>& shape) {
    return sdk::Call(call_.raw()).allocate(type, shape, OSTEON_MEMORY_SHARED);
  }
  sdk::OwnedTensor logits_ = shared(sdk::dtype_of<float>(), {kImages, kClasses, kHeight, kWidth}),
                   grad_ = shared(sdk::dtype_of<float>(), {kImages, kClasses, kHeight, kWidth}),
                   target_ = shared(sdk::dtype_of<std::int32_t>(), {kImages, 2, kHeight, kWidth}),
                   control_ = shared(sdk::dtype_of<std::uint8_t>(), {static_cast<std::int64_t>(sizeof(Control))});
};

Evaluation answer_of(const ChildOutcome& outcome) {
  EXPECT_EQ(outcome.trouble(), "") << outcome.err;
  const nlohmann::json answer = nlohmann::json::parse(outcome.answer);
  return {answer.at("status"), answer.at("value")};
}

TEST_F(ChildLoss, GivesInTheParentsMemoryWhatItGivesInProcess) {
  const Evaluation here =
      evaluate(call_.raw(), control(), logits_.data<float>(), target_.data<std::int32_t>(), grad_.data<float>());
  ASSERT_EQ(here.status, OSTEON_OK);
  const std::vector<float> expected = gradient();
  std::memset(grad_.data<float>(), 0xff, expected.size() * sizeof(float));

  const Evaluation there = answer_of(run());
  EXPECT_EQ(there.status, OSTEON_OK);
  EXPECT_EQ(there.value, here.value);
  EXPECT_EQ(control().looks, kLooks);
  EXPECT_EQ(gradient(), expected);
}

TEST_F(ChildLoss, IsCancelledByASharedFlag) {
  control().wait_at = kLooks / 3;
  std::future<ChildOutcome> outcome = std::async(std::launch::async, [this] { return run(); });
  while (control().looks < control().wait_at &&
         outcome.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout) {
  }
  control().cancel = true;
  EXPECT_EQ(answer_of(outcome.get()).status, OSTEON_CANCELLED);
  EXPECT_EQ(control().looks, kLooks / 3);
}

TEST_F(ChildLoss, EndsInAnErrorWhenItCrashes) {
  control().crash_at = kLooks - 1;
  const std::vector<float> logits(logits_.data<float>(), logits_.data<float>() + sdk::element_count(logits_.view()));
  const ChildOutcome outcome = run();
  EXPECT_EQ(outcome.trouble(), "crashed: Aborted");
  EXPECT_EQ(outcome.answer, "");
  // What the parent has stays the parent's, and the next child does the work.
  EXPECT_EQ(std::memcmp(logits.data(), logits_.data<float>(), logits.size() * sizeof(float)), 0);
  control().crash_at = control().looks = 0;
  EXPECT_EQ(answer_of(run()).status, OSTEON_OK);
}

TEST_F(ChildLoss, LeavesNothingBehind) {
  const void* data = grad_.data<float>();
  EXPECT_GE(plugin::shared_descriptor_of(data), 0);
  EXPECT_EQ(plugin::shared_descriptor_of(&data), -1);
  answer_of(run());
  grad_ = sdk::OwnedTensor();
  EXPECT_EQ(plugin::shared_descriptor_of(data), -1);
}

}  // namespace
}  // namespace osteon::spikes
