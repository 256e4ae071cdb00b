// SPDX-License-Identifier: Apache-2.0
#include "predict/ensemble.hpp"

#include <numeric>

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

  std::shared_ptr<plugin::Ensembler> ensembler(const std::string& name, const plugin::ClassContext& classes,
                                               const std::vector<std::uint8_t>& has_class = {}) {
    // Never destroyed: what it points at lives as long as a library does.
    static auto* const library = new sdk::detail::Library(
        "test", "1.0.0",
        {sdk::ensembler<Sum>({"sum", "1.0.0", "Sums."}), sdk::ensembler<Union>({"union", "1.0.0", "Joins."})});
    return std::make_shared<plugin::Ensembler>(
        plugin::component_of(*library->get(OSTEON_ABI_VERSION), plugin::Kind::kEnsembler, name), plugin::Parameters{},
        classes, std::vector<std::string>{"a", "b", "c"}, call_, has_class);
  }
  Ensemble make(const std::string& name, int classes) {
    const plugin::ClassContext context = test::classes(classes);
    members_.clear();
    for (int m = 0; m < kMembers; ++m)
      members_.push_back(std::make_shared<test::FunctionPredictor>(
          context, [m](std::int64_t c, std::int64_t y, std::int64_t x) { return probability(m, c, y, x); }));
    // Each member has thresholds of its own.
    std::vector<Member> members;
    for (int m = 0; m < kMembers; ++m) {
      members.push_back(test::member(members_[static_cast<std::size_t>(m)], context));
      for (int c = 0; c < classes; ++c) members.back().thresholds.push_back(threshold(m, c));
    }
    return Ensemble(ensembler(name, context), std::move(members), context);
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
  const Member member = test::member(coarse, context);
  const Ensemble ensemble(ensembler("sum", context), {member, member, member}, context);
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

// One member has all classes, one some of them in another order, one a single class.
TEST_F(EnsembleTest, AsksAMemberForTheClassesThatItHas) {
  const plugin::ClassContext all = test::classes(10);
  const std::vector<std::vector<std::string>> names = {all.names, {"c7", "c2", "c9"}, {"c4"}};
  std::vector<Member> members;
  members_.clear();
  for (std::size_t m = 0; m < names.size(); ++m) {
    plugin::ClassContext own;
    own.names = names[m];
    // The value tells the class by its name, whatever its channel.
    members_.push_back(
        std::make_shared<test::FunctionPredictor>(own, [own](std::int64_t c, std::int64_t, std::int64_t) {
          return std::stod(own.names[static_cast<std::size_t>(c)].substr(1)) / 32;
        }));
    members.push_back(test::member(members_.back(), all, std::vector<double>(own.names.size(), 0.1)));
  }
  const std::vector<std::uint8_t> table = class_table(members, all);
  ASSERT_EQ(table.size(), 30u);
  EXPECT_EQ(std::accumulate(table.begin(), table.end(), 0), 14);
  const std::vector<int> having = {1, 1, 2, 1, 2, 1, 1, 2, 1, 2};
  const Ensemble sums(ensembler("sum", all, table), members, all), votes(ensembler("union", all, table), members, all);
  const OwnedPrediction sum = predict(sums, {}, OSTEON_FORM_PROBABILITIES);
  for (int c = 0; c < 10; ++c) {
    // What stands where a member does not have the class is 0, which a sum does not see.
    EXPECT_NEAR(sum.data()[c * kHeight * kWidth], having[static_cast<std::size_t>(c)] * c / 32.0, 1e-6) << c;
  }
  EXPECT_EQ(members_[1]->asked, (std::vector<std::vector<std::int32_t>>{{0, 1, 2}}));
  const OwnedPrediction vote = predict(votes, {}, OSTEON_FORM_BITS);
  const auto bits = static_cast<std::uint32_t>(sdk::data_of<const std::int32_t>(vote.view(), "bits")[0]);
  for (int c = 0; c < 10; ++c) EXPECT_EQ((bits >> c & 1u) != 0, c / 32.0 > 0.1) << c;
}

TEST_F(EnsembleTest, PredictsTheOtherImagesWhereOneIsBad) {
  const Ensemble ensemble = make("sum", 2);
  const cv::Mat pixels(kHeight, kWidth, CV_32F, cv::Scalar(0.5)), none(0, kWidth, CV_32F);
  const RootImage good(pixels, "good"), bad(none, "bad");
  const std::vector<const osteon_image*> images = {good.get(), bad.get(), good.get()};
  osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE);
  std::vector<OwnedPrediction> predictions(3);
  EXPECT_THROW(ensemble.predict(call_.raw(), images, request, predictions), sdk::BadInput);
  request.flags = OSTEON_PREDICT_EACH;
  std::vector<OwnedPrediction> each(3);
  ensemble.predict(call_.raw(), images, request, each);
  EXPECT_FALSE(each[0].refused());
  EXPECT_EQ(each[1].refusal(), "image 'bad' has no pixels");
  EXPECT_EQ(sdk::shape_text(each[2].view()), "[2, 4, 6]");
}

TEST_F(EnsembleTest, RefusesMembersOfOtherClasses) {
  const auto refusal = [](const plugin::ClassContext& own, const plugin::ClassContext& all) {
    try {
      channels_of(test::FunctionPredictor(own, {}), all, "member 'x'");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  EXPECT_EQ(refusal(test::classes(2), test::classes(3)), "nothing");
  EXPECT_NE(refusal(test::classes(3), test::classes(2)).find("member 'x' has the class 'c2'"), std::string::npos);
  EXPECT_NE(refusal(test::classes(2, true), test::classes(2)).find("labels of the other kind"), std::string::npos);
  EXPECT_NE(refusal(test::classes(2, true), test::classes(3, true)).find("all members have the same"),
            std::string::npos);
  const plugin::ClassContext three = test::classes(3);
  const auto two = std::make_shared<test::FunctionPredictor>(test::classes(2), test::Value{});
  EXPECT_THROW(class_table({test::member(two, three)}, three), Error) << "nobody has c2";
}

}  // namespace
}  // namespace osteon::predict
