// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "weights/safetensors.hpp"

namespace osteon::weights {
namespace {

[[noreturn]] void refuse_tensor(const TensorData& tensor, const std::string& why) {
  throw std::invalid_argument("cannot write tensor '" + tensor.name + "': " + why);
}

void check(const TensorData& tensor) {
  if (tensor.name == "__metadata__") refuse_tensor(tensor, "the format keeps that name for itself");
  const std::optional<std::uint64_t> bits = dtype_bits(tensor.dtype);
  if (!bits) refuse_tensor(tensor, "the format has no dtype '" + tensor.dtype + "'");
  std::uint64_t total = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size < 0) refuse_tensor(tensor, "a size is " + std::to_string(size));
    if (__builtin_mul_overflow(total, static_cast<std::uint64_t>(size), &total))
      refuse_tensor(tensor, "it is too large");
  }
  if (__builtin_mul_overflow(total, *bits, &total)) refuse_tensor(tensor, "it is too large");
  if (total % 8 != 0 || total / 8 != tensor.size)
    refuse_tensor(tensor, "its shape takes " + std::to_string(total / 8) + " bytes, " + std::to_string(tensor.size) +
                              " were given");
}

/// Header with its length in front.
std::string header_of(const std::vector<TensorData>& tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorData& tensor : tensors) {
    json[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.size}}};
    offset += tensor.size;
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    throw std::invalid_argument("cannot write tensors: a name or a metadata text is not UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string prefix(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) prefix[i] = static_cast<char>(text.size() >> (8 * i) & 255);
  return prefix + text;
}

/// An open file; everything it cannot do is Error(kResources).
class Output {
 public:
  Output(const std::filesystem::path& temporary, const std::filesystem::path& path) : path_(path) {
    descriptor_ = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail("cannot create the file");
  }
  ~Output() { ::close(descriptor_); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const void* data, std::size_t size) {
    const char* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t n = ::write(descriptor_, bytes, size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write the file");
      bytes += n;
      size -= static_cast<std::size_t>(n);
    }
  }
  void write_at(std::uint64_t offset, const void* data, std::size_t size) {
    const char* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t n = ::pwrite(descriptor_, bytes, size, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write the file");
      bytes += n;
      offset += static_cast<std::uint64_t>(n);
      size -= static_cast<std::size_t>(n);
    }
  }
  void flush() {
    if (::fsync(descriptor_) != 0) fail("cannot flush the file to disk");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw Error(ExitCode::kResources, std::string(what) + ": " + std::strerror(errno), path_.string());
  }
  const std::filesystem::path& path_;
  int descriptor_;
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::vector<TensorData> tensors,
                       const std::map<std::string, std::string>& metadata) {
  for (const TensorData& tensor : tensors) check(tensor);
  std::sort(tensors.begin(), tensors.end(), [](const TensorData& a, const TensorData& b) {
    const std::uint64_t a_bits = *dtype_bits(a.dtype), b_bits = *dtype_bits(b.dtype);
    return a_bits != b_bits ? a_bits > b_bits : a.name < b.name;
  });
  std::vector<std::string> names;
  for (const TensorData& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw std::invalid_argument("cannot write two tensors named '" + *twice + "'");

  const std::string header = header_of(tensors, metadata);
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    Output out(temporary, path);
    out.write(header.data(), header.size());
    for (const TensorData& tensor : tensors) out.write(tensor.data, tensor.size);
    out.flush();
  });
}

void write_safetensors_by_pieces(const std::filesystem::path& path, const TensorData& tensor,
                                 const std::function<void(const PieceWriter&)>& fill) {
  check(tensor);
  const std::string header = header_of({tensor}, {});
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    Output out(temporary, path);
    out.write(header.data(), header.size());
    std::uint64_t written = 0;
    fill([&](std::uint64_t offset, const void* data, std::size_t size) {
      if (size > tensor.size || offset > tensor.size - size)
        throw std::out_of_range("a piece is written beyond the end of tensor '" + tensor.name + "'");
      out.write_at(header.size() + offset, data, size);
      written += size;
    });
    if (written != tensor.size)
      throw std::logic_error("of the " + std::to_string(tensor.size) + " bytes of tensor '" + tensor.name + "' " +
                             std::to_string(written) + " were written");
    out.flush();
  });
}

}  // namespace osteon::weights
