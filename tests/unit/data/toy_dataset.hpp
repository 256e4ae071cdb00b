// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/loader.hpp"
#include "files.hpp"

// A small data set of index PNGs whose pixels follow from a formula.
namespace osteon::tests {

constexpr int kToyWidth = 6, kToyHeight = 4;

inline std::uint8_t toy_pixel(int image, int x, int y) { return static_cast<std::uint8_t>(20 * image + 5 * y + x); }
/// Three classes. The first pixel of every third image, from image 2, is to be ignored.
inline std::uint8_t toy_class(int image, int x, int y) {
  return x == 0 && y == 0 && image % 3 == 2 ? 255 : static_cast<std::uint8_t>((image + x + 2 * y) % 3);
}

/// Images 0 .. n - 1, n at most 10. Grey.
inline std::unique_ptr<data::Dataset> toy_dataset(const std::filesystem::path& root, int n) {
  for (int i = 0; i < n; ++i) {
    std::vector<std::string> pixels, labels;
    for (int y = 0; y < kToyHeight; ++y) {
      pixels.emplace_back();
      labels.emplace_back();
      for (int x = 0; x < kToyWidth; ++x) {
        pixels.back() += static_cast<char>(toy_pixel(i, x, y));
        labels.back() += static_cast<char>(toy_class(i, x, y));
      }
    }
    const std::string name = std::to_string(i) + ".png";
    write_bytes(root / "images" / name, make_png(kToyWidth, pixels, 8, 0));
    write_bytes(root / "masks" / name, make_png(kToyWidth, labels, 8, 0));
  }
  data::DatasetOptions options;
  options.classes = {data::LabelKind::kMulticlass, {"a", "b", "c"}, {}};
  return data::open_dataset("index_png", root, options);
}

/// The view is the image itself, grey, two in a batch.
inline data::LoaderOptions toy_options() {
  data::LoaderOptions options;
  options.size = {kToyWidth, kToyHeight};
  options.channels = 1;
  options.batch_size = 2;
  return options;
}

template <class T>
bool same_buffer(const data::AlignedBuffer<T>& a, const data::AlignedBuffer<T>& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}

inline bool same_batch(const data::Batch& a, const data::Batch& b) {
  return a.n == b.n && a.end == b.end && a.indices == b.indices && same_buffer(a.image, b.image) &&
         same_buffer(a.planes, b.planes) && same_buffer(a.valid, b.valid);
}

}  // namespace osteon::tests
