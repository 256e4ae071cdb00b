// SPDX-License-Identifier: Apache-2.0
#include "predict/bit_planes.hpp"

#include <algorithm>
#include <cstring>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/parallel.hpp>

namespace osteon::predict {
namespace {

std::uint32_t* words_of(const sdk::OwnedTensor& planes) {
  return reinterpret_cast<std::uint32_t*>(planes.data<std::int32_t>());
}

const std::uint32_t* words_of(const osteon_tensor_view& planes) {
  return reinterpret_cast<const std::uint32_t*>(sdk::data_of<const std::int32_t>(planes, "bit planes"));
}

}  // namespace

sdk::OwnedTensor pick_bits(const osteon_call* call, const osteon_tensor_view& whole,
                           const std::vector<std::int64_t>& from, RowRange rows) {
  const std::int64_t width = whole.shape[2], size = rows.count * width, all = whole.shape[1] * width;
  const auto planes = (static_cast<std::int64_t>(from.size()) + 31) / 32;
  sdk::OwnedTensor bits = sdk::Call(call).allocate<std::int32_t>({planes, rows.count, width});
  std::uint32_t* out = words_of(bits);
  std::fill_n(out, planes * size, 0u);
  const std::uint32_t* in = words_of(whole);
  for (std::size_t c = 0; c < from.size(); ++c) {
    if (from[c] < 0) continue;
    const std::uint32_t* source = in + from[c] / 32 * all + rows.first * width;
    std::uint32_t* target = out + static_cast<std::int64_t>(c / 32) * size;
    for (std::int64_t i = 0; i < size; ++i) target[i] |= (source[i] >> (from[c] % 32) & 1u) << (c % 32);
  }
  return bits;
}

sdk::OwnedTensor bits_of(const osteon_call* call, const data::Labels& labels) {
  const std::int64_t height = labels.size().height, width = labels.size().width;
  const auto planes = static_cast<std::int64_t>(labels.planes().size());
  sdk::OwnedTensor bits = sdk::Call(call).allocate<std::int32_t>({planes, height, width});
  for (std::int64_t p = 0; p < planes; ++p)
    for (std::int64_t y = 0; y < height; ++y)
      std::memcpy(bits.data<std::int32_t>() + (p * height + y) * width,
                  labels.planes()[static_cast<std::size_t>(p)].ptr(static_cast<int>(y)),
                  static_cast<std::size_t>(width) * sizeof(std::int32_t));
  return bits;
}

sdk::OwnedTensor floats_of_bits(const osteon_call* raw, const osteon_tensor_view& bits, std::int64_t classes, float set,
                                float clear) {
  const sdk::Call call(raw);
  const std::int64_t height = bits.shape[1], width = bits.shape[2];
  sdk::OwnedTensor floats = call.allocate<float>({classes, height, width});
  const std::uint32_t* in = words_of(bits);
  float* out = floats.data<float>();
  sdk::parallel_for(call, classes * height, [&](std::int64_t row, int) {
    const std::int64_t c = row / height, y = row % height;
    const std::uint32_t* words = in + (c / 32 * height + y) * width;
    for (std::int64_t x = 0; x < width; ++x) out[row * width + x] = (words[x] >> (c % 32) & 1u) != 0 ? set : clear;
  });
  return floats;
}

}  // namespace osteon::predict
