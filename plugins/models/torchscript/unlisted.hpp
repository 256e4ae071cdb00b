// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

namespace osteon::models {

/// The tensors of a script that its module does not list and a move of the module does not reach: constants in its code
/// (all weights of a frozen script are), attributes, buffers of types that the ABI does not have.
class Unlisted {
 public:
  /// @param listed  the same script as a module of torch::nn
  Unlisted(const torch::jit::Module& script, const torch::nn::Module& listed);

  /// Puts them on the device of the network's input, in place. Scalars stay: they work with tensors of any device. May
  /// be called by several threads whose inputs are on one device.
  void follow(at::Device device);

  /// Calls `visit` with each tensor and what the script calls it.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) visit(names_[i], tensors_[i]);
  }

 private:
  std::vector<at::Tensor> tensors_;
  std::vector<std::string> names_;
  at::Device device_{at::kCPU};
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
};

}  // namespace osteon::models
