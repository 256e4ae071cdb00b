// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::models {

/// An ONNX file: what it declares of its input and outputs, and itself with the input's shape filled in.
///
/// OpenCV works out the shapes of all nodes while it imports, and gives up (4.6) on those that compute with sizes when
/// the sizes are free. So a size is written into the file before it is imported; the rest of its bytes is passed on as
/// it is, once it has been looked at. The format is Protocol Buffers' (onnx.proto).
class OnnxFile {
 public:
  /// Throws BadInput for a file that is damaged or does not keep what its graph promises (graph_check.hpp), and
  /// InvalidArgument for one that does not take one float32 image [N, C, H, W], or keeps its weights in other files.
  explicit OnnxFile(const std::filesystem::path& file);

  const std::filesystem::path& path() const noexcept { return path_; }
  /// N, C, H and W as declared; 0: free.
  const std::vector<std::int64_t>& input_shape() const noexcept { return shape_; }
  const std::vector<std::string>& outputs() const noexcept { return outputs_; }

  /// The operator that makes the values of an output, past those that only move or resize.
  const std::string& maker_of(const std::string& output) const;

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
  std::map<std::string, std::string> makers_;
};

}  // namespace osteon::models
