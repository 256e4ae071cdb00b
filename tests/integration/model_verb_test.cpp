// SPDX-License-Identifier: Apache-2.0
// `osteon model forward`: what it writes is what the model gave, output for output and type for type.
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/program.hpp"
#include "unit/weights/torch_bytes.hpp"
#include "weights/float_elements.hpp"
#include "weights/safetensors.hpp"

namespace osteon::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ModelVerb : public ::testing::Test {
 protected:
  ModelVerb() {
    write_text(folder_ / "recipe.toml",
               "recipe = 1\n[data]\nlayout = 'class_png'\nroot = '.'\nclasses = ['a', 'b', 'c']\nimage_size = 32\n"
               "channels = 1\n[model]\nplugin = 'unet3plus'\nfilters = 2\ndeep_supervision = true\n"
               "classification_guided = 'per_class'\n[[loss]]\nplugin = 'bce'\n[train]\nepochs = 1\n");
    for (std::size_t i = 0; i < x_.size(); ++i) x_[i] = std::sin(static_cast<float>(i) * 0.37f);
    weights::write_safetensors(
        folder_ / "x.safetensors",
        {{"x", "F32", {2, 1, 32, 48}, reinterpret_cast<const std::byte*>(x_.data()), x_.size() * sizeof(float)}});
  }

  Outcome forward(const std::string& flags) const {
    return run_program(OSTEON_PROGRAM, "model forward --json " + (folder_ / "recipe.toml").string() + " --input " +
                                           (folder_ / "x.safetensors").string() + " --output " +
                                           (folder_ / "y.safetensors").string() + " " + flags);
  }

  struct Tensor {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<double> values;
  };
  /// What the run wrote, by name.
  std::map<std::string, Tensor> written() const {
    std::map<std::string, Tensor> tensors;
    const weights::SafetensorsFile file(folder_ / "y.safetensors");
    for (const weights::TensorData& t : file.tensors()) {
      Tensor& tensor = tensors[t.name] = {t.dtype, t.shape, {}};
      const std::size_t element = *weights::dtype_bits(t.dtype) / 8;
      for (std::size_t at = 0; at < t.size; at += element)
        tensor.values.push_back(weights::read_float(t.dtype, t.data + at));
    }
    return tensors;
  }

  TemporaryFolder folder_;
  std::vector<float> x_ = std::vector<float>(2 * 32 * 48);
};

TEST_F(ModelVerb, WritesAllOutputsUnderTheirNames) {
  Outcome outcome = forward("");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto alone = written();
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(json::parse(outcome.out).at("shape"), json({2, 3, 32, 48}));

  outcome = forward("--all-outputs");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto all = written();
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"logits", {2, 3, 32, 48}}, {"d2", {2, 3, 16, 24}}, {"d3", {2, 3, 8, 12}},
      {"d4", {2, 3, 4, 6}},       {"d5", {2, 3, 2, 3}},   {"presence", {2, 3, 1, 1}}};
  ASSERT_EQ(all.size(), expected.size());
  for (const auto& [name, shape] : expected) {
    EXPECT_EQ(all.at(name).shape, shape) << name;
    EXPECT_EQ(all.at(name).dtype, "F32") << name;
  }
  EXPECT_EQ(all.at("logits").values, alone.at("logits").values);
  const json tensors = json::parse(outcome.out).at("tensors");
  ASSERT_EQ(tensors.size(), expected.size());
  EXPECT_EQ(tensors[0], json::parse(R"({"name": "logits", "dtype": "F32", "shape": [2, 3, 32, 48]})"));
  EXPECT_EQ(tensors[5].at("name"), "presence");
}

TEST_F(ModelVerb, WritesHalvesAsHalves) {
  const std::string plain = "--set 'model.classification_guided=\"none\"' --precision ";
  Outcome outcome = forward(plain + "float32");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Tensor whole = written().at("logits");
  outcome = forward(plain + "bfloat16");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("tensors")[0].at("dtype"), "BF16");
  const Tensor half = written().at("logits");
  EXPECT_EQ(half.dtype, "BF16");
  EXPECT_EQ(half.shape, whole.shape);
  ASSERT_EQ(half.values.size(), whole.values.size());
  // 8 bits of mantissa through some twenty layers.
  double worst = 0, greatest = 0;
  for (std::size_t i = 0; i < half.values.size(); ++i) {
    worst = std::max(worst, std::abs(half.values[i] - whole.values[i]));
    greatest = std::max(greatest, std::abs(whole.values[i]));
  }
  EXPECT_GT(worst, 0);
  EXPECT_LT(worst, 0.1 * greatest);
}

