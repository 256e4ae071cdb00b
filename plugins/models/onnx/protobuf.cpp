// SPDX-License-Identifier: Apache-2.0
#include "protobuf.hpp"

#include <osteon/sdk/error.hpp>

namespace osteon::models::protobuf {
namespace {

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_varint(std::string& message, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += static_cast<char>(value | 0x80);
  message += static_cast<char>(value);
}

}  // namespace

std::uint64_t Reader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1)[0]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw sdk::BadInput("it is damaged: a number of more than 64 bits");
}

std::string_view Reader::take(std::uint64_t count) {
  if (count > rest_.size()) throw sdk::BadInput("it is cut or damaged: a field goes beyond its message");
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

std::optional<Field> Reader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::string_view start = rest_;
  const std::uint64_t tag = varint();
  Field field;
  field.number = static_cast<std::uint32_t>(tag >> 3);
  switch (tag & 7) {
    case kVarint:
      field.value = varint();
      field.is_varint = true;
      break;
    case kFixed64:
      field.bytes = take(8);
      field.is_fixed = true;
      break;
    case kBytes:
      field.bytes = take(varint());
      field.is_bytes = true;
      break;
    case kFixed32:
      field.bytes = take(4);
      field.is_fixed = true;
      break;
    default:
      throw sdk::BadInput("it is damaged: a field of a wire type that does not exist");
  }
  field.whole = start.substr(0, start.size() - rest_.size());
  return field;
}

void append_numbers(const Field& field, std::vector<std::int64_t>& numbers) {
  if (field.is_varint) numbers.push_back(static_cast<std::int64_t>(field.value));
  if (!field.is_bytes) return;
  Reader packed(field.bytes);
  while (!packed.rest_.empty()) numbers.push_back(static_cast<std::int64_t>(packed.varint()));
}

std::string_view bytes_of(std::string_view message, std::uint32_t number) {
  const std::vector<std::string_view> found = all_bytes_of(message, number);
  // Of two texts the last would count, and two messages would be joined; nobody writes either.
  if (found.size() > 1) throw sdk::BadInput("it is damaged: a field that can be there once is there twice");
  return found.empty() ? std::string_view() : found[0];
}

std::uint64_t number_of(std::string_view message, std::uint32_t number) {
  std::uint64_t found = 0;
  Reader reader(message);
  while (const auto field = reader.next())
    if (field->number == number && field->is_varint) found = field->value;
  return found;
}

std::vector<std::string_view> all_bytes_of(std::string_view message, std::uint32_t number) {
  std::vector<std::string_view> found;
  Reader reader(message);
  while (const auto field = reader.next())
    if (field->number == number && field->is_bytes) found.push_back(field->bytes);
  return found;
}

void put_varint(std::string& message, std::uint32_t number, std::uint64_t value) {
  append_varint(message, number << 3 | kVarint);
  append_varint(message, value);
}

void put_bytes(std::string& message, std::uint32_t number, std::string_view bytes) {
  append_varint(message, number << 3 | kBytes);
  append_varint(message, bytes.size());
  message += bytes;
}

}  // namespace osteon::models::protobuf
