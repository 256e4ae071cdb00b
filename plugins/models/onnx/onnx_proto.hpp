// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Numbers of the fields of onnx.proto that are read or written here, by message.
namespace osteon::models::onnx_proto {

namespace model {
constexpr std::uint32_t kGraph = 7;
}
namespace graph {
constexpr std::uint32_t kNode = 1, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node {
constexpr std::uint32_t kInput = 1, kOutput = 2, kName = 3, kType = 4, kAttribute = 5;
}
namespace attribute {
constexpr std::uint32_t kName = 1, kInt = 3, kTensor = 5, kGraph = 6, kInts = 8, kGraphs = 11;
}
namespace value_info {
constexpr std::uint32_t kName = 1, kType = 2;
}
namespace type {
constexpr std::uint32_t kTensor = 1, kElement = 1, kShape = 2, kDimension = 1, kSize = 1;
}
namespace tensor {
constexpr std::uint32_t kDims = 1, kElement = 2, kFloats = 4, kInts = 5, kStrings = 6, kLongs = 7, kName = 8, kRaw = 9,
                        kDoubles = 10, kUnsigned = 11, kLocation = 14;
}
constexpr std::uint64_t kFloat = 1;     // TensorProto.DataType
constexpr std::uint64_t kExternal = 1;  // TensorProto.DataLocation

}  // namespace osteon::models::onnx_proto
