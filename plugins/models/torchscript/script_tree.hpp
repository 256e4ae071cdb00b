// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <unordered_set>

#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

namespace osteon::models {

/// A scripted or traced module as a module of torch::nn, children and all: the same tensors under the names of its
/// state dict, and one switch between training and inference. So what works on a torch::nn::Module works on any
/// archive.
///
/// A tensor that the script holds under two names is listed once, under the first. All parameters are made trainable,
/// whatever they were when the archive was saved. Buffers of a type that the ABI does not have (bool, complex) are not
/// listed; they stay what the archive says.
class ScriptTree : public torch::nn::Module {
 public:
  /// Throws InvalidArgument for a parameter that is not float32, or one that has no name of a state dict.
  explicit ScriptTree(const torch::jit::Module& script);

  /// Switches the script's node too; torch::nn carries it on to the children.
  void train(bool on = true) override;

 protected:
  torch::jit::Module& script() noexcept { return script_; }

 private:
  using Seen = std::unordered_set<const c10::TensorImpl*>;
  ScriptTree(const torch::jit::Module& script, Seen& seen);
  void adopt(Seen& seen);

  torch::jit::Module script_;
};

/// Reads an archive of torch.jit.save onto the CPU. Throws InvalidArgument when it is none.
torch::jit::Module load_script(const std::filesystem::path& file);

}  // namespace osteon::models
