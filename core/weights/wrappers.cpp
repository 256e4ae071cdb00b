// SPDX-License-Identifier: Apache-2.0
#include "weights/wrappers.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>

namespace osteon::weights {
namespace {

constexpr std::string_view kWrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"};

/// Calls `visit(component)` for each component of a name but the last, which is the tensor's own.
template <class Visit>
void for_each_module(std::string_view name, Visit&& visit) {
  for (std::size_t begin = 0, dot; (dot = name.find('.', begin)) != std::string_view::npos; begin = dot + 1)
    visit(name.substr(begin, dot - begin));
}

std::string without(std::string_view name, const std::set<std::string_view>& wrappers) {
  std::string rest;
  for_each_module(name, [&](std::string_view component) {
    if (wrappers.count(component) == 0) rest.append(component).append(".");
  });
  return rest.append(name.substr(name.rfind('.') + 1));
}

}  // namespace

UnwrappedNames unwrap(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& model) {
  const std::set<std::string_view> all(std::begin(kWrappers), std::end(kWrappers));
  std::set<std::string_view> foreign = all;
  std::unordered_set<std::string_view> of_model, of_file;
  for (const plugin::NamedTensor& tensor : model) {
    of_model.insert(tensor.name);
    for_each_module(tensor.name, [&](std::string_view component) { foreign.erase(component); });
  }
  for (const TensorData& tensor : file) of_file.insert(tensor.name);

  UnwrappedNames unwrapped;
  for (const TensorData& tensor : file) {
    std::string name = tensor.name;
    if (of_model.count(name) == 0) {
      name = without(tensor.name, all);
      if (of_model.count(name) == 0) name = without(tensor.name, foreign);
      if (of_file.count(name) != 0) name = tensor.name;
    }
    if (name.size() < tensor.name.size())
      for_each_module(tensor.name, [&](std::string_view component) {
        if (const auto wrapper = all.find(component); wrapper != all.end()) unwrapped.wrappers.insert(*wrapper);
      });
    unwrapped.names.push_back(std::move(name));
  }
  return unwrapped;
}

}  // namespace osteon::weights
