// SPDX-License-Identifier: Apache-2.0
#include "graph_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include <osteon/sdk/error.hpp>

#include "graph_node.hpp"
#include "onnx_proto.hpp"
#include "operators.hpp"
#include "protobuf.hpp"
#include "tensor_check.hpp"

namespace osteon::models {
namespace {

namespace graph = onnx_proto::graph;
namespace value_info = onnx_proto::value_info;

// What gives the values that it takes, elsewhere or between each other.
constexpr std::string_view kPassing[] = {"Identity", "Cast",    "Resize",    "Upsample", "Reshape", "Transpose",
                                         "Squeeze",  "Flatten", "Unsqueeze", "Slice",    "Dropout"};

template <std::size_t n>
bool is_among(std::string_view text, const std::string_view (&list)[n]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

class GraphCheck {
 public:
  explicit GraphCheck(std::string_view message) : message_(message) {}

  std::map<std::string, std::string> run() {
    read_initializers();
    read_inputs();
    for (const std::string_view each : protobuf::all_bytes_of(message_, graph::kNode)) add(read_node(each));
    std::map<std::string, std::string> endings;
    for (const std::string_view each : protobuf::all_bytes_of(message_, graph::kOutput)) {
      const std::string_view name = protobuf::bytes_of(each, value_info::kName);
      const auto found = makers_.find(name);
      if (found == makers_.end()) throw sdk::BadInput("no node makes the output " + quoted(name));
      endings.emplace(name, found->second);
    }
    return endings;
  }

 private:
  void read_initializers() {
    for (const std::string_view each : protobuf::all_bytes_of(message_, graph::kInitializer)) {
      const std::string_view name = protobuf::bytes_of(each, onnx_proto::tensor::kName);
      const std::string what = "initializer " + quoted(name);
      if (name.empty()) throw sdk::BadInput("an initializer has no name");
      if (!constants_.emplace(name, read_constant(each, what)).second) throw sdk::BadInput("there are two of " + what);
      made_.insert(name);
    }
  }

  /// Infinities mask and clip; NaN is of no use anywhere.
  static ConstantTensor read_constant(std::string_view message, const std::string& what) {
    ConstantTensor constant = read_tensor(message, what);
    if (constant.has_nan) throw sdk::BadInput(what + " has values that are NaN, with which nothing can be predicted");
    return constant;
  }

  /// Old exporters declare their weights as inputs too.
  void read_inputs() {
    for (const std::string_view each : protobuf::all_bytes_of(message_, graph::kInput)) {
      const std::string_view name = protobuf::bytes_of(each, value_info::kName);
      if (name.empty()) throw sdk::BadInput("an input has no name");
      made_.insert(name);
      const auto constant = constants_.find(name);
      if (constant != constants_.end()) expect_declared(each, name, constant->second.shape);
    }
  }

  static void expect_declared(std::string_view declaration, std::string_view name,
                              const std::vector<std::int64_t>& shape) {
    namespace type = onnx_proto::type;
    std::vector<std::int64_t> declared;
    const std::string_view tensor =
        protobuf::bytes_of(protobuf::bytes_of(declaration, value_info::kType), type::kTensor);
    for (const std::string_view each :
         protobuf::all_bytes_of(protobuf::bytes_of(tensor, type::kShape), type::kDimension))
      declared.push_back(static_cast<std::int64_t>(protobuf::number_of(each, type::kSize)));
    if (declared != shape)
      throw sdk::BadInput("initializer " + quoted(name) + " is " + sizes_text(shape) + " and declared as " +
                          sizes_text(declared));
  }

  void add(const GraphNode& node) {
    check_attributes(node);
    check_inputs(node);
    check_constants(node);
    check_parameters(node);
    if (node.type == "Conv" || node.type == "ConvTranspose") check_convolution(node);
    if (slides(node.type)) check_window(node);
    if (node.type == "Resize") check_resize(node);
    if (node.outputs.empty() || node.outputs[0].empty()) throw sdk::BadInput(node.text() + " makes nothing");
    const auto before = makers_.find(node.input(0));
    const bool passes = before != makers_.end() && is_among(node.type, kPassing);
    for (const std::string_view output : node.outputs) {
      if (output.empty()) continue;
      if (!made_.insert(output).second)
        throw sdk::BadInput(node.text() + " makes " + quoted(output) + ", which is there already");
      makers_.emplace(output, passes ? before->second : std::string(node.type));
    }
  }

  void check_attributes(const GraphNode& node) {
    for (const auto& [name, attribute] : node.attributes) {
      if (attribute.has_graph)
        throw sdk::InvalidArgument("it has a graph within " + node.text() + ", which OpenCV cannot run");
      if (attribute.has_tensor) {
        const ConstantTensor tensor = read_constant(attribute.tensor, node.text() + ", attribute " + quoted(name));
        if (node.type == "Constant" && !node.outputs.empty()) constants_.emplace(node.outputs[0], tensor);
      }
    }
  }

  /// What says where and how large is a whole number, or a list of them, of the right range.
  void check_parameters(const GraphNode& node) const {
    for (const ParameterRule& rule : parameter_rules()) {
      if (!rule.attribute.empty()) {
        const auto found = node.attributes.find(rule.attribute);
        if (found == node.attributes.end()) continue;
        const std::string what = node.text() + ": attribute " + quoted(rule.attribute);
        const std::vector<std::int64_t>& numbers = found->second.numbers;
        if (found->second.has_other || numbers.empty() || (rule.attribute == "group" && numbers.size() > 1))
          throw sdk::BadInput(what + " is no whole number");
        expect_range(rule, std::vector<double>(numbers.begin(), numbers.end()), what);
      } else if (rule.type == node.type) {
        // Before opset 11 a resize had no region in front of its scales.
        const std::size_t index = rule.type == "Resize" && node.inputs.size() == 2 ? rule.input - 1 : rule.input;
        const ConstantTensor* constant = constant_of(node.input(index));
        if (constant != nullptr)
          expect_range(rule, constant->values, node.text() + ": its input " + quoted(node.input(index)));
      }
    }
    const std::vector<std::int64_t> order = node.numbers("perm");
    for (std::size_t i = 0; i < order.size(); ++i)
      if (std::find(order.begin(), order.end(), static_cast<std::int64_t>(i)) == order.end())
        throw sdk::BadInput(node.text() + ": " + sizes_text(order) + " is no order of dimensions");
  }

  static void expect_range(const ParameterRule& rule, const std::vector<double>& values, const std::string& what) {
    for (const double value : values) {
      if (value >= rule.least && value <= rule.greatest && (rule.zero || value != 0)) continue;
      const auto text = [](double number) {
        return std::abs(number) < 1e18 ? std::to_string(static_cast<std::int64_t>(number)) : std::to_string(number);
      };
      throw sdk::BadInput(what + " is " + text(value) + ", expected " + text(rule.least) + " to " +
                          text(rule.greatest) + (rule.zero ? "" : " without 0"));
    }
  }

  void check_inputs(const GraphNode& node) {
    const std::size_t least = rule_of(node.type).inputs;
    for (std::size_t i = 0; i < std::max(least, node.inputs.size()); ++i) {
      const std::string_view name = node.input(i);
      if (name.empty() && i < least)
        throw sdk::BadInput(node.text() + " lacks its input " + std::to_string(i + 1) + " of " + std::to_string(least));
      if (!name.empty() && made_.count(name) == 0)
        throw sdk::BadInput(node.text() + " takes " + quoted(name) + ", which nothing before it makes");
    }
  }

  void check_constants(const GraphNode& node) {
    const bool as_floats = rule_of(node.type).float_constants;
    for (const std::string_view name : node.inputs) {
      const ConstantTensor* constant = constant_of(name);
      if (constant == nullptr) continue;
      if (as_floats && !constant->is_float)
        throw sdk::BadInput(node.text() + " takes " + quoted(name) + " as weights, which is not of floats");
      if (as_floats && constant->has_infinity)
        throw sdk::BadInput(node.text() + " takes " + quoted(name) +
                            " as weights, which has infinite values, with which nothing can be predicted");
      // An exporter's way of leaving out what a resize does not need.
      if (constant->elements == 0 && node.type != "Resize")
        throw sdk::BadInput(node.text() + " takes " + quoted(name) + ", which has no elements");
    }
    if (node.type == "BatchNormalization" || node.type == "InstanceNormalization") check_normalization(node);
  }

  void check_convolution(const GraphNode& node) {
    const ConstantTensor* weight = constant_of(node.input(1));
    if (weight == nullptr) return;
    const std::vector<std::int64_t>& shape = weight->shape;
    const std::string what = node.text() + ": its weight " + quoted(node.input(1)) + " of " + sizes_text(shape);
    if (shape.size() < 3) throw sdk::BadInput(what + " has no room for a kernel");
    const std::vector<std::int64_t> kernel = node.numbers("kernel_shape"), group = node.numbers("group");
    if (!kernel.empty() && !std::equal(kernel.begin(), kernel.end(), shape.begin() + 2, shape.end()))
      throw sdk::BadInput(what + " does not have the kernel " + sizes_text(kernel));
    const std::int64_t groups = group.empty() ? 1 : group[0];
    if (shape[0] % groups != 0) throw sdk::BadInput(what + " does not fall into " + std::to_string(groups) + " groups");
    const ConstantTensor* bias = constant_of(node.input(2));
    const std::int64_t channels = node.type == "Conv" ? shape[0] : shape[1] * groups;
    if (bias != nullptr && bias->elements != static_cast<std::uint64_t>(channels))
      throw sdk::BadInput(what + " makes " + std::to_string(channels) + " channels, and its bias has " +
                          std::to_string(bias->elements));
  }

  static bool slides(std::string_view type) {
    static constexpr std::string_view kTypes[] = {"Conv",        "ConvTranspose", "MaxPool",
                                                  "AveragePool", "LpPool",        "MaxUnpool"};
    return is_among(type, kTypes);
  }

  /// What says how a window moves has a number for each of its dimensions, or two.
  void check_window(const GraphNode& node) const {
    const ConstantTensor* weight = constant_of(node.input(1));
    std::size_t dimensions = node.numbers("kernel_shape").size();
    if (dimensions == 0 && weight != nullptr && weight->shape.size() > 2) dimensions = weight->shape.size() - 2;
    if (dimensions == 0) return;
    constexpr std::pair<std::string_view, std::size_t> kCounts[] = {
        {"strides", 1}, {"dilations", 1}, {"output_padding", 1}, {"pads", 2}};
    for (const auto& [name, each] : kCounts) {
      const std::vector<std::int64_t> numbers = node.numbers(name);
      if (!numbers.empty() && numbers.size() != each * dimensions)
        throw sdk::BadInput(node.text() + ": attribute " + quoted(name) + " has " + std::to_string(numbers.size()) +
                            " numbers; a window of " + std::to_string(dimensions) + " dimensions takes " +
                            std::to_string(each * dimensions));
    }
  }

  void check_normalization(const GraphNode& node) {
    const ConstantTensor* first = constant_of(node.input(1));
    for (std::size_t i = 2; first != nullptr && i < node.inputs.size(); ++i) {
      const ConstantTensor* other = constant_of(node.inputs[i]);
      if (other != nullptr && other->elements != first->elements)
        throw sdk::BadInput(node.text() + ": " + quoted(node.inputs[i]) + " has " + std::to_string(other->elements) +
                            " elements, and " + quoted(node.input(1)) + " " + std::to_string(first->elements));
    }
  }

  /// One of scales and sizes says how large it becomes.
  void check_resize(const GraphNode& node) {
    const std::string_view scales = node.input(node.inputs.size() == 2 ? 1 : 2);
    const ConstantTensor* constant = constant_of(scales);
    const bool has_scales = !scales.empty() && (constant == nullptr || constant->elements > 0);
    if (!has_scales && node.input(3).empty()) throw sdk::BadInput(node.text() + " has neither scales nor sizes");
  }

  const ConstantTensor* constant_of(std::string_view name) const {
    const auto found = name.empty() ? constants_.end() : constants_.find(name);
    return found == constants_.end() ? nullptr : &found->second;
  }

  std::string_view message_;
  std::map<std::string_view, ConstantTensor> constants_;
  std::set<std::string_view> made_;                 // by what comes before the node that is looked at
  std::map<std::string_view, std::string> makers_;  // of what nodes made
};

}  // namespace

std::map<std::string, std::string> check_graph(std::string_view message) { return GraphCheck(message).run(); }

}  // namespace osteon::models
