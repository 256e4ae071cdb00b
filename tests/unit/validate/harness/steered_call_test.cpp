// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/steered_call.hpp"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include <osteon/sdk/call.hpp>

#include "validate/check.hpp"

namespace osteon::validate {
namespace {

std::string misuse_of(const SteeredCall& call) {
  try {
    call.expect_settled("it");
    return "";
  } catch (const Failure& failure) {
    return failure.what();
  }
}

const osteon_call* derive(const osteon_call* call, std::uint32_t threads = 0) {
  auto options = sdk::sized<osteon_call_options>();
  options.threads = threads;
  const osteon_call* derived = nullptr;
  sdk::check([&](osteon_error* e) { return call->derive(call, &options, &derived, e); });
  return derived;
}

TEST(SteeredCall, IsToStopFromOneLookOnAndCountsThem) {
  const SteeredCall call(1, 2);
  EXPECT_EQ(call.raw()->cancelled(call.raw()), 0);
  const osteon_call* derived = derive(call.raw());
  EXPECT_EQ(derived->cancelled(derived), 0);
  EXPECT_NE(call.raw()->cancelled(call.raw()), 0);
  EXPECT_NE(derived->cancelled(derived), 0);
  EXPECT_EQ(call.polls(), 4);
  derived->end(derived);
}

TEST(SteeredCall, SettlesWhenWhatWasDerivedIsEnded) {
  const SteeredCall call(4);
  const osteon_call* derived = derive(call.raw(), 2);
  EXPECT_EQ(derived->threads, 2u);
  EXPECT_NE(misuse_of(call).find("did not end"), std::string::npos);
  derived->end(derived);
  EXPECT_EQ(misuse_of(call), "");
  EXPECT_EQ(call.derived(), 1);
  call.raw()->end(nullptr);
  EXPECT_EQ(misuse_of(call), "");
}

TEST(SteeredCall, RefusesMoreThreadsThanItHas) {
  const SteeredCall call(2);
  EXPECT_THROW(derive(call.raw(), 3), sdk::Error);
}

TEST(SteeredCall, SeesWhatMayNotBeDone) {
  const auto after = [](const std::function<void(const osteon_call*)>& use) {
    const SteeredCall call;
    use(call.raw());
    return misuse_of(call);
  };
  EXPECT_NE(after([](const osteon_call* c) { c->end(c); }).find("had not derived"), std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) {
              const osteon_call* derived = derive(c);
              derived->end(derived);
              derived->end(derived);
            }).find("twice"),
            std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) {
              const osteon_call* derived = derive(c);
              derived->end(derived);
              derived->cancelled(derived);
            }).find("had ended"),
            std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) {
              const osteon_call* outer = derive(c);
              const osteon_call* inner = derive(outer);
              outer->end(outer);
              inner->end(inner);
            }).find("before one that was derived from it"),
            std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) { c->progress(c, 1.5); }).find("progress"), std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) { c->note(c, nullptr, "Key", "1"); }).find("'Key'"), std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) { c->note(c, nullptr, "key", "one"); }).find("JSON"), std::string::npos);
  EXPECT_NE(after([](const osteon_call* c) { static_cast<char*>(c->scratch(c, 10))[10] = 1; }).find("scratch"),
            std::string::npos);
  EXPECT_EQ(after([](const osteon_call* c) {
              c->progress(c, 1);
              c->note(c, "image", "iterations", "17");
              static_cast<char*>(c->scratch(c, 10))[9] = 1;
            }),
            "");
}

TEST(SteeredCall, CountsWhatItGaveAndNobodyReleased) {
  const SteeredCall call;
  const std::int64_t before = SteeredCall::bytes_out();
  {
    const sdk::OwnedTensor tensor = sdk::Call(call.raw()).allocate<float>({3, 5});
    EXPECT_EQ(SteeredCall::bytes_out() - before, 60);
    EXPECT_TRUE(std::isnan(tensor.data<float>()[14])) << "what was never written should show";
  }
  EXPECT_EQ(SteeredCall::bytes_out(), before);
}

}  // namespace
}  // namespace osteon::validate
