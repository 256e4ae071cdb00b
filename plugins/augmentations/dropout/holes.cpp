// SPDX-License-Identifier: Apache-2.0
#include "holes.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace osteon::augmentations {
namespace {

using namespace sdk;

// In a plane of rows of `width` pixels, each of `channels` elements.
template <class T>
void fill_hole(T* plane, std::int64_t width, std::int64_t channels, const Hole& hole, T value) {
  for (std::int64_t y = hole.top; y < hole.bottom; ++y)
    std::fill_n(plane + (y * width + hole.left) * channels, (hole.right - hole.left) * channels, value);
}

template <class T>
void fill_holes(const Call& call, const std::vector<Hole>& holes, double fill, const Pixels& pixels) {
  const double value = fill * pixels.maximum();
  const T filled = std::is_integral_v<T> ? static_cast<T>(std::lround(value)) : static_cast<T>(value);
  for (const Hole& hole : holes) {
    call.stop_if_cancelled();
    fill_hole(pixels.data<T>(), pixels.width(), pixels.channels(), hole, filled);
  }
}

void empty_labels(const Call& call, const std::vector<Hole>& holes, const Pixels& pixels) {
  if (pixels.labels() == nullptr) return;  // there are none to empty
  auto* planes = data_of<std::int32_t>(*pixels.labels(), "the labels");
  for (std::int64_t p = 0; p < pixels.labels()->shape[0]; ++p, planes += pixels.height() * pixels.width()) {
    call.stop_if_cancelled();
    for (const Hole& hole : holes) fill_hole(planes, pixels.width(), 1, hole, 0);
  }
}

void invalidate_labels(const std::vector<Hole>& holes, const Pixels& pixels) {
  if (pixels.valid() == nullptr)
    throw Unsupported("labels = \"ignore\" needs the plane of valid pixels, which this host does not give");
  auto* valid = data_of<std::uint8_t>(*pixels.valid(), "the plane of valid pixels");
  for (const Hole& hole : holes) fill_hole(valid, pixels.width(), 1, hole, std::uint8_t{0});
}

}  // namespace

void punch(const Call& call, const std::vector<Hole>& holes, const Filling& filling, const Pixels& pixels) {
  call.stop_if_cancelled();
  // First what can be refused.
  if (filling.labels == "ignore") invalidate_labels(holes, pixels);
  if (filling.labels == "empty") empty_labels(call, holes, pixels);
  if (pixels.is(dtype_of<std::uint8_t>()))
    fill_holes<std::uint8_t>(call, holes, filling.fill, pixels);
  else if (pixels.is(dtype_of<std::uint16_t>()))
    fill_holes<std::uint16_t>(call, holes, filling.fill, pixels);
  else
    fill_holes<float>(call, holes, filling.fill, pixels);
}

}  // namespace osteon::augmentations
