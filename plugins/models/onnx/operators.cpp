// SPDX-License-Identifier: Apache-2.0
#include "operators.hpp"

#include <algorithm>
#include <iterator>

namespace osteon::models {
namespace {

constexpr OperatorRule kRules[] = {
    {"Constant", 0, false},
    {"Conv", 2, true},
    {"ConvTranspose", 2, true},
    {"Gemm", 2, true},
    {"MatMul", 2, true},
    {"PRelu", 2, true},
    {"BatchNormalization", 5, true},
    {"InstanceNormalization", 3, true},
    {"LSTM", 8, true},
    {"GRU", 6, true},
    {"Add", 2, false},
    {"Sub", 2, false},
    {"Mul", 2, false},
    {"Div", 2, false},
    {"Pow", 2, false},
    {"Equal", 2, false},
    {"Less", 2, false},
    {"Greater", 2, false},
    {"Where", 3, false},
    {"Gather", 2, false},
    {"Expand", 2, false},
    {"Tile", 2, false},
    {"CumSum", 2, false},
    {"MaxUnpool", 2, false},
    {"DetectionOutput", 3, false},
    {"QuantizeLinear", 3, false},
    {"DequantizeLinear", 3, false},
    {"QLinearConv", 8, false},
    {"QLinearMatMul", 8, false},
    {"QLinearAdd", 8, false},
    {"QLinearMul", 8, false},
    {"QLinearLeakyRelu", 5, false},
    {"QLinearSigmoid", 5, false},
    {"QLinearAveragePool", 5, false},
    {"QLinearGlobalAveragePool", 5, false},
    {"QLinearConcat", 5, false},
};

// Larger than of any network of images, and small enough that products of two are no overflow.
constexpr double kSide = 1 << 16, kPad = 1 << 10, kElements = 1 << 30;
constexpr double kRank = 8;  // of tensors, at most
constexpr std::size_t kNoInput = 0;

}  // namespace

const std::vector<ParameterRule>& parameter_rules() {
  static const std::vector<ParameterRule> kAll = {
      {"", kNoInput, "group", 1, kSide},
      {"", kNoInput, "strides", 1, kSide},
      {"", kNoInput, "dilations", 1, kSide},
      {"", kNoInput, "kernel_shape", 1, kSide},
      {"", kNoInput, "blocksize", 1, kSide},
      {"", kNoInput, "size", 1, kSide},
      {"", kNoInput, "output_shape", 1, kSide},
      {"", kNoInput, "output_padding", 0, kSide},
      {"", kNoInput, "hidden_size", 1, kSide},
      {"", kNoInput, "axis", -kRank, kRank - 1},
      {"", kNoInput, "axes", -kRank, kRank - 1},
      {"", kNoInput, "perm", 0, kRank - 1},
      {"", kNoInput, "pads", 0, kPad},
      {"", kNoInput, "split", 1, kSide},
      {"Pad", 1, "", 0, kPad},
      {"Split", 1, "", 1, kSide},
      {"Slice", 3, "", -kRank, kRank - 1},
      {"Slice", 4, "", -kSide, kSide, false},
      {"Squeeze", 1, "", -kRank, kRank - 1},
      {"Unsqueeze", 1, "", -kRank, kRank - 1},
      {"ReduceSum", 1, "", -kRank, kRank - 1},
      {"CumSum", 1, "", -kRank, kRank - 1},
      {"Reshape", 1, "", -1, kElements},
      {"Expand", 1, "", -1, kSide},
      {"Tile", 1, "", 1, kSide},
      {"ConstantOfShape", 0, "", 0, kSide},
      {"Resize", 2, "", 0, kSide, false},
      {"Resize", 3, "", 1, kSide},
      {"Upsample", 1, "", 0, kSide, false},
  };
  return kAll;
}

OperatorRule rule_of(std::string_view type) {
  const auto* const found = std::find_if(std::begin(kRules), std::end(kRules),
                                         [type](const OperatorRule& rule) { return rule.type == type; });
  return found != std::end(kRules) ? *found : OperatorRule{type};
}

}  // namespace osteon::models
