// SPDX-License-Identifier: Apache-2.0
#include "plugin/component.hpp"

#include <atomic>

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "unit/recipe/schemas.hpp"

namespace osteon::plugin {
namespace {

using recipe::test::parameter;
using ::testing::HasSubstr;

const ClassContext kClasses = {false, {"left", "right", "spine"}, {1, 0, 2}};

ComponentSchema one(ParameterSpec spec) {
  return recipe::test::schema(Kind::kPostprocessor, "test", {std::move(spec)});
}

ParameterSpec list_of(ParameterType type) {
  ParameterSpec spec = parameter("x", type, std::vector<std::string>{});
  spec.list = true;
  return spec;
}

TEST(ValueArray, PutsEachTypeIntoItsArrayAndLeavesTheOthersNull) {
  const ComponentSchema schema =
      recipe::test::schema(Kind::kModel, "test",
                           {parameter("flag", ParameterType::kBool, std::vector<bool>{}),
                            parameter("count", ParameterType::kInt, std::vector<std::int64_t>{}),
                            parameter("rate", ParameterType::kFloat, std::vector<double>{}),
                            parameter("range", ParameterType::kFloatRange, std::vector<double>{}),
                            parameter("name", ParameterType::kString, std::vector<std::string>{})});
  const ValueArray values(schema,
                          {std::vector<bool>{true}, std::vector<std::int64_t>{-5}, std::vector<double>{0.5},
                           std::vector<double>{-1, 2}, std::vector<std::string>{"text"}},
                          kClasses);
  const osteon_value* const* v = values.get();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(v[i]->struct_size, sizeof(osteon_value));
  EXPECT_EQ(v[0]->type, std::uint32_t{OSTEON_PARAM_BOOL});
  EXPECT_EQ(v[0]->ints[0], 1);
  EXPECT_EQ(v[0]->floats, nullptr);
  EXPECT_EQ(v[1]->type, std::uint32_t{OSTEON_PARAM_INT});
  EXPECT_EQ(v[1]->ints[0], -5);
  EXPECT_EQ(v[2]->floats[0], 0.5);
  EXPECT_EQ(v[2]->ints, nullptr);
  EXPECT_EQ(v[3]->type, std::uint32_t{OSTEON_PARAM_FLOAT_RANGE});
  EXPECT_EQ(v[3]->count, 2u);
  EXPECT_EQ(v[3]->floats[1], 2);
  EXPECT_STREQ(v[4]->strings[0], "text");
  EXPECT_EQ(v[4]->predictors, nullptr);
}

TEST(ValueArray, GivesClassesTheirChannelNumbers) {
  const ValueArray values(one(list_of(ParameterType::kClasses)), {std::vector<std::string>{"spine", "left"}}, kClasses);
  const osteon_value& v = *values.get()[0];
  EXPECT_EQ(v.count, 2u);
  EXPECT_STREQ(v.strings[0], "spine");
  EXPECT_EQ(v.ints[0], 2);
  EXPECT_EQ(v.ints[1], 0);
}

TEST(ValueArray, RefusesAClassThatTheDataDoesNotHave) {
  try {
    ValueArray(one(list_of(ParameterType::kClasses)), {std::vector<std::string>{"lefft"}}, kClasses);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    EXPECT_THAT(e.what(), HasSubstr("'lefft'"));
    EXPECT_THAT(e.what(), HasSubstr("did you mean 'left'?"));
  }
}

TEST(ValueArray, GivesEmptyListsACountOfZero) {
  const ValueArray values(one(list_of(ParameterType::kString)), {std::vector<std::string>{}}, kClasses);
  EXPECT_EQ(values.get()[0]->count, 0u);
}

TEST(ValueArray, AsksTheResolverForPredictors) {
  static const osteon_predictor predictor{};
  std::string asked;
  const PredictorResolver resolver = [&asked](const std::string& path) {
    asked = path;
    return &predictor;
  };
  const ComponentSchema schema = one(parameter("inner", ParameterType::kPredictor, std::vector<std::string>{}));
  const ValueArray values(schema, {std::vector<std::string>{"/runs/a"}}, kClasses, resolver);
  EXPECT_EQ(asked, "/runs/a");
  EXPECT_EQ(values.get()[0]->predictors[0], &predictor);
  EXPECT_STREQ(values.get()[0]->strings[0], "/runs/a");
  EXPECT_THROW(ValueArray(schema, {std::vector<std::string>{"/runs/a"}}, kClasses), Error);
}

TEST(ValueArray, RefusesAnotherNumberOfValues) {
  EXPECT_THROW(ValueArray(one(list_of(ParameterType::kInt)), {}, kClasses), Error);
}

LoadedComponent component() {
  LoadedComponent loaded;
  loaded.schema = recipe::test::schema(Kind::kModel, "unet");
  return loaded;
}

// The exit code and text that a status leads to.
std::pair<ExitCode, std::string> outcome(osteon_status status, const char* call, const char* text,
                                         const osteon_call* request = nullptr) {
  try {
    check_call(
        component(), call,
        [&](osteon_error* error) {
          std::strncpy(error->text, text, error->text_size - 1);
          return status;
        },
        request);
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {ExitCode::kDone, ""};
}

TEST(CheckCall, TurnsStatusesIntoErrorsThatNameKindPluginAndCall) {
  EXPECT_EQ(outcome(OSTEON_OK, "forward", "ignored").first, ExitCode::kDone);
  EXPECT_EQ(outcome(OSTEON_BAD_INPUT, "process", "").first, ExitCode::kData);
  EXPECT_EQ(outcome(OSTEON_OUT_OF_MEMORY, "forward", "").first, ExitCode::kResources);
  EXPECT_EQ(outcome(OSTEON_OUT_OF_DEVICE_MEMORY, "create", "").first, ExitCode::kResources);
  EXPECT_EQ(outcome(OSTEON_INVALID_ARGUMENT, "create", "depth").first, ExitCode::kUsage);
  EXPECT_EQ(outcome(OSTEON_UNSUPPORTED, "create", "").first, ExitCode::kUsage);
  EXPECT_EQ(outcome(OSTEON_UNSUPPORTED, "set_trainable", "").first, ExitCode::kUsage);
  EXPECT_EQ(outcome(OSTEON_INVALID_ARGUMENT, "forward", "").first, ExitCode::kPlugin);
  EXPECT_EQ(outcome(4711, "forward", "why"),
            std::pair(ExitCode::kPlugin,
                      std::string("model 'unet', forward: returned status 4711, which the ABI does not know: why")));
  EXPECT_EQ(outcome(OSTEON_FAILED, "forward", "no luck").second, "model 'unet', forward: no luck");
  EXPECT_EQ(outcome(OSTEON_FAILED, "forward", "").second, "model 'unet', forward: failed without saying why");
}

TEST(CheckCall, BelievesThatACallWasCancelledOnlyWhereSomebodyDid) {
  std::atomic<bool> cancel{false};
  CallOptions options;
  options.cancel = &cancel;
  const Call call(options);
  const auto unasked = std::pair(
      ExitCode::kPlugin, std::string("model 'unet', forward: says that it was cancelled, and nobody cancelled it"));
  EXPECT_EQ(outcome(OSTEON_CANCELLED, "forward", ""), unasked);
  EXPECT_EQ(outcome(OSTEON_CANCELLED, "forward", "", call.raw()), unasked);
  cancel = true;
  EXPECT_EQ(outcome(OSTEON_CANCELLED, "forward", "", call.raw()).first, ExitCode::kInterrupted);
}

TEST(CheckCall, ReadsTextsThatWereNotClosed) {
  try {
    check_call(component(), "forward", [](osteon_error* error) {
      std::memset(error->text, 'x', error->text_size);
      return osteon_status{OSTEON_FAILED};
    });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "model 'unet', forward: " + std::string(2048, 'x'));
  }
}

}  // namespace
}  // namespace osteon::plugin
