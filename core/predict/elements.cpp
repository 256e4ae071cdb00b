// SPDX-License-Identifier: Apache-2.0
#include "predict/elements.hpp"

#include <cstring>

#include <osteon/sdk/half.hpp>
#include <osteon/sdk/predictor.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace osteon::predict {
namespace {

OSTEON_MULTIVERSION void widen_half(const std::uint16_t* in, std::int64_t count, float* out) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) out[i] = sdk::float_from_half(in[i]);
}

OSTEON_MULTIVERSION void widen_bfloat(const std::uint16_t* in, std::int64_t count, float* out) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) out[i] = sdk::float_from_bfloat(in[i]);
}

}  // namespace

void to_float32(osteon_dtype type, const void* in, std::int64_t count, float* out) {
  switch (sdk::element_of(type)) {
    case OSTEON_ELEMENT_FLOAT32:
      std::memcpy(out, in, static_cast<std::size_t>(count) * sizeof(float));
      return;
    case OSTEON_ELEMENT_FLOAT16:
      return widen_half(static_cast<const std::uint16_t*>(in), count, out);
    case OSTEON_ELEMENT_BFLOAT16:
      return widen_bfloat(static_cast<const std::uint16_t*>(in), count, out);
    default:
      throw sdk::Unsupported("predictions have no elements of " + sdk::to_string(type));
  }
}

Rows::Rows(const osteon_tensor_view& view)
    : data_(static_cast<const char*>(view.data)), type_(view.dtype), width_(0), bytes_(view.dtype.bits / 8) {
  const char* const what = "a prediction";
  sdk::expect_canonical(view, what);
  sdk::expect_shape(view, {-1, -1, -1}, what);
  if (sdk::element_of(view.dtype) == 0) throw sdk::Unsupported("a prediction is " + sdk::to_string(view.dtype));
  if (view.device.type != OSTEON_DEVICE_CPU) throw sdk::Unsupported("a prediction is not on the CPU");
  width_ = view.shape[2];
}

}  // namespace osteon::predict
