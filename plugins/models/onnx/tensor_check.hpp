// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::models {

/// A tensor that an ONNX file holds, as its TensorProto says.
struct ConstantTensor {
  std::vector<std::int64_t> shape;
  std::uint64_t elements = 0;
  bool is_float = false;
  bool has_nan = false, has_infinity = false;  ///< among values of floats
  /// As many as a node's parameters are; empty for more of them, and for types that no parameter has.
  std::vector<double> values;
};

/// Reads a TensorProto, which OpenCV (4.6) takes at its word: it copies as many elements as the shape says, from
/// wherever the file's bytes end.
///
/// Throws BadInput, calling it `what`, unless its values have exactly the bytes of its shape and type; InvalidArgument
/// for values in another file.
ConstantTensor read_tensor(std::string_view tensor, const std::string& what);

/// "[29, 3, 3, 3]".
std::string sizes_text(const std::vector<std::int64_t>& sizes);

}  // namespace osteon::models
