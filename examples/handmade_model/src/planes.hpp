// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/call.hpp>

/// Images in the layout that every layer works in: [N, C, H, W] float32, each plane in a frame of zeros.
///
/// One zero follows each row, and more than a row of zeros lies before and after the plane. So the eight neighbours of
/// a pixel are at the same eight distances wherever it is, beyond the border are zeros, and a 3 x 3 convolution is a
/// sum of nine shifted runs of numbers: no border is a special case, and nothing is copied.
///
///     0 0 0 0          `extent` goes from the first pixel to the last and a little beyond, over the zeros
///     a b c 0          between the rows. What a kernel writes there on its way, `seal` makes zero again.
///     d e f 0
///     0 0 0 0
class Planes {
 public:
  Planes() = default;
  /// The frame is made; the pixels are undefined. The memory is the host's pool's.
  Planes(const osteon::sdk::Call& call, std::int64_t n, std::int64_t channels, std::int64_t height, std::int64_t width);

  bool empty() const { return memory_.empty(); }
  std::int64_t n() const { return n_; }
  std::int64_t channels() const { return channels_; }
  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }

  /// From a pixel to the one below.
  std::int64_t pitch() const { return width_ + 1; }
  /// From the first pixel on; a multiple of kTile.
  std::int64_t extent() const { return extent_; }
  static constexpr std::int64_t kTile = 16;
  /// From a plane to the next.
  std::int64_t stride() const { return stride_; }

  /// The first pixel of a plane, aligned to 64 bytes.
  float* plane(std::int64_t image, std::int64_t channel) {
    return data_ + (image * channels_ + channel) * stride_ + margin_;
  }
  const float* plane(std::int64_t image, std::int64_t channel) const {
    return const_cast<Planes*>(this)->plane(image, channel);
  }
  float* row(std::int64_t image, std::int64_t channel, std::int64_t y) { return plane(image, channel) + y * pitch(); }
  const float* row(std::int64_t image, std::int64_t channel, std::int64_t y) const {
    return plane(image, channel) + y * pitch();
  }

  /// All pixels are 0 afterwards.
  void clear();
  /// Zeros whatever in the extent of a plane is no pixel.
  void seal(std::int64_t image, std::int64_t channel);

 private:
  std::int64_t n_ = 0, channels_ = 0, height_ = 0, width_ = 0;
  std::int64_t extent_ = 0, margin_ = 0, stride_ = 0;
  osteon::sdk::OwnedTensor memory_;
  float* data_ = nullptr;
};

/// Copies [N, C, H, W] float32 to the first C channels of `to`.
void copy_in(const osteon::sdk::Call& call, const osteon_tensor_view& from, Planes& to);
/// The first `channels` channels as a contiguous [N, channels, H, W].
osteon::sdk::OwnedTensor copy_out(const osteon::sdk::Call& call, const Planes& from, std::int64_t channels);
