// SPDX-License-Identifier: Apache-2.0
#include "planes.hpp"

#include <algorithm>

#include <osteon/sdk/parallel.hpp>

using osteon::sdk::Call;
using osteon::sdk::OwnedTensor;
using osteon::sdk::parallel_for;

namespace {

std::int64_t rounded_up(std::int64_t count) { return (count + Planes::kTile - 1) / Planes::kTile * Planes::kTile; }

}  // namespace

Planes::Planes(const Call& call, std::int64_t n, std::int64_t channels, std::int64_t height, std::int64_t width)
    : n_(n),
      channels_(channels),
      height_(height),
      width_(width),
      extent_(rounded_up(height * (width + 1))),
      margin_(rounded_up(width + 2)),
      stride_(extent_ + 2 * margin_),
      memory_(call.allocate<float>({n * channels * stride_})),
      data_(memory_.data<float>()) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < channels; ++c) {
      std::fill_n(plane(i, c) - margin_, margin_, 0.0f);
      std::fill_n(plane(i, c) + extent_, margin_, 0.0f);
      seal(i, c);
    }
}

void Planes::clear() { std::fill_n(data_, n_ * channels_ * stride_, 0.0f); }

void Planes::seal(std::int64_t image, std::int64_t channel) {
  float* first = plane(image, channel);
  for (std::int64_t y = 0; y < height_; ++y) first[y * pitch() + width_] = 0;
  std::fill(first + height_ * pitch(), first + extent_, 0.0f);
}

void copy_in(const Call& call, const osteon_tensor_view& from, Planes& to) {
  const std::int64_t channels = from.shape[1], width = to.width();
  parallel_for(call, to.n() * channels, [&](std::int64_t i, int) {
    const float* source = static_cast<const float*>(from.data) + i * to.height() * width;
    for (std::int64_t y = 0; y < to.height(); ++y)
      std::copy_n(source + y * width, width, to.row(i / channels, i % channels, y));
  });
}

OwnedTensor copy_out(const Call& call, const Planes& from, std::int64_t channels) {
  OwnedTensor to = call.allocate<float>({from.n(), channels, from.height(), from.width()});
  parallel_for(call, from.n() * channels, [&](std::int64_t i, int) {
    float* target = to.data<float>() + i * from.height() * from.width();
    for (std::int64_t y = 0; y < from.height(); ++y)
      std::copy_n(from.row(i / channels, i % channels, y), from.width(), target + y * from.width());
  });
  return to;
}
