// SPDX-License-Identifier: Apache-2.0
// What ensembles of test-time augmented members take of memory, by what is allocated, which is the same on any machine.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "plugin/pool.hpp"
#include "predict/chain.hpp"
#include "predict/ensemble.hpp"
#include "predict/predict.hpp"
#include "predict/resample.hpp"
#include "support/found_plugins.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

/// A call that knows the most memory that was ever taken.
class CountingCall {
 public:
  CountingCall() : raw_(*host_.raw()), before_(plugin::host_pool().in_use()) {
    most = 0;
    real = raw_.allocate;
    raw_.allocate = [](const osteon_call* call, std::uint32_t memory, osteon_dtype dtype, std::int32_t ndim,
                       const std::int64_t* shape, osteon_tensor* out, osteon_error* error) {
      const osteon_status status = real(call, memory, dtype, ndim, shape, out, error);
      most = std::max(most, plugin::host_pool().in_use());
      return status;
    };
  }
  const osteon_call* raw() const noexcept { return &raw_; }
  std::int64_t peak() const { return static_cast<std::int64_t>(most) - static_cast<std::int64_t>(before_); }

 private:
  inline static std::size_t most = 0;
  inline static decltype(osteon_call::allocate) real = nullptr;
  plugin::Call host_;
  osteon_call raw_;
  std::size_t before_;
};

constexpr int kClasses = 29;

/// `count` members of which each predicts an image and its mirrored copy, averaged.
struct Members {
  Members(int count, std::int64_t stride) {
    const plugin::ClassContext classes = test::classes(kClasses);
    recipe::Recipe recipe;
    recipe.predict.post.emplace_back();
    recipe.predict.post[0].kind = plugin::Kind::kPostprocessor;
    recipe.predict.post[0].plugin = "tta";
    recipe.predict.post[0].parameters =
        test::default_parameters(*test::registry().find(plugin::Kind::kPostprocessor, "tta"));
    std::vector<std::string> names;
    std::vector<Member> members;
    for (int m = 0; m < count; ++m) {
      models.push_back(std::make_shared<test::GridPredictor>(classes, stride));
      names.push_back("m" + std::to_string(m));
      members.push_back(test::member(build_chain(models.back(), recipe, test::registry(), {}).predictor, classes));
    }
    const auto voting = test::registry().load(plugin::Kind::kEnsembler, "soft_voting");
    ensemble =
        std::make_unique<Ensemble>(std::make_shared<plugin::Ensembler>(voting, test::default_parameters(voting.schema),
                                                                       classes, names, plugin::Call()),
                                   std::move(members), classes);
  }
  std::vector<std::shared_ptr<test::GridPredictor>> models;
  std::unique_ptr<Ensemble> ensemble;
};

std::int64_t peak_of(int members, int side, std::int64_t stride) {
  install_resample_service();
  const Members all(members, stride);
  const data::Image image{cv::Mat(side, side, CV_8U, cv::Scalar(90)), 255};
  const CountingCall call;
  predict_labels(call.raw(), *all.ensemble, image, "image", {false, std::vector<double>(kClasses, 0.4)});
  for (const auto& model : all.models) EXPECT_EQ(model->forwards, 2);
  return call.peak();
}

void expect_no_more_for_eight(int side, std::int64_t stride) {
  peak_of(1, side, stride);  // what is made once in a process
  const std::int64_t two = peak_of(2, side, stride), eight = peak_of(8, side, stride);
  EXPECT_EQ(two, eight);
  const std::int64_t pixels = std::int64_t{side} * side * 4, planes = kClasses * pixels;
  // The sums; of one member a prediction, the sum of two, and a copy of the image; three bands; and the pool's rounding
  // up of an eighth.
  EXPECT_LT(eight, (planes + 2 * planes / (stride * stride) + 2 * pixels + 3 * (16 << 20)) * 9 / 8);
  std::cout << side << " px: " << (eight >> 20) << " MiB\n";
}

TEST(EnsembleMemory, IsThatOfTwoForEight) { expect_no_more_for_eight(512, 4); }
TEST(LongEnsembleMemory, IsThatOfTwoForEightAtFullSize) { expect_no_more_for_eight(2048, 4); }

}  // namespace
}  // namespace osteon::predict
