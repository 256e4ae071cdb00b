// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plugin/schema.hpp"
#include "recipe/load_recipe.hpp"

// Plugins as the recipe room sees them: schemas alone, no libraries.
namespace osteon::recipe::test {

inline plugin::ParameterSpec parameter(const std::string& name, plugin::ParameterType type,
                                       const plugin::ParameterValue& value) {
  plugin::ParameterSpec spec;
  spec.name = name;
  spec.type = type;
  spec.doc = "of the test's";
  spec.default_value = value;
  return spec;
}

inline plugin::ComponentSchema schema(plugin::Kind kind, const std::string& name,
                                      std::vector<plugin::ParameterSpec> parameters = {}) {
  return {name, kind, "1.0.0", "A " + name + ".", "", std::move(parameters), {}, ""};
}

/// One plugin per kind at least, with every type of parameter among them.
inline std::vector<plugin::ComponentSchema> schemas() {
  using plugin::Kind;
  using plugin::ParameterType;
  const auto strings = [](std::vector<std::string> list) { return plugin::ParameterValue(std::move(list)); };

  plugin::ParameterSpec encoder = parameter("encoder", ParameterType::kChoice, strings({"small"}));
  encoder.choices = {"small", "large"};
  plugin::ParameterSpec depth = parameter("depth", ParameterType::kInt, std::vector<std::int64_t>{5});
  depth.minimum = 1;
  depth.maximum = 9;
  depth.aliases = {"levels", "stages"};
  plugin::ParameterSpec width = parameter("width", ParameterType::kInt, std::vector<std::int64_t>{16});
  width.default_value.reset();
  plugin::ParameterSpec bias = parameter("bias", ParameterType::kBool, std::vector<bool>{true});

  plugin::ParameterSpec limit = parameter("limit", ParameterType::kFloat, std::vector<double>{30});
  limit.minimum = 0;
  limit.maximum = 180;
  limit.unit = "degrees";
  plugin::ParameterSpec brightness =
      parameter("brightness", ParameterType::kFloatRange, std::vector<double>{-0.2, 0.2});
  brightness.minimum = -1;
  brightness.maximum = 1;

  plugin::ParameterSpec classes = parameter("classes", ParameterType::kClasses, strings({}));
  classes.list = true;
  plugin::ParameterSpec only = parameter("only", ParameterType::kClasses, strings({}));
  only.list = true;
  plugin::ParameterSpec weights = parameter("class_weights", ParameterType::kFloat, std::vector<double>{});
  weights.list = true;
  plugin::ParameterSpec label = parameter("label", ParameterType::kString, strings({"none"}));
  plugin::ParameterSpec table = parameter("table", ParameterType::kPath, strings({""}));
  plugin::ParameterSpec inner = parameter("inner", ParameterType::kPredictor, strings({""}));
  inner.default_value.reset();
  plugin::ParameterSpec scales = parameter("scales", ParameterType::kFloat, std::vector<double>{1});
  scales.list = true;
  scales.min_count = 1;
  scales.max_count = 4;
  scales.minimum = 0.1;

  return {schema(Kind::kModel, "unet", {encoder, depth, bias}),
          schema(Kind::kModel, "stack", {width}),
          schema(Kind::kLoss, "bce", {weights}),
          schema(Kind::kLoss, "dice", {classes}),
          schema(Kind::kAugmentation, "rotate", {limit}),
          schema(Kind::kAugmentation, "flip"),
          schema(Kind::kAugmentation, "brighten", {brightness}),
          schema(Kind::kPostprocessor, "tta", {scales, label}),
          schema(Kind::kPostprocessor, "refine", {inner, only, table}),
          schema(Kind::kEnsembler, "vote")};
}

/// The smallest complete recipe, in two halves, between which and after which more can stand.
inline const std::string kData =
    "recipe = 1\n"
    "[data]\n"
    "layout = \"boostcamp\"\n"
    "root = \"images\"\n"
    "classes = [\"left\", \"right\", \"spine\"]\n"
    "image_size = 64\n";
inline const std::string kRest =
    "[model]\n"
    "plugin = \"unet\"\n"
    "[[loss]]\n"
    "plugin = \"bce\"\n"
    "[train]\n"
    "epochs = 3\n";
inline const std::string kMinimal = kData + kRest;

inline LoadOptions options(std::vector<std::string> overrides = {}) { return {std::move(overrides), schemas()}; }

}  // namespace osteon::recipe::test
