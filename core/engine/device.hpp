// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "plugin/model.hpp"
#include "predict/model_device.hpp"

namespace osteon::engine {

/// The device that a recipe's `key` ("train.device", "predict.device") stands for when it is `wanted`. "auto" is CUDA
/// where there is one and every component can work there; when a component keeps it from CUDA, that is said. Throws
/// Error(kUsage) when CUDA is asked for by name and cannot be had.
osteon_device choose_device(const std::string& key, const std::string& wanted,
                            const std::vector<plugin::LoadedComponent>& components);

/// Moves a model that was made on the CPU. Its tensors have new places then.
void move_model(plugin::Model& model, osteon_device device);

/// What predict::infer() needs for a model on `device`; empty for the CPU.
std::shared_ptr<const predict::ModelDevice> model_device(osteon_device device);

/// What the engine wants of accelerators: their memory behind `osteon_call::allocate`, and float32 that is float32
/// (without TensorFloat-32), so that results are the CPU's to rounding. Once, before any call is made.
void prepare_accelerators();

}  // namespace osteon::engine
