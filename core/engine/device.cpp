// SPDX-License-Identifier: Apache-2.0
#include "engine/device.hpp"

#include <spdlog/spdlog.h>
#include <torch/cuda.h>
#include <osteon/sdk/torch/guards.hpp>
#include <osteon/sdk/torch/tensor.hpp>

#include "base/error.hpp"

namespace osteon::engine {
namespace {

/// A device of LibTorch's. Host memory is pinned: pageable memory crosses the bus at a fraction of its speed. LibTorch
/// keeps and reuses pinned blocks, and reuses none before the copy out of it is done.
class TorchDevice final : public predict::ModelDevice {
 public:
  explicit TorchDevice(osteon_device id) : id_(id) {}

  osteon_device id() const override { return id_; }

  sdk::OwnedTensor bring(const osteon_tensor_view& host) const override {
    const at::Tensor tensor = sdk::borrow(host);
    return owned(tensor.pin_memory().to(sdk::to_torch_device(id_), tensor.scalar_type(), /*non_blocking=*/true));
  }

  sdk::OwnedTensor fetch(const osteon_tensor_view& there) const override {
    const at::Tensor tensor = sdk::borrow(there);
    return owned(at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true)).copy_(tensor));
  }

 private:
  static sdk::OwnedTensor owned(const at::Tensor& tensor) {
    sdk::OwnedTensor result;
    sdk::give(tensor, result.out());
    return result;
  }

  osteon_device id_;
};

osteon_status allocate_on_device(osteon_device device, std::uint32_t memory, osteon_dtype dtype,
                                 const std::vector<std::int64_t>& shape, osteon_tensor* out, osteon_error* error) {
  return sdk::torch_guard(error, [&] {
    const bool pinned = memory == OSTEON_MEMORY_PINNED;
    const at::Device place = pinned ? at::Device(at::kCPU) : sdk::to_torch_device(device);
    const at::TensorOptions options =
        at::TensorOptions().dtype(sdk::to_scalar_type(dtype)).device(place).pinned_memory(pinned);
    sdk::give(at::empty(shape, options), out);
  });
}

}  // namespace

osteon_device choose_device(const std::string& key, const std::string& wanted,
                            const std::vector<plugin::LoadedComponent>& components) {
  const osteon_device cpu{OSTEON_DEVICE_CPU, 0}, cuda{OSTEON_DEVICE_CUDA, 0};
  if (wanted == "cpu") return cpu;
  const bool available = torch::cuda::is_available();
  std::string in_the_way;
  for (const plugin::LoadedComponent& component : components)
    if (!component.supports_device(OSTEON_DEVICE_CUDA))
      in_the_way += (in_the_way.empty() ? "" : ", ") + std::string(plugin::to_string(component.schema.kind)) + " '" +
                    component.name() + "'";
  if (wanted == "cuda") {
    if (!available)
      throw Error(ExitCode::kUsage,
                  key + " is \"cuda\", but this LibTorch finds no CUDA device; `osteon doctor` shows more");
    if (!in_the_way.empty())
      throw Error(ExitCode::kUsage, key + " is \"cuda\", on which these cannot work: " + in_the_way);
    return cuda;
  }
  if (!available) return cpu;
  if (in_the_way.empty()) return cuda;
  spdlog::warn("{}: the CPU although there is a CUDA device, because these work on the CPU only: {}", key, in_the_way);
  return cpu;
}

void move_model(plugin::Model& model, osteon_device device) {
  if (device.type == OSTEON_DEVICE_CPU) return;
  plugin::CallOptions options;
  options.device = device;
  model.move(plugin::Call(std::move(options)), device);
}

std::shared_ptr<const predict::ModelDevice> model_device(osteon_device device) {
  if (device.type == OSTEON_DEVICE_CPU) return nullptr;
  return std::make_shared<TorchDevice>(device);
}

void prepare_accelerators() {
  plugin::install_device_allocator(allocate_on_device);
  sdk::compat::allow_tf32(false);
}

}  // namespace osteon::engine
