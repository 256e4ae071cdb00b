// SPDX-License-Identifier: Apache-2.0
// Files that are well-formed and wrong: each has to be refused before OpenCV sees it, for it would read beyond its
// memory or end the process.
#include "graph_check.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "onnx_fixture.hpp"

namespace osteon::models::onnx_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string attribute_of_tensor(const std::string& name, const std::string& tensor) {
  std::string message;
  put_bytes(message, 1, name);
  put_bytes(message, 5, tensor);
  put_varint(message, kAttributeType, 4);
  return message;
}

/// A tensor whose values are raw bytes, however many.
std::string raw_tensor(const std::string& name, const Sizes& sizes, std::uint64_t element, std::size_t bytes) {
  std::string message;
  for (const std::int64_t size : sizes) put_varint(message, 1, static_cast<std::uint64_t>(size));
  put_varint(message, 2, element);
  put_bytes(message, 8, name);
  if (bytes > 0) put_bytes(message, 9, std::string(bytes, '\1'));
  return message;
}

const Sizes kWeight = {3, 2, 3, 3};
constexpr std::size_t kWeightBytes = 54 * 4;

class OnnxGraph : public OnnxTest {
 protected:
  static std::string convolution(const std::vector<std::string>& attributes = {}, const std::string& type = "Conv",
                                 const std::vector<std::string>& inputs = {"image", "weight"}) {
    std::vector<std::string> all = {ints("kernel_shape", {3, 3}), ints("pads", {1, 1, 1, 1})};
    all.insert(all.end(), attributes.begin(), attributes.end());
    return node(type, inputs, "logits", all);
  }
  std::string why_bad(const std::vector<std::string>& nodes, const std::vector<std::string>& initializers) {
    return refusal(graph_file(nodes, initializers), OSTEON_BAD_INPUT);
  }
  std::string whole_weight() const { return tensor("weight", kWeight, net_.weight); }
};

TEST_F(OnnxGraph, TakesAWholeOne) { EXPECT_EQ(refusal(graph_file({convolution()}, {whole_weight()})), "taken"); }

TEST_F(OnnxGraph, RefusesWeightsThatAreNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  net_.weight[17] = std::nanf("");
  EXPECT_THAT(why_bad({convolution()}, {whole_weight()}), HasSubstr("initializer 'weight' has values that are NaN"));
  net_.weight[17] = -infinity;
  EXPECT_THAT(why_bad({convolution()}, {whole_weight()}),
              HasSubstr("node 'logits_node' (Conv) takes 'weight' as weights, which has infinite values"));
  net_.weight[17] = 1;
  const std::string constant =
      node("Constant", {}, "c", {attribute_of_tensor("value", tensor("", {1}, {std::nanf("")}))});
  EXPECT_THAT(why_bad({convolution(), constant}, {whole_weight()}),
              HasSubstr("attribute 'value' has values that are NaN"));
  // A bound or a mask may be infinite.
  const std::string masked = node("Add", {"hidden", "mask"}, "logits");
  std::string hidden =
      node("Conv", {"image", "weight"}, "hidden", {ints("kernel_shape", {3, 3}), ints("pads", {1, 1, 1, 1})});
  EXPECT_EQ(refusal(graph_file({hidden, masked}, {whole_weight(), tensor("mask", {1, 3, 1, 1}, {0, -infinity, 0})})),
            "taken");
}

TEST_F(OnnxGraph, RefusesWindowsOfAnotherNumberOfDimensions) {
  const auto with = [&](const std::string& attribute) {
    return why_bad({node("Conv", {"image", "weight"}, "logits", {attribute})}, {whole_weight()});
  };
  EXPECT_THAT(with(ints("strides", {1})), HasSubstr("'strides' has 1 numbers; a window of 2 dimensions takes 2"));
  EXPECT_THAT(with(ints("dilations", {1, 1, 1})), HasSubstr("'dilations' has 3 numbers"));
  EXPECT_THAT(with(ints("pads", {1, 1})), HasSubstr("'pads' has 2 numbers; a window of 2 dimensions takes 4"));
  const std::string pool = node("MaxPool", {"image"}, "pooled", {ints("kernel_shape", {2, 2}), ints("strides", {1})});
  EXPECT_THAT(why_bad({pool, convolution()}, {whole_weight()}), HasSubstr("(MaxPool): attribute 'strides' has 1"));
}

