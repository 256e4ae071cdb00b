// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace osteon::plugin {

/// Host memory for tensors, 64-byte aligned, reused: fresh pages of a large tensor cost more than many kernels on it.
///
/// Blocks come in size classes, at most an eighth larger than asked for. Freed blocks are kept up to a limit. What
/// makes room is the size that was asked for longest ago, so that a changed image size gets its blocks back and not the
/// dead ones; and a size that nobody has asked for while four times the limit was handed out is given up altogether.
/// All functions are thread-safe.
class MemoryPool {
 public:
  explicit MemoryPool(std::size_t keep_bytes);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// nullptr when the system has no memory left.
  void* take(std::size_t bytes) noexcept;
  void give_back(void* block) noexcept;

  /// Gives all free blocks back to the system.
  void drop_all() noexcept;

  /// Bytes of free blocks that are kept.
  std::size_t kept() const noexcept;
  /// Bytes of blocks that were taken and not given back.
  std::size_t in_use() const noexcept;

  /// The size of the block that a request gets.
  static std::size_t block_size(std::size_t bytes) noexcept;

 private:
  struct State;
  State* state_;
};

/// The pool behind `osteon_call::allocate`; lives as long as the process, because tensors may.
MemoryPool& host_pool();

}  // namespace osteon::plugin
