// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace osteon::sdk {

constexpr std::size_t kLargeBlock = std::size_t{4} << 20;  ///< bytes from which on a block holds huge pages

/// `bytes` of memory for tensors, aligned to 64 bytes at least, content undefined; std::free() takes it back. Null
/// where there is none. [any thread]
///
/// The kernel is asked for huge pages where a block holds some: the first touch of 256 MiB in pages of 4 KiB took
/// 30 times as long as in pages of 2 MiB on a virtual machine, and longer than the work that followed.
inline void* allocate_pages(std::size_t bytes) noexcept {
  constexpr std::size_t kCacheLine = 64, kHugePage = std::size_t{2} << 20;
  const auto round_up = [bytes](std::size_t to) { return (bytes + to - 1) / to * to; };
  if (bytes > static_cast<std::size_t>(-1) - kHugePage) return nullptr;
#ifdef MADV_HUGEPAGE
  if (bytes >= kLargeBlock) {
    // The size is not rounded to whole huge pages: what is beyond the last one costs what it is and no more.
    void* memory = nullptr;
    if (posix_memalign(&memory, kHugePage, bytes) != 0) return nullptr;
    madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // advice: a kernel without them is as good
    return memory;
  }
#endif
  return std::aligned_alloc(kCacheLine, round_up(kCacheLine));
}

/// allocate_pages() for the vectors of the standard library.
template <class T>
struct PagesAllocator {
  using value_type = T;
  PagesAllocator() = default;
  template <class U>
  PagesAllocator(const PagesAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) {
    void* memory = count <= static_cast<std::size_t>(-1) / sizeof(T) ? allocate_pages(count * sizeof(T)) : nullptr;
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { std::free(memory); }
  template <class U>
  bool operator==(const PagesAllocator<U>&) const noexcept {
    return true;
  }
  template <class U>
  bool operator!=(const PagesAllocator<U>&) const noexcept {
    return false;
  }
};
template <class T>
using PagesVector = std::vector<T, PagesAllocator<T>>;

}  // namespace osteon::sdk
