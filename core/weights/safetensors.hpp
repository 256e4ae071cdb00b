// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/mapped_file.hpp"

/// The safetensors format (https://github.com/huggingface/safetensors): a length of 8 bytes, a JSON header, tensor
/// data. Reading runs nothing and trusts nothing: whatever the format does not allow is refused with its place in the
/// file.
namespace osteon::weights {

/// Bits of an element of a dtype by its name in the format ("F32", "BF16", "I64", ...); nullopt for an unknown name.
std::optional<std::uint64_t> dtype_bits(std::string_view dtype) noexcept;

/// Whether a text of JSON is an object, by its first character behind white space.
bool begins_object(std::string_view json) noexcept;

/// A tensor in memory that somebody else owns: row-major, little-endian, maybe not aligned to its elements.
struct TensorData {
  std::string name;
  std::string dtype;                ///< as the format names it
  std::vector<std::int64_t> shape;  ///< empty: a scalar
  const std::byte* data = nullptr;
  std::uint64_t size = 0;  ///< bytes
};

/// What the header of a file says, checked against the size of the file.
struct Index {
  std::vector<TensorData> tensors;              ///< in the order of their data
  std::map<std::string, std::string> metadata;  ///< `__metadata__`
};

/// Reads a whole file that is in memory; the tensors point into it. Throws Error(kData) with `path:byte offset`
/// (of the tensor's name, or of the last byte that was read), what was found and what the format wants there. `path` is
/// for messages.
Index read_index(std::string_view file, const std::string& path);

/// A file, mapped into memory: opening reads the header alone, and tensors are read from disk as they are touched.
/// [any-thread]
class SafetensorsFile {
 public:
  /// Throws Error(kData).
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return file_.path(); }
  const std::vector<TensorData>& tensors() const noexcept { return index_.tensors; }
  const std::map<std::string, std::string>& metadata() const noexcept { return index_.metadata; }
  /// nullptr when the file has no tensor of that name.
  const TensorData* find(std::string_view name) const noexcept;

 private:
  MappedFile file_;
  Index index_;
};

/// Writes a file: tensors by falling size of their elements, then by name, header padded to 8 bytes, so that all data
/// is aligned and the same tensors give the same bytes. Replaces `path` only when all is on disk. Throws
/// std::invalid_argument for what cannot be written (a name twice, an unknown dtype, a size that does not fit its
/// shape), Error(kResources) from the disk.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorData> tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// Writes bytes of a tensor's data from an offset on. Throws Error(kResources), std::out_of_range beyond its end.
using PieceWriter = std::function<void(std::uint64_t offset, const void* data, std::size_t size)>;

/// A file of one tensor, whose data `fill` writes piece by piece, in any order, each byte once; so it need not be in
/// memory. `tensor.data` is not looked at. Throws as write_safetensors, and what `fill` throws; std::logic_error when
/// it did not write all. Until all is on disk, what was at `path` stays.
void write_safetensors_by_pieces(const std::filesystem::path& path, const TensorData& tensor,
                                 const std::function<void(const PieceWriter&)>& fill);

}  // namespace osteon::weights
