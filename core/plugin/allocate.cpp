// SPDX-License-Identifier: Apache-2.0
#include "plugin/allocate.hpp"

#include <mutex>

#include <osteon/sdk/known.hpp>
#include <osteon/sdk/tensor.hpp>

#include "plugin/pool.hpp"
#include "plugin/shared_memory.hpp"

namespace osteon::plugin {
namespace {

std::mutex g_blocks_mutex;
DeviceAllocator& device_allocator() {
  static auto* allocator = new DeviceAllocator();
  return *allocator;
}

// A tensor of the host's memory: shape and strides lie behind its header.
struct HostTensor {
  sdk::BorrowedTensor view;
  bool shared;  // else of the pool
};

void release_host_tensor(osteon_tensor* self) {
  auto* tensor = static_cast<HostTensor*>(self->owner);
  if (tensor->shared)
    give_back_shared(tensor->view.view().data);
  else
    host_pool().give_back(tensor->view.view().data);
  delete tensor;
}

void allocate_on_host(bool shared, osteon_dtype dtype, std::vector<std::int64_t> shape, osteon_tensor* out) {
  std::size_t bytes = static_cast<std::size_t>(dtype.bits) * dtype.lanes / 8;
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes))
      throw sdk::Error(OSTEON_OUT_OF_MEMORY, "the tensor is larger than the address space");
  void* data = shared ? take_shared(bytes) : host_pool().take(bytes);
  if (data == nullptr)
    throw sdk::Error(OSTEON_OUT_OF_MEMORY, "no memory left for a tensor of " + std::to_string(bytes) + " bytes");
  auto tensor = std::make_unique<HostTensor>(HostTensor{sdk::BorrowedTensor(data, dtype, std::move(shape)), shared});
  out->flags = 0;
  out->view = tensor->view.view();
  out->release = release_host_tensor;
  out->owner = tensor.release();
}

}  // namespace

osteon_status allocate(osteon_device device, std::uint32_t memory, osteon_dtype dtype, std::int32_t ndim,
                       const std::int64_t* shape, osteon_tensor* out, osteon_error* error) noexcept {
  osteon_status status = OSTEON_OK;
  const osteon_status walled = sdk::detail::guard(error, [&] {
    if (ndim < 0 || ndim > 8) throw sdk::InvalidArgument("a tensor has 0 to 8 dimensions");
    for (std::int32_t i = 0; i < ndim; ++i)
      if (shape[i] < 0) throw sdk::InvalidArgument("a tensor's size is negative");
    if (dtype.bits == 0 || dtype.lanes == 0 || dtype.bits * dtype.lanes % 8 != 0)
      throw sdk::Unsupported("this host's elements are whole bytes");
    if (memory > OSTEON_MEMORY_SHARED)
      throw sdk::Unsupported("memory of kind " + std::to_string(memory) + " is unknown to this host");
    std::vector<std::int64_t> sizes(shape, shape + ndim);
    const bool on_cpu = device.type == OSTEON_DEVICE_CPU;
    const bool of_device = !on_cpu && (memory == OSTEON_MEMORY_DEVICE || memory == OSTEON_MEMORY_PINNED);
    if (!of_device) return allocate_on_host(memory == OSTEON_MEMORY_SHARED, dtype, std::move(sizes), out);
    DeviceAllocator allocator;
    {
      const std::lock_guard<std::mutex> lock(g_blocks_mutex);
      allocator = device_allocator();
    }
    if (!allocator) throw sdk::Unsupported("this host has no memory of that device to give");
    status = allocator(device, memory, dtype, sizes, out, error);
  });
  return walled != OSTEON_OK ? walled : status;
}

void install_device_allocator(DeviceAllocator allocator) {
  const std::lock_guard<std::mutex> lock(g_blocks_mutex);
  device_allocator() = std::move(allocator);
}

}  // namespace osteon::plugin
