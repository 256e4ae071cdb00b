// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include <osteon/sdk/random.hpp>

namespace osteon::data {

/// A 128-bit key of random numbers. Everything random in a sample follows from (seed, epoch, image, view, repetition)
/// and the path of the step that draws, so neither workers nor ranks nor a resume change it.
struct RandomKey {
  std::uint64_t words[2] = {0, 0};

  /// The key of a child. One block of Philox under this key: different values give independent children.
  RandomKey derive(std::uint64_t value) const noexcept {
    const auto block = sdk::philox({static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32),
                                    static_cast<std::uint32_t>(words[1]), static_cast<std::uint32_t>(words[1] >> 32)},
                                   {static_cast<std::uint32_t>(words[0]), static_cast<std::uint32_t>(words[0] >> 32)});
    return {{block[0] | (std::uint64_t{block[1]} << 32), block[2] | (std::uint64_t{block[3]} << 32)}};
  }
  /// The same from a text (FNV-1a of it).
  RandomKey derive(std::string_view text) const noexcept {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return derive(hash);
  }
  sdk::Random random() const noexcept { return sdk::Random(words[0], words[1]); }
};

/// The key of one image in one epoch.
inline RandomKey sample_key(std::uint64_t seed, std::int64_t epoch, std::string_view image_id, std::uint64_t view = 0,
                            std::uint64_t repetition = 0) {
  return RandomKey{{seed, 0}}
      .derive(static_cast<std::uint64_t>(epoch))
      .derive(image_id)
      .derive(view)
      .derive(repetition);
}

}  // namespace osteon::data
