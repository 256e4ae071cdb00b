// SPDX-License-Identifier: Apache-2.0
#include "plugin/pool.hpp"

#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace osteon::plugin {
namespace {

constexpr std::size_t kAlignment = 64;
// In front of each block, so that giving back needs no table: its size, padded to keep the alignment.
constexpr std::size_t kHeader = kAlignment;
constexpr std::size_t kDefaultKept = std::size_t{1} << 30;

}  // namespace

struct MemoryPool::State {
  std::mutex mutex;
  std::map<std::size_t, std::vector<void*>> free_blocks;  // by size
  std::size_t kept = 0;
  std::size_t limit;
};

MemoryPool::MemoryPool(std::size_t keep_bytes) : state_(new State) { state_->limit = keep_bytes; }

MemoryPool::~MemoryPool() {
  drop_all();
  delete state_;
}

std::size_t MemoryPool::block_size(std::size_t bytes) noexcept {
  std::size_t step = kAlignment;
  while (step < bytes / 16) step *= 2;  // eight to sixteen classes per power of two
  return (bytes + step - 1) / step * step;
}

void* MemoryPool::take(std::size_t bytes) noexcept {
  const std::size_t size = block_size(bytes == 0 ? 1 : bytes);
  if (size < bytes || size > SIZE_MAX - kHeader) return nullptr;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const auto found = state_->free_blocks.find(size);
    if (found != state_->free_blocks.end() && !found->second.empty()) {
      void* block = found->second.back();
      found->second.pop_back();
      state_->kept -= size;
      return block;
    }
  }
  void* memory = std::aligned_alloc(kAlignment, size + kHeader);
  if (memory == nullptr) {
    // What lies unused here may be what is missing there.
    drop_all();
    memory = std::aligned_alloc(kAlignment, size + kHeader);
  }
  if (memory == nullptr) return nullptr;
  *static_cast<std::size_t*>(memory) = size;
  return static_cast<char*>(memory) + kHeader;
}

void MemoryPool::give_back(void* block) noexcept {
  if (block == nullptr) return;
  void* memory = static_cast<char*>(block) - kHeader;
  const std::size_t size = *static_cast<std::size_t*>(memory);
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->kept + size <= state_->limit) {
      try {
        state_->free_blocks[size].push_back(block);
        state_->kept += size;
        return;
      } catch (...) {  // no memory for the list itself: the block goes back to the system
      }
    }
  }
  std::free(memory);
}

void MemoryPool::drop_all() noexcept {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (auto& [size, blocks] : state_->free_blocks) {
    for (void* block : blocks) std::free(static_cast<char*>(block) - kHeader);
    blocks.clear();
  }
  state_->kept = 0;
}

std::size_t MemoryPool::kept() const noexcept {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->kept;
}

MemoryPool& host_pool() {
  static auto* pool = new MemoryPool(kDefaultKept);
  return *pool;
}

}  // namespace osteon::plugin
