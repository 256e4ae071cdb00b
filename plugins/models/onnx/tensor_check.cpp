// SPDX-License-Identifier: Apache-2.0
#include "tensor_check.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

#include <osteon/sdk/error.hpp>

#include "onnx_proto.hpp"
#include "protobuf.hpp"

namespace osteon::models {
namespace {

namespace tensor = onnx_proto::tensor;

/// A type of elements: how many bytes one has, and the field that holds a list of them where they are not raw bytes.
struct ElementType {
  std::uint64_t number;
  const char* name;
  std::uint64_t bytes;
  std::uint32_t list;
  bool is_float;
};
// TensorProto.DataType. Strings, complex numbers and what OpenCV reads no list of (uint32, uint64) are left out.
constexpr ElementType kTypes[] = {
    {1, "float32", 4, tensor::kFloats, true}, {2, "uint8", 1, tensor::kInts, false},
    {3, "int8", 1, tensor::kInts, false},     {4, "uint16", 2, tensor::kInts, false},
    {5, "int16", 2, tensor::kInts, false},    {6, "int32", 4, tensor::kInts, false},
    {7, "int64", 8, tensor::kLongs, false},   {9, "bool", 1, tensor::kInts, false},
    {10, "float16", 2, tensor::kInts, true},  {11, "float64", 8, tensor::kDoubles, true},
    {16, "bfloat16", 2, tensor::kInts, true},
};
constexpr std::uint32_t kLists[] = {tensor::kFloats, tensor::kInts,    tensor::kStrings,
                                    tensor::kLongs,  tensor::kDoubles, tensor::kUnsigned};

constexpr std::uint64_t kMostParameters = 64;  // of a node: pads of eight dimensions are 16

const ElementType& type_of(std::string_view message, const std::string& what) {
  const std::uint64_t number = protobuf::number_of(message, tensor::kElement);
  const auto* const found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                         [number](const ElementType& type) { return type.number == number; });
  if (found == std::end(kTypes))
    throw sdk::BadInput(what + " has elements of type " + std::to_string(number) +
                        " (TensorProto.DataType), which no weight of a network here has");
  return *found;
}

/// How many elements a field adds to a list.
std::uint64_t count_of(const protobuf::Field& field, const ElementType& type, const std::string& what) {
  if (type.list != tensor::kFloats && type.list != tensor::kDoubles) {
    std::vector<std::int64_t> numbers;
    protobuf::append_numbers(field, numbers);
    return numbers.size();
  }
  if (field.bytes.size() % type.bytes != 0) throw sdk::BadInput(what + " has a number that is cut");
  return field.bytes.size() / type.bytes;
}

template <class T>
void append_values(std::string_view bytes, std::vector<double>& values) {
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    values.push_back(static_cast<double>(value));
  }
}

/// Looks for what is not finite among numbers whose exponent has these bits.
template <class Bits>
void look_at(std::string_view bytes, Bits exponent, ConstantTensor& constant) {
  constexpr Bits kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  bool nan = false, infinity = false;
  for (std::size_t at = 0; at + sizeof(Bits) <= bytes.size(); at += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + at, sizeof bits);
    const auto magnitude = static_cast<Bits>(bits & ~kSign);
    nan |= magnitude > exponent;
    infinity |= magnitude == exponent;
  }
  constant.has_nan |= nan;
  constant.has_infinity |= infinity;
}

void look_at(const protobuf::Field& field, const ElementType& type, ConstantTensor& constant) {
  constexpr std::uint64_t kBfloat16 = 16;
  if (!type.is_float || !field.is_bytes) return;
  if (type.bytes == 8) return look_at<std::uint64_t>(field.bytes, 0x7ff0000000000000, constant);
  if (type.bytes == 4) return look_at<std::uint32_t>(field.bytes, 0x7f800000, constant);
  if (field.number == tensor::kRaw)  // a list of them is of varints, which OpenCV does not read
    look_at<std::uint16_t>(field.bytes, type.number == kBfloat16 ? 0x7f80 : 0x7c00, constant);
}

/// The values of a field that holds some; numbers of the format are little-endian, as of all machines that this runs
/// on.
void append_field(const protobuf::Field& field, const ElementType& type, std::vector<double>& values) {
  if (type.list == tensor::kFloats && type.bytes == sizeof(float)) return append_values<float>(field.bytes, values);
  if (type.list == tensor::kDoubles) return append_values<double>(field.bytes, values);
  if (type.is_float) return;
  if (field.number == tensor::kRaw && type.list == tensor::kLongs)
    return append_values<std::int64_t>(field.bytes, values);
  if (field.number == tensor::kRaw) {
    if (type.bytes == sizeof(std::int32_t)) append_values<std::int32_t>(field.bytes, values);
    return;
  }
  std::vector<std::int64_t> numbers;
  protobuf::append_numbers(field, numbers);
  values.insert(values.end(), numbers.begin(), numbers.end());
}

std::uint64_t element_count(const std::vector<std::int64_t>& shape, const std::string& what) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || size > std::numeric_limits<std::int32_t>::max())
      throw sdk::BadInput(what + " has a shape of " + sizes_text(shape));
    const auto factor = static_cast<std::uint64_t>(size);
    // No file has as many bytes; a later 0 would not make such a shape true.
    if (factor != 0 && count > std::numeric_limits<std::uint64_t>::max() / 16 / factor)
      throw sdk::BadInput(what + " has a shape of " + sizes_text(shape) + ", which no memory holds");
    count *= factor;
  }
  return count;
}

}  // namespace

std::string sizes_text(const std::vector<std::int64_t>& sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

ConstantTensor read_tensor(std::string_view message, const std::string& what) {
  if (protobuf::number_of(message, tensor::kLocation) == onnx_proto::kExternal)
    throw sdk::InvalidArgument("it has weights in other files; save it as one");
  const ElementType& type = type_of(message, what);
  ConstantTensor constant;
  constant.is_float = type.is_float;
  std::uint64_t raw = 0, listed = 0;
  protobuf::Reader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == tensor::kDims) protobuf::append_numbers(*field, constant.shape);
    if (field->number == tensor::kRaw && field->is_bytes) raw = field->bytes.size();
    if (field->number == type.list || field->number == tensor::kRaw) look_at(*field, type, constant);
    if (field->number == type.list)
      listed += count_of(*field, type, what);
    else if (std::find(std::begin(kLists), std::end(kLists), field->number) != std::end(kLists))
      throw sdk::BadInput(what + " is of " + type.name + " and has values of another type");
  }
  constant.elements = element_count(constant.shape, what);
  if (raw > 0 && listed > 0) throw sdk::BadInput(what + " has its values twice, as a list and as bytes");
  const std::uint64_t bytes = raw + listed * type.bytes;
  if (bytes != constant.elements * type.bytes)
    throw sdk::BadInput(what + " has " + std::to_string(bytes) + " bytes; " + sizes_text(constant.shape) + " of " +
                        type.name + " takes " + std::to_string(constant.elements * type.bytes));
  if (constant.elements > kMostParameters) return constant;
  protobuf::Reader again(message);
  while (const auto field = again.next())
    if (field->number == type.list || (field->number == tensor::kRaw && field->is_bytes))
      append_field(*field, type, constant.values);
  return constant;
}

}  // namespace osteon::models
