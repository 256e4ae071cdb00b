// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/output_activation.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

using ::testing::HasSubstr;

/// What outputs [classes, pixels] for both probes look like.
ActivationTrial trial_of(const std::vector<float>& values, std::int64_t classes) {
  ActivationTrial trial;
  trial.add(values.data(), classes, static_cast<std::int64_t>(values.size()) / classes);
  return trial;
}

std::string refusal(const std::string& stated, const std::string& last, const ActivationTrial& trial) {
  try {
    resolve_activation(stated, "the output", last, trial);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "taken";
}

const std::vector<float> kLogits = {-2, 0.5f, 0.25f, 3}, kSigmoid = {0.1f, 0.5f, 0.25f, 1},
                         kSoftmax = {0.1f, 0.5f, 0.9f, 0.5f}, kConstant = {0.5f, 0.5f, 0.5f, 0.5f};

TEST(OutputActivation, IsSeenInTheValues) {
  EXPECT_EQ(trial_of(kLogits, 2).looks_like(), OutputActivation::kNone);
  EXPECT_EQ(trial_of(kSigmoid, 2).looks_like(), OutputActivation::kSigmoid);
  EXPECT_EQ(trial_of(kSoftmax, 2).looks_like(), OutputActivation::kSoftmax);
  EXPECT_EQ(trial_of(kConstant, 2).looks_like(), OutputActivation::kNone);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(trial_of({nan, 0.5f}, 1).looks_like(), OutputActivation::kNone);
}

TEST(OutputActivation, IsUndoneOnlyWhereTheRecipeSaysIt) {
  EXPECT_EQ(resolve_activation("auto", "the output", "Conv", trial_of(kLogits, 2)), OutputActivation::kNone);
  EXPECT_EQ(resolve_activation("none", "the output", "Sigmoid", trial_of(kSigmoid, 2)), OutputActivation::kNone);
  EXPECT_EQ(resolve_activation("sigmoid", "the output", "", trial_of(kSigmoid, 2)), OutputActivation::kSigmoid);
  EXPECT_EQ(resolve_activation("softmax", "the output", "", trial_of(kSoftmax, 2)), OutputActivation::kSoftmax);
  // A logarithm of a softmax is logits.
  EXPECT_EQ(resolve_activation("auto", "the output", "aten::log_softmax", trial_of({-1, -2}, 1)),
            OutputActivation::kNone);
  EXPECT_THAT(refusal("auto", "", trial_of(kSigmoid, 2)), HasSubstr("say activation = \"sigmoid\""));
  EXPECT_THAT(refusal("auto", "", trial_of(kSoftmax, 2)), HasSubstr("say activation = \"softmax\""));
  EXPECT_THAT(refusal("auto", "aten::sigmoid", trial_of(kConstant, 2)), HasSubstr("is made by aten::sigmoid"));
  EXPECT_THAT(refusal("sigmoid", "Conv", trial_of(kLogits, 2)), HasSubstr("values outside 0 to 1"));
}

TEST(OutputActivation, LooksAtNoValuesWhereThatTellsNothing) {
  EXPECT_FALSE(needs_activation_trial("none", "Sigmoid"));
  EXPECT_FALSE(needs_activation_trial("auto", "ConvTranspose"));
  EXPECT_FALSE(needs_activation_trial("auto", "aten::_convolution"));
  EXPECT_TRUE(needs_activation_trial("sigmoid", "Conv"));
  EXPECT_TRUE(needs_activation_trial("auto", "Add"));
}

TEST(OutputActivation, GivesTheLogitsBackAndStaysFinite) {
  for (const float logit : {-20.0f, -3.0f, 0.0f, 2.5f, 8.0f})
    EXPECT_NEAR(undone(OutputActivation::kSigmoid, 1 / (1 + std::exp(-logit))), logit, 2e-3);
  EXPECT_NEAR(undone(OutputActivation::kSoftmax, 0.25f), std::log(0.25f), 1e-6);
  for (const float p : {0.0f, 1.0f})
    for (const OutputActivation activation : {OutputActivation::kSigmoid, OutputActivation::kSoftmax})
      EXPECT_TRUE(std::isfinite(undone(activation, p)));
  EXPECT_EQ(undone(OutputActivation::kNone, 7), 7);
}

}  // namespace
}  // namespace osteon::sdk
