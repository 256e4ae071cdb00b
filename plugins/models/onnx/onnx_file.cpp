// SPDX-License-Identifier: Apache-2.0
#include "onnx_file.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <utility>

#include <osteon/sdk/error.hpp>

#include "protobuf.hpp"

namespace osteon::models {
namespace {

// Numbers of fields in onnx.proto.
namespace model {
constexpr std::uint32_t kGraph = 7;
}
namespace graph {
constexpr std::uint32_t kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace value_info {
constexpr std::uint32_t kName = 1, kType = 2;
}
namespace type {
constexpr std::uint32_t kTensor = 1, kElement = 1, kShape = 2, kDimension = 1, kSize = 1;
}
namespace tensor {
constexpr std::uint32_t kName = 8, kLocation = 14;
}
constexpr std::uint64_t kFloat = 1;     // TensorProto.DataType
constexpr std::uint64_t kExternal = 1;  // TensorProto.DataLocation
constexpr std::int64_t kGreatestSize = 1 << 16;

/// The last value of a field of bytes; empty when there is none.
std::string_view bytes_of(std::string_view message, std::uint32_t number) {
  std::string_view found;
  protobuf::Reader reader(message);
  while (const auto field = reader.next())
    if (field->number == number && field->is_bytes) found = field->bytes;
  return found;
}

std::uint64_t number_of(std::string_view message, std::uint32_t number) {
  std::uint64_t found = 0;
  protobuf::Reader reader(message);
  while (const auto field = reader.next())
    if (field->number == number && field->is_varint) found = field->value;
  return found;
}

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
    std::string_view found;
    protobuf::Reader reader(bytes_);
    while (const auto field = reader.next()) {
      if (field->number != model::kGraph || !field->is_bytes) continue;
      if (!found.empty()) throw sdk::InvalidArgument("two graphs");
      found = field->bytes;
    }
    if (found.empty()) throw sdk::InvalidArgument("no graph");
    read_graph(found);
  } catch (const sdk::InvalidArgument& e) {
    throw sdk::InvalidArgument(file.string() + " is no ONNX file that can be used here: it has " + e.what());
  }
}

void OnnxFile::read_graph(std::string_view graph) {
  std::set<std::string_view> initializers;
  std::vector<std::string_view> inputs;
  protobuf::Reader reader(graph);
  while (const auto field = reader.next()) {
    if (!field->is_bytes) continue;
    if (field->number == graph::kInitializer) {
      if (number_of(field->bytes, tensor::kLocation) == kExternal)
        throw sdk::InvalidArgument("weights in other files; save it as one");
      initializers.insert(bytes_of(field->bytes, tensor::kName));
    }
    if (field->number == graph::kInput) inputs.push_back(field->bytes);
    if (field->number == graph::kOutput) outputs_.emplace_back(bytes_of(field->bytes, value_info::kName));
  }
  if (outputs_.empty()) throw sdk::InvalidArgument("no output");
  std::string_view image;
  for (const std::string_view declaration : inputs) {
    // Old exporters declare their weights as inputs with a value.
    if (initializers.count(bytes_of(declaration, value_info::kName)) != 0) continue;
    if (!image.empty()) throw sdk::InvalidArgument("more than one input");
    image = declaration;
  }
  if (image.empty()) throw sdk::InvalidArgument("no input");
  read_input(image);
}

void OnnxFile::read_input(std::string_view declaration) {
  input_ = bytes_of(declaration, value_info::kName);
  const std::string_view tensor = bytes_of(bytes_of(declaration, value_info::kType), type::kTensor);
  if (number_of(tensor, type::kElement) != kFloat) throw sdk::InvalidArgument("an input that is not float32");
  protobuf::Reader dimensions(bytes_of(tensor, type::kShape));
  while (const auto field = dimensions.next()) {
    if (field->number != type::kDimension || !field->is_bytes) continue;
    const auto size = static_cast<std::int64_t>(number_of(field->bytes, type::kSize));
    if (size < 0 || size > kGreatestSize) throw sdk::InvalidArgument("an input of size " + std::to_string(size));
    shape_.push_back(size);
  }
  if (shape_.size() != 4)
    throw sdk::InvalidArgument("an input of " + std::to_string(shape_.size()) +
                               " dimensions, expected images [N, C, H, W]");
}

std::string OnnxFile::with_input_shape(const std::vector<std::int64_t>& shape) const {
  std::string result;
  protobuf::Reader fields(bytes_);
  while (const auto field = fields.next()) {
    if (field->number != model::kGraph) {
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
    protobuf::put_bytes(result, model::kGraph, changed);
  }
  return result;
}

}  // namespace osteon::models
