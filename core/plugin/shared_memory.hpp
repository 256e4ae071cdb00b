// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace osteon::plugin {

/// Memory in a mapping of its own that another process can be given: what OSTEON_MEMORY_SHARED stands for. Zero at
/// first.

/// `bytes` bytes, aligned to a page; nullptr when there are none left. [thread-safe]
void* take_shared(std::size_t bytes) noexcept;
/// Ends the mapping; whoever else has it keeps his own. [thread-safe]
void give_back_shared(void* data) noexcept;

/// The descriptor behind the memory at `data`, which take_shared() gave: it is closed with the mapping and not
/// inherited by programs that are started, unless it is duplicated for one. -1 for memory that is not shared.
/// [thread-safe]
int shared_descriptor_of(const void* data) noexcept;

}  // namespace osteon::plugin