TEST_F(OnnxGraph, RefusesTensorsWithoutTheBytesOfTheirShape) {
  const auto with = [&](const std::string& weight) { return why_bad({convolution()}, {weight}); };
  EXPECT_THAT(with(raw_tensor("weight", kWeight, kFloat, 8)),
              HasSubstr("initializer 'weight' has 8 bytes; [3, 2, 3, 3] of float32 takes 216"));
  EXPECT_THAT(with(raw_tensor("weight", kWeight, kFloat, 0)), HasSubstr("has 0 bytes"));
  EXPECT_THAT(with(raw_tensor("weight", kWeight, kFloat, kWeightBytes + 4)), HasSubstr("has 220 bytes"));
  EXPECT_THAT(with(raw_tensor("weight", {-3, 2, 3, 3}, kFloat, kWeightBytes)), HasSubstr("[-3, 2, 3, 3]"));
  EXPECT_THAT(with(raw_tensor("weight", {1 << 20, 1 << 20, 1 << 20, 1 << 20}, kFloat, kWeightBytes)),
              HasSubstr("which no memory holds"));
  EXPECT_THAT(with(raw_tensor("weight", kWeight, 99, kWeightBytes)), HasSubstr("elements of type 99"));
  std::string two_ways = whole_weight();
  put_bytes(two_ways, 4, std::string(kWeightBytes, '\1'));
  EXPECT_THAT(with(two_ways), HasSubstr("twice"));
  std::string listed = raw_tensor("weight", kWeight, kFloat, 0);
  put_bytes(listed, 7, std::string(54, '\1'));
  EXPECT_THAT(with(listed), HasSubstr("values of another type"));
  std::string shorter = raw_tensor("weight", kWeight, kFloat, 0);
  put_bytes(shorter, 4, std::string(kWeightBytes - 4, '\1'));
  EXPECT_THAT(with(shorter), HasSubstr("has 212 bytes"));
}

TEST_F(OnnxGraph, ReadsTensorsInEachWayThatTheFormatHas) {
  std::string packed = raw_tensor("weight", kWeight, kFloat, 0);
  put_bytes(packed, 4, std::string(kWeightBytes, '\1'));
  EXPECT_EQ(refusal(graph_file({convolution()}, {packed})), "taken");
  std::string apart = raw_tensor("weight", kWeight, kFloat, 0);
  for (int i = 0; i < 54; ++i) apart += "\x25" + std::string(4, '\1');  // field 4, 32 bits
  EXPECT_EQ(refusal(graph_file({convolution()}, {apart})), "taken");
  std::string packed_shape;
  put_bytes(packed_shape, 1, "\x03\x02\x03\x03");
  put_varint(packed_shape, 2, kFloat);
  put_bytes(packed_shape, 8, "weight");
  put_bytes(packed_shape, 9, std::string(kWeightBytes, '\1'));
  EXPECT_EQ(refusal(graph_file({convolution()}, {packed_shape})), "taken");
}

TEST_F(OnnxGraph, RefusesConstantsOfNodesWithoutTheBytesOfTheirShape) {
  const std::string constant =
      node("Constant", {}, "weight", {attribute_of_tensor("value", raw_tensor("", kWeight, kFloat, 8))});
  EXPECT_THAT(why_bad({constant, convolution()}, {}),
              AllOf(HasSubstr("node 'weight_node' (Constant)"), HasSubstr("has 8 bytes")));
}

TEST_F(OnnxGraph, RefusesInputsThatNothingMakes) {
  EXPECT_THAT(why_bad({convolution()}, {}),
              HasSubstr("node 'logits_node' (Conv) takes 'weight', which nothing before it makes"));
  EXPECT_THAT(why_bad({node("Relu", {"hidden"}, "logits"), node("Relu", {"image"}, "hidden")}, {}),
              HasSubstr("takes 'hidden'"));
  EXPECT_THAT(why_bad({node("Relu", {"image"}, "other")}, {}), HasSubstr("no node makes the output 'logits'"));
  EXPECT_THAT(why_bad({convolution({}, "Conv", {"image"})}, {}), HasSubstr("lacks its input 2"));
  EXPECT_THAT(why_bad({node("Relu", {}, "logits")}, {}), HasSubstr("lacks its input 1"));
  EXPECT_THAT(why_bad({node("Relu", {"image"}, "image")}, {}), HasSubstr("there already"));
  EXPECT_THAT(why_bad({node("Resize", {"image", ""}, "logits")}, {}), HasSubstr("neither scales nor sizes"));
}

