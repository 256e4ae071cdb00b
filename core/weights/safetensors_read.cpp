// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "weights/byte_reader.hpp"
#include "weights/safetensors.hpp"
#include "weights/safetensors_header.hpp"

namespace osteon::weights {
namespace {

constexpr std::uint64_t kPrefix = 8;               // the header's length
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit

std::uint64_t little_endian(const char* bytes) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Bytes that dtype and shape ask for.
std::uint64_t expected_size(const HeaderEntry& entry, const std::string& path) {
  const std::optional<std::uint64_t> bits = dtype_bits(entry.dtype);
  if (!bits)
    refuse(path, entry.offset,
           "tensor '" + entry.name + "' has the dtype '" + entry.dtype + "', which the format does not know");
  // In the reference implementation's order, in which a size of 0 saves those behind it from being too large.
  std::uint64_t total = 1;
  bool overflow = false;
  for (const std::int64_t size : entry.shape)
    overflow |= __builtin_mul_overflow(total, static_cast<std::uint64_t>(size), &total);
  overflow |= __builtin_mul_overflow(total, *bits, &total);
  if (overflow)
    refuse(path, entry.offset,
           "tensor '" + entry.name + "' of shape " + shape_text(entry.shape) + " is too large for any file");
  if (total % 8 != 0)
    refuse(path, entry.offset,
           "tensor '" + entry.name + "' does not fill whole bytes: " + entry.dtype + " " + shape_text(entry.shape));
  return total / 8;
}

}  // namespace

std::optional<std::uint64_t> dtype_bits(std::string_view dtype) noexcept {
  static constexpr std::pair<std::string_view, std::uint64_t> kTypes[] = {
      {"BOOL", 8},        {"U8", 8},      {"I8", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"F8_E8M0", 8}, {"F4", 4},    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"I16", 16},
      {"U16", 16},        {"F16", 16},    {"BF16", 16}, {"I32", 32},    {"U32", 32},    {"F32", 32},
      {"F64", 64},        {"I64", 64},    {"U64", 64},  {"C64", 64}};
  for (const auto& [name, bits] : kTypes)
    if (name == dtype) return bits;
  return std::nullopt;
}

bool begins_object(std::string_view json) noexcept {
  const std::size_t first = json.find_first_not_of(" \t\n\r");
  return first != std::string_view::npos && json[first] == '{';
}

Index read_index(std::string_view file, const std::string& path) {
  if (file.size() < kPrefix)
    refuse(path, 0,
           "the file has " + std::to_string(file.size()) +
               " bytes; a safetensors file begins with 8 that give the "
               "length of its header");
  const std::uint64_t length = little_endian(file.data());
  if (length > kMaxHeader)
    refuse(path, 0,
           "the header's length is " + std::to_string(length) + "; at most " + std::to_string(kMaxHeader) +
               " was expected. Is this a safetensors file?");
  if (length > file.size() - kPrefix)
    refuse(path, 0,
           "the header's length is " + std::to_string(length) + ", but only " + std::to_string(file.size() - kPrefix) +
               " bytes follow; the file is cut short, or no safetensors file");
  const std::string_view json = file.substr(kPrefix, length);
  if (!begins_object(json)) refuse(path, kPrefix, "the header does not begin with '{'");

  Header header = parse_header(json, kPrefix, path);
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  Index index;
  index.metadata = std::move(header.metadata);
  const std::uint64_t data = kPrefix + length;
  const std::uint64_t available = file.size() - data;
  std::uint64_t reached = 0;
  for (HeaderEntry& entry : header.entries) {
    const std::uint64_t size = expected_size(entry, path);
    if (entry.begin != reached)
      refuse(path, entry.offset,
             "data of tensor '" + entry.name + "' begins at " + std::to_string(entry.begin) +
                 "; the data before it ends at " + std::to_string(reached) +
                 ", and neither gaps nor overlaps are allowed");
    if (entry.end < entry.begin || entry.end - entry.begin != size)
      refuse(path, entry.offset,
             "data_offsets of tensor '" + entry.name + "' are [" + std::to_string(entry.begin) + ", " +
                 std::to_string(entry.end) + "], but " + entry.dtype + " " + shape_text(entry.shape) + " takes " +
                 std::to_string(size) + " bytes");
    if (entry.end > available)
      refuse(path, entry.offset,
             "data of tensor '" + entry.name + "' ends at " + std::to_string(entry.end) + ", but the file has only " +
                 std::to_string(available) + " bytes of data; it is cut short");
    reached = entry.end;
    index.tensors.push_back({std::move(entry.name), std::move(entry.dtype), std::move(entry.shape),
                             reinterpret_cast<const std::byte*>(file.data() + data + entry.begin), size});
  }
  if (reached != available)
    refuse(path, data + reached,
           std::to_string(available - reached) + " bytes follow the last tensor; none were expected");
  return index;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), index_(read_index(file_.bytes(), path.string())) {}

const TensorData* SafetensorsFile::find(std::string_view name) const noexcept {
  for (const TensorData& tensor : index_.tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

}  // namespace osteon::weights
