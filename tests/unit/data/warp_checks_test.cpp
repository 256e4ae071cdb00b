// SPDX-License-Identifier: Apache-2.0
// Warps that a plugin gives and that could not be followed are refused by its name.
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "handmade_geometric.hpp"

namespace osteon::data {
namespace {

using ::testing::HasSubstr;

std::function<void(osteon_warp&)> change;
osteon_warp_request seen;
std::vector<double> boxes;

osteon_status sample(const osteon_call*, const osteon_augmentation*, const osteon_random_key*,
                     const osteon_warp_request* request, osteon_warp* warp, osteon_error*) {
  seen = *request;
  if (request->class_boxes != nullptr) boxes.assign(request->class_boxes, request->class_boxes + 8);
  if (change) change(*warp);
  return OSTEON_OK;
}

class WarpChecks : public ::testing::Test {
 protected:
  WarpChecks() {
    change = nullptr;
    boxes.clear();
  }
  std::string refusal(std::function<void(osteon_warp&)> how) {
    change = std::move(how);
    const plugin::Augmentation augmentation(handmade_.loaded(), {}, {false, {"a", "b"}, {}}, call_);
    try {
      augmentation.sample_warp(call_, {{1, 2}}, 8, 9);
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("augmentation 'odd', sample_warp"));
      return e.what();
    }
    return "nothing";
  }
  tests::HandmadeGeometric<sample> handmade_{"odd", OSTEON_AUGMENTATION_WANTS_BOXES};
  plugin::Call call_;
};

TEST_F(WarpChecks, RefuseWhatCannotBeFollowed) {
  EXPECT_EQ(refusal({}), "nothing");
  EXPECT_THAT(refusal([](osteon_warp& w) { w.matrix[3] = std::numeric_limits<double>::quiet_NaN(); }),
              HasSubstr("not finite"));
  EXPECT_THAT(refusal([](osteon_warp& w) { w.image_fill = std::numeric_limits<double>::infinity(); }),
              HasSubstr("not finite"));
  EXPECT_THAT(refusal([](osteon_warp& w) { w.flags = 2; }), HasSubstr("0x0002"));
  EXPECT_EQ(refusal([](osteon_warp& w) { w.flags = (1u << 16) | OSTEON_WARP_IGNORE_OUTSIDE; }), "nothing");
  EXPECT_THAT(refusal([](osteon_warp& w) { w.width = std::int64_t{1} << 40; }), HasSubstr("fit each way"));
}

TEST_F(WarpChecks, RefusePermutationsThatAreNone) {
  const auto of = [this](const std::vector<double>& m) {
    return refusal([m](osteon_warp& w) {
      w.kind = OSTEON_WARP_PERMUTATION;
      std::copy(m.begin(), m.end(), w.matrix);
    });
  };
  EXPECT_EQ(of({0, -1, 8, 1, 0, -3}), "nothing");
  for (const std::vector<double>& m : {std::vector<double>{1, 0, 0.5, 0, 1, 0},
                                       {2, 0, 0, 0, 1, 0},
                                       {1, 1, 0, 0, 1, 0},
                                       {1, 0, 0, 1, 0, 0},
                                       {0, 0, 0, 0, 1, 0}})
    EXPECT_THAT(of(m), HasSubstr("a permutation that does not move pixels onto pixels"));
}

TEST_F(WarpChecks, RefuseClassesThatDoNotExist) {
  static const std::int32_t swapped[] = {1, 0}, beyond[] = {1, 2}, below[] = {-1, 0};
  EXPECT_EQ(refusal([](osteon_warp& w) { w.class_source = swapped; }), "nothing");
  EXPECT_THAT(refusal([](osteon_warp& w) { w.class_source = beyond; }), HasSubstr("class 1 from class 2 of 2"));
  EXPECT_THAT(refusal([](osteon_warp& w) { w.class_source = below; }), HasSubstr("class 0 from class -1"));
}

TEST_F(WarpChecks, SayWhatTheWarpIsFor) {
  const plugin::Augmentation augmentation(handmade_.loaded(), {}, {false, {"a", "b"}, {}}, call_);
  augmentation.sample_warp(call_, {{1, 2}}, 8, 9);
  EXPECT_EQ(seen.view_height, 8);
  EXPECT_EQ(seen.view_width, 9);
  EXPECT_EQ(seen.class_boxes, nullptr);
  const std::vector<double> given = {1, 2, 3, 4, 5, 6, 7, 8};
  augmentation.sample_warp(call_, {{1, 2}}, 8, 9, {20, 30, 4, given.data()});
  EXPECT_EQ(seen.height, 8);
  EXPECT_EQ(seen.view_height, 20);
  EXPECT_EQ(seen.view_width, 30);
  EXPECT_EQ(seen.view_index, 4);
  EXPECT_EQ(boxes, given);
}

}  // namespace
}  // namespace osteon::data
