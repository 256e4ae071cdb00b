// SPDX-License-Identifier: Apache-2.0
#include "graph_node.hpp"

#include <osteon/sdk/error.hpp>

#include "onnx_proto.hpp"
#include "protobuf.hpp"

namespace osteon::models {
namespace {

namespace attribute = onnx_proto::attribute;

NodeAttribute read_attribute(std::string_view message) {
  constexpr std::uint32_t kGreatestValue = 11;  // the fields from 2 on are values; those beyond are about the attribute
  NodeAttribute read;
  protobuf::Reader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == attribute::kInt || field->number == attribute::kInts) {
      protobuf::append_numbers(*field, read.numbers);
    } else if (field->number > attribute::kName && field->number <= kGreatestValue) {
      read.has_other = true;
    }
    if (field->number == attribute::kGraph || field->number == attribute::kGraphs) read.has_graph = true;
    if (field->number != attribute::kTensor || !field->is_bytes) continue;
    // What reads the format would join two.
    if (read.has_tensor) throw sdk::BadInput("it is damaged: an attribute of two tensors");
    read.has_tensor = true;
    read.tensor = field->bytes;
  }
  return read;
}

}  // namespace

std::string GraphNode::text() const {
  const std::string_view called = !name.empty() || outputs.empty() ? name : outputs[0];
  return "node '" + std::string(called) + "' (" + std::string(type) + ")";
}

std::vector<std::int64_t> GraphNode::numbers(std::string_view attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? std::vector<std::int64_t>() : found->second.numbers;
}

GraphNode read_node(std::string_view message) {
  namespace node = onnx_proto::node;
  GraphNode read;
  read.type = protobuf::bytes_of(message, node::kType);
  read.name = protobuf::bytes_of(message, node::kName);
  read.inputs = protobuf::all_bytes_of(message, node::kInput);
  read.outputs = protobuf::all_bytes_of(message, node::kOutput);
  for (const std::string_view each : protobuf::all_bytes_of(message, node::kAttribute)) {
    const std::string_view name = protobuf::bytes_of(each, attribute::kName);
    if (!read.attributes.emplace(name, read_attribute(each)).second)
      throw sdk::BadInput(read.text() + " has its attribute '" + std::string(name) + "' twice");
  }
  return read;
}

}  // namespace osteon::models
