// SPDX-License-Identifier: Apache-2.0
#include "plugin/pool.hpp"

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <vector>

#include <osteon/sdk/pages.hpp>

namespace osteon::plugin {
namespace {

constexpr std::size_t kAlignment = 64;
// In front of each block, so that giving back needs no table: its size, padded to keep the alignment.
constexpr std::size_t kHeader = kAlignment;
constexpr std::size_t kDefaultKept = std::size_t{1} << 30;

/// Blocks of one size that nobody uses, and when one was last asked for.
struct SizeClass {
  std::vector<void*> blocks;
  std::uint64_t last_take = 0;
};

void free_block(void* block) noexcept { std::free(static_cast<char*>(block) - kHeader); }

}  // namespace

struct MemoryPool::State {
  std::mutex mutex;
  std::map<std::size_t, SizeClass> classes;  // by size
  std::size_t kept = 0;
  std::size_t in_use = 0;
  std::size_t limit;
  std::uint64_t taken = 0;       // bytes handed out so far: the pool's clock
  std::uint64_t next_sweep = 0;  // when sizes are looked at that nobody asks for

  using Class = std::map<std::size_t, SizeClass>::iterator;

  void drop(Class which, std::size_t count) noexcept {
    auto& blocks = which->second.blocks;
    for (; count > 0 && !blocks.empty(); --count) {
      free_block(blocks.back());
      blocks.pop_back();
      kept -= which->first;
    }
  }

  // Room for `size` more bytes, at the cost of those sizes that were asked for before `size` was.
  bool make_room(std::size_t size) noexcept {
    if (size > limit) return false;
    while (kept + size > limit) {
      Class oldest = classes.end();
      for (Class c = classes.begin(); c != classes.end(); ++c)
        if (!c->second.blocks.empty() && (oldest == classes.end() || c->second.last_take < oldest->second.last_take))
          oldest = c;
      if (oldest == classes.end() || oldest->first == size) return false;
      drop(oldest, 1);
    }
    return true;
  }

  void sweep() noexcept {
    if (taken < next_sweep) return;
    next_sweep = taken + limit;
    for (Class c = classes.begin(); c != classes.end();) {
      const bool dead = c->second.last_take + 4 * static_cast<std::uint64_t>(limit) < taken;
      if (dead) drop(c, c->second.blocks.size());
      c = dead ? classes.erase(c) : std::next(c);
    }
  }
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
    state_->taken += size;
    const auto found = state_->classes.find(size);
    if (found != state_->classes.end()) {
      found->second.last_take = state_->taken;
      auto& blocks = found->second.blocks;
      if (!blocks.empty()) {
        void* block = blocks.back();
        blocks.pop_back();
        state_->kept -= size;
        state_->in_use += size;
        return block;
      }
    }
  }
  void* memory = sdk::allocate_pages(size + kHeader);
  if (memory == nullptr) {
    // What lies unused here may be what is missing there.
    drop_all();
    memory = sdk::allocate_pages(size + kHeader);
  }
  if (memory == nullptr) return nullptr;
  *static_cast<std::size_t*>(memory) = size;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->in_use += size;
  return static_cast<char*>(memory) + kHeader;
}

void MemoryPool::give_back(void* block) noexcept {
  if (block == nullptr) return;
  const std::size_t size = *reinterpret_cast<std::size_t*>(static_cast<char*>(block) - kHeader);
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->in_use -= size;
    state_->sweep();
    try {
      SizeClass& same = state_->classes.try_emplace(size, SizeClass{{}, state_->taken}).first->second;
      if (state_->make_room(size)) {
        same.blocks.push_back(block);
        state_->kept += size;
        return;
      }
    } catch (...) {  // no memory for the list itself: the block goes back to the system
    }
  }
  free_block(block);
}

void MemoryPool::drop_all() noexcept {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (auto c = state_->classes.begin(); c != state_->classes.end(); ++c) state_->drop(c, c->second.blocks.size());
}

std::size_t MemoryPool::kept() const noexcept {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->kept;
}

std::size_t MemoryPool::in_use() const noexcept {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->in_use;
}

MemoryPool& host_pool() {
  static auto* pool = new MemoryPool(kDefaultKept);
  return *pool;
}

}  // namespace osteon::plugin
