// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::models {

/// An ONNX file: what it declares of its input and outputs, and itself with the input's shape filled in.
///
/// OpenCV works out the shapes of all nodes while it imports, and gives up (4.6) on those that compute with sizes when
/// the sizes are free. So a size is written into the file before it is imported. Only the four messages on the way to
/// the declarations are read here; the rest of the bytes is passed on as it is. The format is Protocol Buffers'
/// (onnx.proto).
class OnnxFile {
 public:
  /// Throws InvalidArgument when this is no ONNX file of one float32 image [N, C, H, W], or keeps its weights in other
  /// files.
  explicit OnnxFile(const std::filesystem::path& file);

  const std::filesystem::path& path() const noexcept { return path_; }
  /// N, C, H and W as declared; 0: free.
  const std::vector<std::int64_t>& input_shape() const noexcept { return shape_; }
  const std::vector<std::string>& outputs() const noexcept { return outputs_; }

  /// The bytes with the input's shape replaced by this one.
  std::string with_input_shape(const std::vector<std::int64_t>& shape) const;

 private:
  void read_graph(std::string_view graph);
  void read_input(std::string_view declaration);

  std::filesystem::path path_;
  std::string bytes_;
  std::string input_;
  std::vector<std::int64_t> shape_;
  std::vector<std::string> outputs_;
};

}  // namespace osteon::models
