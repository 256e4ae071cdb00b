// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/tensor.hpp>

namespace osteon::predict {

/// `count` elements of one of the types that predictions have, as float32.
void to_float32(osteon_dtype type, const void* in, std::int64_t count, float* out);

/// Rows of a prediction [K, H, W] as float32, whatever its element type.
class Rows {
 public:
  /// Throws sdk::Error for what is no prediction of floats on the CPU. The view outlives this.
  explicit Rows(const osteon_tensor_view& view);

  /// Row `index` of all rows of all planes. One of float32 is given where it lies; another one is widened into
  /// `scratch`, which has room for its width.
  const float* row(std::int64_t index, float* scratch) const {
    const char* at = data_ + index * width_ * bytes_;
    if (bytes_ == sizeof(float)) return reinterpret_cast<const float*>(at);
    to_float32(type_, at, width_, scratch);
    return scratch;
  }

 private:
  const char* data_;
  osteon_dtype type_;
  std::int64_t width_, bytes_;
};

}  // namespace osteon::predict
