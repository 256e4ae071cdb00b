// SPDX-License-Identifier: Apache-2.0
#include "train/device.hpp"

#include <spdlog/spdlog.h>
#include <torch/cuda.h>

#include "base/error.hpp"

namespace osteon::train {

osteon_device choose_device(const std::string& wanted, const std::vector<plugin::LoadedComponent>& components) {
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
                  "train.device is \"cuda\", but this LibTorch finds no CUDA device; `osteon doctor` shows more");
    if (!in_the_way.empty())
      throw Error(ExitCode::kUsage, "train.device is \"cuda\", on which these cannot work: " + in_the_way);
    return cuda;
  }
  if (!available) return cpu;
  if (in_the_way.empty()) return cuda;
  spdlog::warn("training on the CPU although there is a CUDA device, because these work on the CPU only: {}",
               in_the_way);
  return cpu;
}

}  // namespace osteon::train
