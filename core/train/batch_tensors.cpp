// SPDX-License-Identifier: Apache-2.0
#include "train/batch_tensors.hpp"

#include <osteon/sdk/torch/tensor.hpp>

namespace osteon::train {
namespace {

/// Undefined for a buffer that is empty.
template <class T>
torch::Tensor on_device(const data::AlignedBuffer<T>& buffer, std::vector<std::int64_t> shape, torch::ScalarType type,
                        osteon_device device) {
  if (buffer.empty()) return {};
  // The batch outlives the step, so the CPU needs no copy.
  const torch::Tensor tensor = torch::from_blob(const_cast<T*>(buffer.data()), shape, type);
  if (device.type == OSTEON_DEVICE_CPU) return tensor;
  // From pinned memory, which LibTorch keeps and reuses, the copy waits neither for the step before nor lets it wait.
  return tensor.pin_memory().to(sdk::to_torch_device(device), type, /*non_blocking=*/true);
}

}  // namespace

torch::Tensor images_of(const data::Batch& batch, osteon_device device) {
  return on_device(batch.image, {batch.n, batch.channels, batch.height, batch.width}, torch::kFloat32, device);
}

Target target_of(const data::Batch& batch, const data::Dataset& dataset, osteon_device device) {
  Target target;
  target.planes =
      on_device(batch.planes, {batch.n, batch.planes_per_image, batch.height, batch.width}, torch::kInt32, device);
  target.valid = on_device(batch.valid, {batch.n, batch.height, batch.width}, torch::kUInt8, device);
  target.sample_weight = on_device(batch.sample_weight, {batch.n}, torch::kFloat32, device);
  target.class_valid = on_device(batch.class_valid, {batch.n, batch.classes}, torch::kUInt8, device);
  for (const int index : batch.indices) target.names.push_back(dataset.samples()[static_cast<std::size_t>(index)].id);
  return target;
}

}  // namespace osteon::train
