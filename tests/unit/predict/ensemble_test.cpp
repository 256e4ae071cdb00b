// SPDX-License-Identifier: Apache-2.0
#include "predict/ensemble.hpp"

#include <gtest/gtest.h>
#include <osteon/sdk/ensembler.hpp>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "predict/resample.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

/// Sums probabilities; the last member counts for even classes only.
class Sum {
 public:
  using Params = sdk::NoParams;
  Sum(const Params&, const sdk::EnsemblerRequest& request)
      : members_(static_cast<std::int64_t>(request.member_names.size())) {}
  sdk::EnsemblerTraits traits() const { return {}; }
  bool needed(std::int64_t member, std::int64_t c) const { return member + 1 < members_ || c % 2 == 0; }
  class Accumulation {
   public:
    Accumulation(const sdk::Call& call, const osteon_band& band)
        : sum_(call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width})) {
      std::fill_n(sum_.data<float>(), sdk::element_count(sum_.view()), 0.0f);
    }
    void add(const sdk::Call&, std::int64_t, const osteon_tensor_view& prediction) {
      const float* in = sdk::data_of<const float>(prediction, "a member");
      for (std::int64_t i = 0; i < sdk::element_count(sum_.view()); ++i) sum_.data<float>()[i] += in[i];
    }
    sdk::OwnedTensor finish(const sdk::Call&) { return std::move(sum_); }

   private:
    sdk::OwnedTensor sum_;
  };
  std::unique_ptr<Accumulation> begin(const sdk::Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(call, band);
  }

 private:
  std::int64_t members_;
};

/// Sets what any member sets.
class Union {
 public:
  using Params = sdk::NoParams;
  Union(const Params&, const sdk::EnsemblerRequest&) {}
  sdk::EnsemblerTraits traits() const { return {OSTEON_FORM_BITS, OSTEON_FORM_BITS, false}; }
  bool needed(std::int64_t, std::int64_t) const { return true; }
  class Accumulation {
   public:
    Accumulation(const sdk::Call& call, const osteon_band& band)
        : bits_(call.allocate<std::int32_t>(
              {(static_cast<std::int64_t>(band.n_classes) + 31) / 32, band.height, band.width})) {
      std::fill_n(bits_.data<std::int32_t>(), sdk::element_count(bits_.view()), 0);
    }
    void add(const sdk::Call&, std::int64_t, const osteon_tensor_view& prediction) {
      const auto* in = sdk::data_of<const std::int32_t>(prediction, "a member");
      for (std::int64_t i = 0; i < sdk::element_count(bits_.view()); ++i) bits_.data<std::int32_t>()[i] |= in[i];
    }
    sdk::OwnedTensor finish(const sdk::Call&) { return std::move(bits_); }

   private:
    sdk::OwnedTensor bits_;
  };
  std::unique_ptr<Accumulation> begin(const sdk::Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(call, band);
  }
};

double probability(int member, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<double>((member * 31 + 7 * c + 5 * y + 3 * x) % 17) / 16;
}

class EnsembleTest : public ::testing::Test {
 protected:
  static constexpr int kHeight = 4, kWidth = 6, kMembers = 3;

  std::shared_ptr<plugin::Ensembler> ensembler(const std::string& name, const plugin::ClassContext& classes) {
    // Never destroyed: what it points at lives as long as a library does.
    static const auto* const library = new sdk::detail::Library(
        "test", "1.0.0",
        {sdk::ensembler<Sum>({"sum", "1.0.0", "Sums."}), sdk::ensembler<Union>({"union", "1.0.0", "Joins."})});
    return std::make_shared<plugin::Ensembler>(plugin::component_of(*library->get(), plugin::Kind::kEnsembler, name),
                                               plugin::Parameters{}, classes, std::vector<std::string>{"a", "b", "c"},
                                               call_);
  }
  Ensemble make(const std::string& name, int classes) {
    const plugin::ClassContext context = test::classes(classes);
    members_.clear();
    for (int m = 0; m < kMembers; ++m)
      members_.push_back(std::make_shared<test::FunctionPredictor>(
          context, [m](std::int64_t c, std::int64_t y, std::int64_t x) { return probability(m, c, y, x); }));
    // Each member has thresholds of its own.
    std::vector<std::vector<double>> thresholds;
    for (int m = 0; m < kMembers; ++m) {
      thresholds.emplace_back();
      for (int c = 0; c < classes; ++c) thresholds.back().push_back(threshold(m, c));
    }
    return Ensemble(ensembler(name, context), {members_.begin(), members_.end()}, context, thresholds);
  }
  static double threshold(int member, std::int64_t c) { return 0.9 + 0.01 * member - 0.001 * static_cast<double>(c); }
  OwnedPrediction predict(const Ensemble& ensemble, const std::vector<std::int32_t>& wanted, std::uint32_t form) {
    const cv::Mat pixels(kHeight, kWidth, CV_32F, cv::Scalar(0.5));
    const RootImage root(pixels, "image");
    osteon_predict_request request = make_request(form, OSTEON_GRID_IMAGE);
    request.n_classes = wanted.size();
    request.classes = wanted.data();
    std::vector<OwnedPrediction> predictions(1);
    ensemble.predict(call_.raw(), {root.get()}, request, predictions);
    return std::move(predictions[0]);
  }
  plugin::Call call_;
  std::vector<std::shared_ptr<test::FunctionPredictor>> members_;
};

