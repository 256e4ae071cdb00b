// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {

/// Pixels of an image, row by row, channels together.
template <class T>
struct Picture {
  std::int64_t height = 0, width = 0, channels = 1;
  std::vector<T> pixels;

  Picture(std::int64_t h, std::int64_t w, std::int64_t c = 1)
      : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h * w * c)) {}
  T& at(std::int64_t y, std::int64_t x, std::int64_t c = 0) { return pixels[index(y, x, c)]; }
  T at(std::int64_t y, std::int64_t x, std::int64_t c = 0) const { return pixels[index(y, x, c)]; }
  std::size_t index(std::int64_t y, std::int64_t x, std::int64_t c) const {
    return static_cast<std::size_t>((y * width + x) * channels + c);
  }
  static double maximum() {
    return std::is_same_v<T, std::uint8_t> ? 255 : std::is_same_v<T, std::uint16_t> ? 65535 : 1;
  }
};

/// An image of all intensities, the same for the same size.
template <class T>
Picture<T> speckled(std::int64_t height, std::int64_t width, std::int64_t channels = 1) {
  Picture<T> picture(height, width, channels);
  std::uint32_t state = 1;
  for (T& pixel : picture.pixels) {
    state = state * 1664525u + 1013904223u;
    const double share = static_cast<double>(state >> 8) / 16777215.0;
    pixel = static_cast<T>(share * Picture<T>::maximum());
  }
  return picture;
}

/// A photometric plugin that is linked into the test, with some of its parameters.
class Photometric {
 public:
  explicit Photometric(const std::string& name, const std::map<std::string, plugin::ParameterValue>& given = {})
      : component_(linked_component(plugin::Kind::kAugmentation, name)),
        augmentation_(component_, parameters_of(component_, given), {false, {"a", "b"}, {}}, call_) {}

  const plugin::ComponentSchema& schema() const { return component_.schema; }
  bool edits_labels() const { return augmentation_.edits_labels(); }

  /// What becomes of a copy. `planes` and `valid` are the labels, where the plugin edits them.
  template <class T>
  Picture<T> apply(Picture<T> picture, std::uint64_t key = 1, Picture<std::int32_t>* planes = nullptr,
                   Picture<std::uint8_t>* valid = nullptr) const {
    apply_to(picture, key, call_, planes, valid);
    return picture;
  }

  /// The same by a call that grants so many threads.
  template <class T>
  Picture<T> apply_on(int threads, Picture<T> picture) const {
    plugin::CallOptions options;
    options.threads = threads;
    apply_to(picture, 1, plugin::Call(options), nullptr, nullptr);
    return picture;
  }

  /// Whether a call that was cancelled before it began leaves the pixels alone and says that it was.
  template <class T>
  bool stops(const Picture<T>& picture) const {
    const std::atomic<bool> cancel{true};
    plugin::CallOptions options;
    options.cancel = &cancel;
    Picture<T> copy = picture;
    try {
      apply_to(copy, 1, plugin::Call(options), nullptr, nullptr);
    } catch (const Error& e) {
      return e.code() == ExitCode::kInterrupted && copy.pixels == picture.pixels;
    }
    return false;
  }

 private:
  template <class T>
  void apply_to(Picture<T>& picture, std::uint64_t key, const plugin::Call& call, Picture<std::int32_t>* planes,
                Picture<std::uint8_t>* valid) const {
    const sdk::BorrowedTensor image(picture.pixels.data(), {picture.height, picture.width, picture.channels});
    auto request = sdk::sized<osteon_pixels>();
    request.image = image;
    request.maximum = Picture<T>::maximum();
    std::vector<sdk::BorrowedTensor> labels;
    labels.reserve(2);
    if (planes != nullptr) request.labels = labels.emplace_back(planes->pixels.data(), shape_of(*planes, true));
    if (valid != nullptr) request.valid = labels.emplace_back(valid->pixels.data(), shape_of(*valid, false));
    augmentation_.apply(call, {{key, 5}}, request);
  }
  template <class T>
  static std::vector<std::int64_t> shape_of(const Picture<T>& picture, bool plane) {
    if (plane) return {1, picture.height, picture.width};
    return {picture.height, picture.width};
  }

  plugin::Call call_;
  plugin::LoadedComponent component_;
  plugin::Augmentation augmentation_;
};

}  // namespace osteon::test
