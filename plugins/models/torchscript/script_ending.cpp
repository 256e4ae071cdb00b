// SPDX-License-Identifier: Apache-2.0
#include "script_ending.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace osteon::models {
namespace {

using torch::jit::Node;
using torch::jit::Value;

constexpr std::string_view kPassing[] = {"aten::to",       "aten::float",   "aten::type_as",   "aten::contiguous",
                                         "aten::clone",    "aten::detach",  "aten::reshape",   "aten::view",
                                         "aten::permute",  "aten::squeeze", "aten::unsqueeze", "aten::dropout",
                                         "aten::dropout_", "aten::slice",   "aten::transpose", "aten::interpolate"};
constexpr std::string_view kResizing = "aten::upsample_", kFunction = "aten::__interpolate";

bool passes(std::string_view operation) {
  return std::find(std::begin(kPassing), std::end(kPassing), operation) != std::end(kPassing) ||
         operation == kFunction || operation.substr(0, kResizing.size()) == kResizing;
}

/// The value that a container of a fixed make-up holds under a name; nullptr where it does not show.
const Value* element_of(const Node& container, const std::string& output) {
  const auto inputs = container.inputs();
  if (container.kind() == c10::prim::DictConstruct) {
    for (std::size_t i = 0; i + 1 < inputs.size(); i += 2) {
      const auto key = torch::jit::toIValue(inputs[i]);
      if (key && key->isString() && key->toStringRef() == (output.empty() ? "out" : output)) return inputs[i + 1];
    }
    return nullptr;
  }
  if (output.empty()) return inputs.empty() ? nullptr : inputs[0];
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (std::to_string(i) == output) return inputs[i];
  return nullptr;
}

bool is_container(const Node& node) {
  return node.kind() == c10::prim::DictConstruct || node.kind() == c10::prim::TupleConstruct ||
         node.kind() == c10::prim::ListConstruct;
}

}  // namespace

std::string last_operation(const torch::jit::Module& script, const std::string& output) {
  const auto forward = script.find_method("forward");
  if (!forward) return "";
  const auto graph = forward->graph()->copy();
  torch::jit::Inline(*graph);
  if (graph->outputs().size() != 1) return "";
  const Value* value = graph->outputs()[0];
  if (is_container(*value->node())) value = element_of(*value->node(), output);
  while (value != nullptr) {
    const Node& node = *value->node();
    const std::string operation = node.kind().toQualString();
    // Of a constant, an input or a branch nothing follows.
    if (operation.rfind("aten::", 0) != 0) return "";
    if (!passes(operation) || node.inputs().empty()) return operation;
    value = node.inputs()[0];
  }
  return "";
}

}  // namespace osteon::models