TEST_F(EnsembleTest, CombinesMembersByGroupsOfClasses) {
  const Ensemble ensemble = make("sum", 21);
  for (const std::vector<std::int32_t>& wanted : {std::vector<std::int32_t>{}, {0, 3, 20}}) {
    const OwnedPrediction prediction = predict(ensemble, wanted, OSTEON_FORM_PROBABILITIES);
    const std::int64_t k = wanted.empty() ? 21 : 3;
    ASSERT_EQ(sdk::shape_text(prediction.view()), "[" + std::to_string(k) + ", 4, 6]");
    const float* out = sdk::data_of<float>(prediction.view(), "values");
    for (std::int64_t i = 0; i < k; ++i)
      for (int p = 0; p < kHeight * kWidth; ++p) {
        const std::int64_t c = wanted.empty() ? i : wanted[static_cast<std::size_t>(i)];
        double sum = 0;
        // A member that one class of a group needs is asked for the whole group; every group here has an even class.
        for (int m = 0; m < kMembers; ++m) sum += probability(m, c, p / kWidth, p % kWidth);
        ASSERT_NEAR(out[i * kHeight * kWidth + p], sum, 1e-6) << c;
      }
  }
}

TEST_F(EnsembleTest, RunsNoMemberThatNobodyNeeds) {
  const Ensemble ensemble = make("sum", 12);
  predict(ensemble, {1, 5, 7}, OSTEON_FORM_PROBABILITIES);
  EXPECT_EQ(members_[0]->asked, (std::vector<std::vector<std::int32_t>>{{1, 5, 7}}));
  EXPECT_TRUE(members_[2]->asked.empty());
}

// A forward costs more than all that follows; 21 classes are three groups.
TEST_F(EnsembleTest, RunsEachMemberOnceForAllGroupsOfClasses) {
  const Ensemble ensemble = make("sum", 21);
  predict(ensemble, {}, OSTEON_FORM_PROBABILITIES);
  for (const auto& member : members_) EXPECT_EQ(member->asked.size(), 1u);
}

// Logits are resized before the sigmoid, under an ensemble as without one.
TEST_F(EnsembleTest, ResizesAMembersLogitsBeforeTheirSigmoid) {
  class Coarse final : public Predictor {
   public:
    explicit Coarse(const plugin::ClassContext& context) : Predictor(context, {}) {}
    std::string name() const override { return "coarse"; }
    void predict(const osteon_call* call, const std::vector<const osteon_image*>&,
                 const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
      test::fill(
          call, OSTEON_FORM_LOGITS, static_cast<std::int64_t>(request.n_classes), 1, 2,
          [&](std::int64_t c, std::int64_t, std::int64_t x) {
            return (x == 0 ? -8.0 : 2.0) + static_cast<double>(request.classes[c]);
          },
          predictions[0]);
      predictions[0].raw().to_image[0] = kWidth - 1;  // its two pixels lie on the image's first and last
      convert(call, raw(), request, kHeight, kWidth, predictions[0].raw());
    }
  };
  const plugin::ClassContext context = test::classes(12);
  const auto coarse = std::make_shared<Coarse>(context);
  const Ensemble ensemble(ensembler("sum", context), {coarse, coarse, coarse}, context,
                          {3, std::vector<double>(12, 0.5)});
  const OwnedPrediction prediction = predict(ensemble, {}, OSTEON_FORM_PROBABILITIES);
  const float* out = sdk::data_of<const float>(prediction.view(), "values");
  for (int c = 0; c < 12; ++c)
    for (int i = 0; i < kHeight * kWidth; ++i) {
      const double logit = -8 + 10.0 * (i % kWidth) / (kWidth - 1) + c;
      ASSERT_NEAR(static_cast<double>(out[c * kHeight * kWidth + i]), 3 / (1 + std::exp(-logit)), 1e-5)
          << c << " " << i;
    }
}

TEST_F(EnsembleTest, VotesWithEachMembersOwnThresholds) {
  const Ensemble ensemble = make("union", 40);
  std::vector<std::int32_t> odd;
  for (int c = 1; c < 40; c += 2) odd.push_back(c);
  for (const std::vector<std::int32_t>& wanted : {std::vector<std::int32_t>{}, odd}) {
    const OwnedPrediction prediction = predict(ensemble, wanted, OSTEON_FORM_BITS);
    EXPECT_EQ(prediction.raw().form, std::uint32_t{OSTEON_FORM_BITS});
    const std::int64_t k = wanted.empty() ? 40 : 20;
    ASSERT_EQ(prediction.view().shape[0], (k + 31) / 32);
    const auto* out = sdk::data_of<const std::int32_t>(prediction.view(), "bits");
    for (std::int64_t i = 0; i < k; ++i)
      for (int p = 0; p < kHeight * kWidth; ++p) {
        const std::int64_t c = wanted.empty() ? i : wanted[static_cast<std::size_t>(i)];
        bool expected = false;
        for (int m = 0; m < kMembers; ++m)
          expected = expected || static_cast<float>(probability(m, c, p / kWidth, p % kWidth)) >
                                     static_cast<float>(threshold(m, c));
        ASSERT_EQ((static_cast<std::uint32_t>(out[i / 32 * kHeight * kWidth + p]) >> (i % 32) & 1u) != 0, expected)
            << c;
      }
  }
}

TEST_F(EnsembleTest, RefusesAFormThatItsEnsemblerDoesNotGive) {
  EXPECT_THROW(predict(make("sum", 2), {}, OSTEON_FORM_BITS), sdk::Unsupported);
  EXPECT_THROW(predict(make("union", 2), {}, OSTEON_FORM_PROBABILITIES), sdk::Unsupported);
}

TEST_F(EnsembleTest, RefusesMembersOfOtherClasses) {
  const plugin::ClassContext two = test::classes(2);
  EXPECT_THROW(
      Ensemble(ensembler("sum", two), {std::make_shared<test::FunctionPredictor>(test::classes(3), test::Value{})}, two,
               {{0.5, 0.5}}),
      Error);
}

}  // namespace
}  // namespace osteon::predict
