// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include <osteon/sdk/pages.hpp>

namespace osteon::data {

/// Memory for tensors that cross to plugins: aligned to 64 bytes, content undefined.
template <class T>
class AlignedBuffer {
 public:
  void resize(std::size_t count) {
    if (count > capacity_) {
      memory_.reset(static_cast<T*>(sdk::allocate_pages(count * sizeof(T))));
      if (!memory_) throw std::bad_alloc();
      capacity_ = count;
    }
    size_ = count;
  }
  void clear() noexcept { size_ = 0; }
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  T* data() noexcept { return memory_.get(); }
  const T* data() const noexcept { return memory_.get(); }

 private:
  struct Free {
    void operator()(T* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<T, Free> memory_;
  std::size_t capacity_ = 0, size_ = 0;
};

}  // namespace osteon::data
