// SPDX-License-Identifier: Apache-2.0
#include "script_tree.hpp"

#include <memory>
#include <string>

#include <torch/csrc/jit/serialization/import.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "archive_check.hpp"
#include "script_error.hpp"

namespace osteon::models {
namespace {

void expect_plain(const std::string& name) {
  if (name.find('.') != std::string::npos)
    throw sdk::InvalidArgument("the script calls something '" + name +
                               "'; names of a state dict have no dots in a part");
}

bool crosses_the_abi(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kBool:
    case at::kComplexFloat:
    case at::kComplexDouble:
    case at::kComplexHalf:
      return false;
    default:
      return tensor.defined() && !tensor.is_quantized();
  }
}

}  // namespace

ScriptTree::ScriptTree(const torch::jit::Module& script) : script_(script) {
  Seen seen;
  adopt(seen);
}

ScriptTree::ScriptTree(const torch::jit::Module& script, Seen& seen) : script_(script) { adopt(seen); }

void ScriptTree::adopt(Seen& seen) {
  for (const auto& [name, value] : script_.named_parameters(/*recurse=*/false)) {
    expect_plain(name);
    if (value.scalar_type() != at::kFloat)
      throw sdk::InvalidArgument("the script's parameter '" + name + "' is " + at::toString(value.scalar_type()) +
                                 "; save the module in float32, after module.float()");
    if (seen.insert(value.unsafeGetTensorImpl()).second) register_parameter(name, value.set_requires_grad(true));
  }
  for (const auto& [name, value] : script_.named_buffers(/*recurse=*/false)) {
    expect_plain(name);
    if (crosses_the_abi(value) && seen.insert(value.unsafeGetTensorImpl()).second) register_buffer(name, value);
  }
  for (const auto& [name, child] : script_.named_children()) {
    expect_plain(name);
    register_module(name, std::shared_ptr<ScriptTree>(new ScriptTree(child, seen)));
  }
}

void ScriptTree::train(bool on) {
  torch::nn::Module::train(on);
  // A frozen module, and a container, may have no such attribute.
  if (const auto slot = script_.type()->findAttributeSlot("training")) script_._ivalue()->setSlot(*slot, on);
}

torch::jit::Module load_script(const std::filesystem::path& file) {
  if (!std::filesystem::is_regular_file(file)) throw sdk::InvalidArgument("there is no file " + file.string());
  try {
    check_archive(file);
    return torch::jit::load(file.string(), c10::Device(at::kCPU));
  } catch (const std::exception& e) {
    throw sdk::InvalidArgument(file.string() +
                               " is no archive of torch.jit.save that this LibTorch reads (a state dict " +
                               "of torch.save holds no network): " + script_error(e));
  }
}

}  // namespace osteon::models