/// A recipe of a U-Net, and files of its last bias, which is added to all logits of a class.
class WeightsOfForward : public ModelVerb {
 protected:
  WeightsOfForward() {
    write_recipe("");
    write_text(checkpoint(), torch_zip(dict({{text("student"), head("0")}, {text("teacher"), head("1")}}),
                                       {{"0", floats({1, 2, 3})}, {"1", floats({4, 4, 4})}}));
  }
  void write_recipe(const std::string& more) const {
    write_text(folder_ / "recipe.toml",
               "recipe = 1\n[data]\nlayout = 'class_png'\nroot = '.'\nclasses = ['a', 'b', 'c']\nimage_size = 32\n"
               "channels = 1\n[model]\nplugin = 'unet'\nencoder = 'basic'\nwidth = 0.125\n"
               "decoder_channels = [8, 8, 8, 8]\nstrict = false\n" +
                   more + "[[loss]]\nplugin = 'bce'\n[train]\nepochs = 1\n");
  }
  static Code head(const std::string& key) {
    return dict({{text("segmentation_head.0.bias"), vector("FloatStorage", key, 3)}});
  }
  static std::string floats(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
  }
  std::string checkpoint() const { return (folder_ / "two.pth").string(); }

  /// The logits' first value of each class.
  std::vector<double> first_of_classes(const std::string& flags) const {
    const Outcome outcome = forward(flags);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err << outcome.out;
    const Tensor logits = written().at("logits");
    const std::size_t area = logits.values.size() / 6;
    return {logits.values.at(0), logits.values.at(area), logits.values.at(2 * area)};
  }
};

TEST_F(WeightsOfForward, AreChosenByKey) {
  const std::vector<double> student = first_of_classes("--weights " + checkpoint() + " --key student");
  const std::vector<double> teacher = first_of_classes("--weights " + checkpoint() + " --key teacher");
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(teacher[k] - student[k], 3.0 - static_cast<double>(k), 1e-5);
  write_recipe("weights = 'two.pth'\nweights_key = 'teacher'\n");
  EXPECT_EQ(first_of_classes(""), teacher);
  EXPECT_EQ(first_of_classes("--key student"), student);

  Outcome outcome = forward("--weights " + checkpoint());  // the recipe's key is of the recipe's file
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.out, HasSubstr("There is 'student', 'teacher'"));
  EXPECT_EQ(forward("--key pupil").exit_code, 3);
  write_recipe("");
  EXPECT_EQ(forward("--key student").exit_code, 2);
  write_recipe("weights_key = 'teacher'\n");
  outcome = forward("");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("which the recipe does not give"));
}

TEST_F(WeightsOfForward, MayBeShards) {
  const std::vector<double> wanted = first_of_classes("--weights " + checkpoint() + " --key student");
  const std::string bias = floats({1, 2, 3});
  weights::write_safetensors(
      folder_ / "m-1.safetensors",
      {{"segmentation_head.0.bias", "F32", {3}, reinterpret_cast<const std::byte*>(bias.data()), 12}});
  write_text(folder_ / "m.safetensors.index.json", R"({"weight_map":{"segmentation_head.0.bias":"m-1.safetensors"}})");
  EXPECT_EQ(first_of_classes("--weights " + (folder_ / "m.safetensors.index.json").string()), wanted);
}

TEST_F(WeightsOfForward, AreRefusedByNameWhereTheyAreNotFinite) {
  write_text(checkpoint(), torch_zip(head("0"), {{"0", floats({1, std::nanf(""), 3})}}));
  const Outcome outcome = forward("--weights " + checkpoint());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(json::parse(outcome.out).at("error").at("where"), checkpoint());
  EXPECT_THAT(outcome.out, HasSubstr("segmentation_head.0.bias (1 of 3 values)"));
}

TEST_F(ModelVerb, RefusesPrecisionsThatThereAreNot) {
  EXPECT_EQ(forward("--precision float8").exit_code, 2);
  const Outcome outcome = forward("--precision float16");
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("float16 on the CPU"));
}

}  // namespace
}  // namespace osteon::test