TEST_F(OnnxGraph, RefusesAttributesOfZero) {
  for (const std::string type : {"Conv", "ConvTranspose"}) {
    const auto with = [&](const std::string& attribute) {
      return why_bad({convolution({attribute}, type)}, {whole_weight()});
    };
    for (const std::int64_t value : {0, -3, 1 << 30})
      EXPECT_THAT(with(number("group", value)), HasSubstr("attribute 'group' is " + std::to_string(value)));
    EXPECT_THAT(with(ints("strides", {1, 0})), HasSubstr("attribute 'strides' is 0"));
    EXPECT_THAT(with(ints("dilations", {0, 1})), HasSubstr("attribute 'dilations' is 0"));
    EXPECT_THAT(with(ints("strides", {})), HasSubstr("no whole number"));
    EXPECT_THAT(with(ints("pads", {1, 1, 1, 1})), HasSubstr("'pads' twice"));
  }
  EXPECT_THAT(
      why_bad({node("MaxPool", {"image"}, "logits", {ints("kernel_shape", {2, 2}), ints("strides", {0, 0})})}, {}),
      HasSubstr("(MaxPool): attribute 'strides' is 0"));
  EXPECT_THAT(why_bad({node("DepthToSpace", {"image"}, "logits", {number("blocksize", 0)})}, {}),
              HasSubstr("blocksize"));
}

TEST_F(OnnxGraph, RefusesParametersThatPointNowhere) {
  const auto integers = [](const std::string& name, std::int64_t value) {
    std::string message;
    put_varint(message, 1, 1);
    put_varint(message, 2, 7);
    put_varint(message, 7, static_cast<std::uint64_t>(value));
    put_bytes(message, 8, name);
    return message;
  };
  const std::string slice = node("Slice", {"image", "one", "end", "axis", "step"}, "logits");
  const auto with = [&](std::int64_t axis, std::int64_t step) {
    return why_bad({slice},
                   {integers("one", 1), integers("end", INT64_MAX), integers("axis", axis), integers("step", step)});
  };
  EXPECT_THAT(with(50, 1), HasSubstr("(Slice): its input 'axis' is 50, expected -8 to 7"));
  EXPECT_THAT(with(1, 0), HasSubstr("its input 'step' is 0"));
  EXPECT_THAT(why_bad({node("Transpose", {"image"}, "logits", {ints("perm", {0, 3, 3, 2})})}, {}),
              HasSubstr("no order"));
  EXPECT_THAT(why_bad({node("Concat", {"image", "image"}, "logits", {number("axis", 9)})}, {}),
              HasSubstr("'axis' is 9"));
  const std::string nan = tensor("scales", {4}, {1, 1, std::nanf(""), 0});
  EXPECT_THAT(why_bad({node("Resize", {"image", "", "scales"}, "logits")}, {nan}),
              HasSubstr("initializer 'scales' has values that are NaN"));
  EXPECT_THAT(why_bad({node("Resize", {"image", "scales"}, "logits")}, {nan}),
              HasSubstr("initializer 'scales' has values that are NaN"));
}

// Which only the image's shape tells: OpenCV would take the last part there is.
TEST_F(OnnxGraph, RefusesPartsBeyondADimension) {
  const auto weight = tensor("thin", {3, 1, 3, 3}, std::vector<float>(27, 0.1F));
  const auto index = [](std::int64_t value) {
    std::string message;
    put_varint(message, 2, 7);
    put_bytes(message, 8, "index");
    put_bytes(message, 9, std::string(reinterpret_cast<const char*>(&value), sizeof value));
    return message;
  };
  const std::vector<std::string> nodes = {node("Gather", {"image", "index"}, "one", {number("axis", 1)}),
                                          node("Unsqueeze", {"one"}, "channel", {ints("axes", {1})}),
                                          convolution({}, "Conv", {"channel", "thin"})};
  EXPECT_EQ(refusal(graph_file(nodes, {weight, index(1)})), "taken");
  EXPECT_THAT(why_bad(nodes, {weight, index(2)}),
              HasSubstr("takes a part from place 2 on of dimension 1, whose size is 2"));
  EXPECT_THAT(why_bad(nodes, {weight, index(7)}), HasSubstr("from place 7 on"));
}

