// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::models::protobuf {

/// One field of a message: its number, and its value as a number or as bytes, by its wire type.
struct Field {
  std::uint32_t number = 0;
  std::uint64_t value = 0;  ///< of a varint
  std::string_view bytes;   ///< of a string, a message, a packed list or a number of fixed width
  bool is_varint = false, is_bytes = false, is_fixed = false;
  std::string_view whole;  ///< the field with its tag, as it lies in the message
};

/// Reads the fields of a message one by one. Nothing is trusted: throws BadInput for lengths beyond the message and
/// wire types that do not exist. The message must outlive it.
class Reader {
 public:
  explicit Reader(std::string_view message) : rest_(message) {}
  /// The next field; nothing at the end.
  std::optional<Field> next();

 private:
  friend void append_numbers(const Field& field, std::vector<std::int64_t>& numbers);
  std::uint64_t varint();
  std::string_view take(std::uint64_t count);
  std::string_view rest_;
};

/// The numbers of a field of a list of them, which may be packed or one a field.
void append_numbers(const Field& field, std::vector<std::int64_t>& numbers);

/// The value of a field of bytes that a message has once; empty when it is not there. Throws BadInput for two.
std::string_view bytes_of(std::string_view message, std::uint32_t number);
/// The last value of a field of a number; 0 when there is none.
std::uint64_t number_of(std::string_view message, std::uint32_t number);
/// All values of a field of bytes.
std::vector<std::string_view> all_bytes_of(std::string_view message, std::uint32_t number);

/// Appends a field to a message.
void put_varint(std::string& message, std::uint32_t number, std::uint64_t value);
void put_bytes(std::string& message, std::uint32_t number, std::string_view bytes);

}  // namespace osteon::models::protobuf
