// SPDX-License-Identifier: Apache-2.0
#include "onnx_file.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <utility>

#include <osteon/sdk/error.hpp>

#include "graph_check.hpp"
#include "onnx_proto.hpp"
#include "protobuf.hpp"

namespace osteon::models {
namespace {

namespace graph = onnx_proto::graph;
namespace type = onnx_proto::type;
namespace value_info = onnx_proto::value_info;
using onnx_proto::kFloat;
using protobuf::bytes_of;
using protobuf::number_of;

constexpr std::int64_t kGreatestSize = 1 << 16;

std::string declaration_of(std::string_view name, const std::vector<std::int64_t>& sizes) {
  std::string shape, tensor, kind, declaration;
  for (const std::int64_t size : sizes) {
    std::string dimension;
    protobuf::put_varint(dimension, type::kSize, static_cast<std::uint64_t>(size));
    protobuf::put_bytes(shape, type::kDimension, dimension);
  }
  protobuf::put_varint(tensor, type::kElement, kFloat);
  protobuf::put_bytes(tensor, type::kShape, shape);
  protobuf::put_bytes(kind, type::kTensor, tensor);
  protobuf::put_bytes(declaration, value_info::kName, name);
  protobuf::put_bytes(declaration, value_info::kType, kind);
  return declaration;
}

}  // namespace

OnnxFile::OnnxFile(const std::filesystem::path& file) : path_(file) {
  if (!std::filesystem::is_regular_file(file)) throw sdk::InvalidArgument("there is no file " + file.string());
  std::ifstream stream(file, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(stream), {});
  if (!stream) throw sdk::InvalidArgument("cannot read " + file.string());
  try {
    const std::vector<std::string_view> graphs = protobuf::all_bytes_of(bytes_, onnx_proto::model::kGraph);
    if (graphs.size() != 1) throw sdk::BadInput(graphs.empty() ? "it has no graph" : "it has two graphs");
    read_graph(graphs[0]);
    makers_ = check_graph(graphs[0]);
  } catch (const sdk::Error& e) {
    throw sdk::Error(e.status(), file.string() + " is no ONNX file that can be used here: " + e.what());
  }
}

void OnnxFile::read_graph(std::string_view graph) {
  std::set<std::string_view> initializers;
  std::vector<std::string_view> inputs;
  protobuf::Reader reader(graph);
  while (const auto field = reader.next()) {
    if (!field->is_bytes) continue;
    if (field->number == graph::kInitializer) initializers.insert(bytes_of(field->bytes, onnx_proto::tensor::kName));
    if (field->number == graph::kInput) inputs.push_back(field->bytes);
    if (field->number == graph::kOutput) outputs_.emplace_back(bytes_of(field->bytes, value_info::kName));
  }
  if (outputs_.empty()) throw sdk::BadInput("it has no output");
  std::string_view image;
  for (const std::string_view declaration : inputs) {
    // Old exporters declare their weights as inputs with a value.
    if (initializers.count(bytes_of(declaration, value_info::kName)) != 0) continue;
    if (!image.empty()) throw sdk::InvalidArgument("it has more than one input");
    image = declaration;
  }
  if (image.empty()) throw sdk::BadInput("it has no input");
  read_input(image);
}

void OnnxFile::read_input(std::string_view declaration) {
  input_ = bytes_of(declaration, value_info::kName);
  const std::string_view tensor = bytes_of(bytes_of(declaration, value_info::kType), type::kTensor);
  if (number_of(tensor, type::kElement) != kFloat) throw sdk::InvalidArgument("it has an input that is not float32");
  protobuf::Reader dimensions(bytes_of(tensor, type::kShape));
  while (const auto field = dimensions.next()) {
    if (field->number != type::kDimension || !field->is_bytes) continue;
    const auto size = static_cast<std::int64_t>(number_of(field->bytes, type::kSize));
    if (size < 0 || size > kGreatestSize) throw sdk::InvalidArgument("it has an input of size " + std::to_string(size));
    shape_.push_back(size);
  }
  if (shape_.size() != 4)
    throw sdk::InvalidArgument("it has an input of " + std::to_string(shape_.size()) +
                               " dimensions, expected images [N, C, H, W]");
}

const std::string& OnnxFile::maker_of(const std::string& output) const { return makers_.at(output); }

std::string OnnxFile::with_input_shape(const std::vector<std::int64_t>& shape) const {
  std::string result;
  protobuf::Reader fields(bytes_);
  while (const auto field = fields.next()) {
    if (field->number != onnx_proto::model::kGraph) {
      result += field->whole;
      continue;
    }
    std::string changed;
    changed.reserve(field->bytes.size() + 64);
    protobuf::Reader parts(field->bytes);
    while (const auto part = parts.next()) {
      const bool image = part->number == graph::kInput && bytes_of(part->bytes, value_info::kName) == input_;
      if (image)
        protobuf::put_bytes(changed, graph::kInput, declaration_of(input_, shape));
      else
        changed += part->whole;
    }
    protobuf::put_bytes(result, onnx_proto::model::kGraph, changed);
  }
  return result;
}

}  // namespace osteon::models