TEST_F(OnnxGraph, RefusesWeightsThatDoNotFitTheirNode) {
  EXPECT_THAT(why_bad({convolution()}, {raw_tensor("weight", {3, 2, 5, 5}, kFloat, 600)}),
              HasSubstr("does not have the kernel [3, 3]"));
  EXPECT_THAT(why_bad({convolution()}, {raw_tensor("weight", {54}, kFloat, kWeightBytes)}), HasSubstr("no room"));
  EXPECT_THAT(why_bad({convolution({number("group", 2)})}, {whole_weight()}), HasSubstr("2 groups"));
  EXPECT_THAT(why_bad({convolution()}, {raw_tensor("weight", kWeight, 3, 54)}), HasSubstr("not of floats"));
  EXPECT_THAT(why_bad({convolution()}, {raw_tensor("weight", {3, 0, 3, 3}, kFloat, 0)}), HasSubstr("no elements"));
  EXPECT_THAT(
      why_bad({convolution({}, "Conv", {"image", "weight", "bias"})}, {whole_weight(), tensor("bias", {2}, {1, 1})}),
      HasSubstr("its bias has 2"));
}

// OpenCV would read statistics of channels that the file does not have.
TEST_F(OnnxGraph, RefusesNormalizationsOfOtherChannels) {
  const auto normalized = [&](const Sizes& sizes) {
    const std::vector<float> ones(static_cast<std::size_t>(sizes[0]), 1);
    return graph_file({convolution({}, "Conv"), node("BatchNormalization", {"logits", "a", "b", "a", "a"}, "normal")},
                      {whole_weight(), tensor("a", sizes, ones), tensor("b", {3}, {1, 1, 1})});
  };
  EXPECT_THAT(refusal(normalized({2}), OSTEON_BAD_INPUT), HasSubstr("'b' has 3 elements, and 'a' 2"));
  const std::string two = graph_file(
      {node("BatchNormalization", {"image", "a", "a", "a", "a"}, "normal"),
       node("Conv", {"normal", "weight"}, "logits", {ints("kernel_shape", {3, 3}), ints("pads", {1, 1, 1, 1})})},
      {whole_weight(), tensor("a", {1}, {1})});
  EXPECT_THAT(refusal(two, OSTEON_BAD_INPUT), HasSubstr("statistics of 1 channels, and 2 come in"));
}

TEST_F(OnnxGraph, RefusesWeightsDeclaredWithAnotherShape) {
  std::string graph = net_.graph({0, 2, 0, 0});
  put_bytes(graph, 11, declared("weight", {3, 2, 3, 3}));
  EXPECT_EQ(refusal(model_of(graph)), "taken");
  graph = net_.graph({0, 2, 0, 0});
  put_bytes(graph, 11, declared("weight", {300, 2, 3, 3}));
  EXPECT_THAT(refusal(model_of(graph), OSTEON_BAD_INPUT), HasSubstr("declared as [300, 2, 3, 3]"));
}

TEST_F(OnnxGraph, RefusesGraphsWithinGraphs) {
  std::string branch;
  put_bytes(branch, 1, "then_branch");
  put_bytes(branch, 6, net_.graph({0, 2, 0, 0}));
  EXPECT_THAT(refusal(graph_file({node("If", {"image"}, "logits", {branch})}, {})), HasSubstr("a graph within node"));
}

TEST_F(OnnxGraph, SaysWhatMakesAnOutput) {
  const auto maker = [&](const std::vector<std::string>& nodes) {
    const std::string whole = graph_file(nodes, {whole_weight()});
    return check_graph(protobuf::bytes_of(whole, 7)).at("logits");
  };
  EXPECT_EQ(maker({convolution()}), "Conv");
  EXPECT_EQ(maker({node("Sigmoid", {"image"}, "a"), node("Identity", {"a"}, "logits")}), "Sigmoid");
  EXPECT_EQ(maker({node("Sigmoid", {"image"}, "a"), node("Relu", {"a"}, "logits")}), "Relu");
}

}  // namespace
}  // namespace osteon::models::onnx_test
