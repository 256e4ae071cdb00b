// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "plugin/ensembler.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

std::unique_ptr<plugin::Ensembler> make(const std::vector<double>& weights, const plugin::Call& call,
                                        const std::vector<std::uint8_t>& has_class = {}) {
  const auto component = linked_component(plugin::Kind::kEnsembler, "soft_voting");
  return std::make_unique<plugin::Ensembler>(component, parameters_of(component, {{"weights_by_member", weights}}),
                                             plugin::ClassContext{false, {"a", "b"}, {}},
                                             std::vector<std::string>{"m0", "m1", "m2"}, call, has_class);
}

constexpr std::int32_t kClasses[] = {0, 1};
osteon_band two_pixels() {
  auto band = sdk::sized<osteon_band>();
  band.height = 1;
  band.width = 2;
  band.n_classes = 2;
  band.classes = kClasses;
  return band;
}

TEST(SoftVoting, IsTheWeightedMean) {
  const plugin::Call call;
  const auto voting = make({1, 0, 3}, call);
  EXPECT_TRUE(voting->needed(0, 0));
  EXPECT_FALSE(voting->needed(1, 0)) << "a member without weight need not run";
  auto accumulation = voting->begin(call.raw(), two_pixels());
  const float first[] = {0.0f, 0.4f, 1.0f, 0.5f}, third[] = {1.0f, 0.8f, 0.0f, 0.5f};
  accumulation.add(call.raw(), 2, sdk::BorrowedTensor(third, {2, 1, 2}).view());
  accumulation.add(call.raw(), 0, sdk::BorrowedTensor(first, {2, 1, 2}).view());
  const sdk::OwnedTensor result = accumulation.finish(call.raw());
  const float expected[] = {0.75f, 0.7f, 0.25f, 0.5f};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(result.data<float>()[i], expected[i], 1e-6);
}

TEST(SoftVoting, IsTheMeanOverTheMembersThatHaveTheClass) {
  const plugin::Call call;
  const auto voting = make({1, 1, 2}, call, {1, 1, 1, 0, 0, 1});
  EXPECT_TRUE(voting->needed(0, 0));
  EXPECT_FALSE(voting->needed(1, 1));
  EXPECT_FALSE(voting->needed(2, 0));
  auto accumulation = voting->begin(call.raw(), two_pixels());
  const float nan = std::nanf("");
  const float said[3][4] = {{0.0f, 0.4f, 1.0f, 0.5f}, {0.5f, 0.8f, nan, nan}, {nan, nan, 0.25f, 0.8f}};
  for (const std::int64_t m : {2, 0, 1})
    accumulation.add(call.raw(), m, sdk::BorrowedTensor(said[m], {2, 1, 2}).view());
  const sdk::OwnedTensor result = accumulation.finish(call.raw());
  const float expected[] = {0.25f, 0.6f, 0.5f, 0.7f};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(result.data<float>()[i], expected[i], 1e-6);
}

TEST(SoftVoting, RefusesWeightsThatDoNotFit) {
  const plugin::Call call;
  EXPECT_THROW(make({1, 2}, call), Error);
  EXPECT_THROW(make({0, 0, 0}, call), Error);
  EXPECT_THROW(make({1, 1, 0}, call, {1, 0, 1, 0, 1, 1}), Error) << "nobody is left for class b";
  EXPECT_NO_THROW(make({}, call));
}

}  // namespace
}  // namespace osteon::test
