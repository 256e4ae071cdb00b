// SPDX-License-Identifier: Apache-2.0
#include "engine/tensor_memory.hpp"

#include <c10/core/CPUAllocator.h>
#include <osteon/sdk/pages.hpp>
#include <osteon/sdk/torch/compat.hpp>

namespace osteon::engine {
namespace {

/// LibTorch's own but for large blocks. Both are given back with free(), so that its deleter serves for both.
class TensorMemory final : public sdk::compat::CpuAllocator {
 public:
  explicit TensorMemory(c10::Allocator& standard) : standard_(standard) {}

  c10::DataPtr take(std::size_t bytes) const override {
    void* memory = bytes >= sdk::kLargeBlock ? sdk::allocate_pages(bytes) : nullptr;
    if (memory == nullptr) return standard_.allocate(bytes);  // which knows what to say where there is none
    c10::profiledCPUMemoryReporter().New(memory, bytes);
    return {memory, memory, standard_.raw_deleter(), c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return standard_.raw_deleter(); }

 private:
  c10::Allocator& standard_;
};

}  // namespace

void install_tensor_memory() {
  static TensorMemory memory(*c10::GetDefaultCPUAllocator());
  c10::SetCPUAllocator(&memory);
}

}  // namespace osteon::engine
