// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "plugin/ensembler.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

std::unique_ptr<plugin::Ensembler> make(const std::vector<double>& weights, const plugin::Call& call,
                                        std::size_t members = 3) {
  const auto component = linked_component(plugin::Kind::kEnsembler, "soft_voting");
  return std::make_unique<plugin::Ensembler>(component, parameters_of(component, {{"weights_by_member", weights}}),
                                             plugin::ClassContext{false, {"a", "b"}, {}},
                                             std::vector<std::string>(members, "m"), call);
}

TEST(SoftVoting, IsTheWeightedMean) {
  const plugin::Call call;
  const auto voting = make({1, 0, 3}, call);
  EXPECT_TRUE(voting->needed(0, 0));
  EXPECT_FALSE(voting->needed(1, 0)) << "a member without weight need not run";
  const std::int32_t classes[] = {0, 1};
  osteon_band band{};
  band.struct_size = sizeof band;
  band.height = 1;
  band.width = 2;
  band.n_classes = 2;
  band.classes = classes;
  auto accumulation = voting->begin(call.raw(), band);
  const float first[] = {0.0f, 0.4f, 1.0f, 0.5f}, third[] = {1.0f, 0.8f, 0.0f, 0.5f};
  accumulation.add(call.raw(), 2, sdk::BorrowedTensor(third, {2, 1, 2}).view());
  accumulation.add(call.raw(), 0, sdk::BorrowedTensor(first, {2, 1, 2}).view());
  const sdk::OwnedTensor result = accumulation.finish(call.raw());
  const float expected[] = {0.75f, 0.7f, 0.25f, 0.5f};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(result.data<float>()[i], expected[i], 1e-6);
}

TEST(SoftVoting, RefusesWeightsThatDoNotFit) {
  const plugin::Call call;
  EXPECT_THROW(make({1, 2}, call), Error);
  EXPECT_THROW(make({0, 0, 0}, call), Error);
  EXPECT_NO_THROW(make({}, call));
}

}  // namespace
}  // namespace osteon::test
