// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace osteon::augmentations {

/// Normals that are made at once.
constexpr std::int64_t kNormals = 256;

/// Standard normals number 256 `group` to 256 `group` + 255 of the stream `key`, the same on every processor. No two
/// depend on each other, and none is beyond 5.77: they are made of 24 bits each.
///
/// Philox4x32-10 (osteon/sdk/random.hpp), block by block, and the transform of Box and Muller.
void normals(std::array<std::uint32_t, 2> key, std::uint64_t group, float* out);

}  // namespace osteon::augmentations
