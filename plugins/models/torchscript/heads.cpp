// SPDX-License-Identifier: Apache-2.0
#include "heads.hpp"

#include <utility>

#include <ATen/core/Dict.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>

#include <osteon/sdk/error.hpp>

namespace osteon::models {
namespace {

using Returned = std::pair<std::string, c10::IValue>;

/// What was returned as names and values; a tensor alone has none.
std::vector<Returned> entries_of(const c10::IValue& returned) {
  std::vector<Returned> entries;
  if (returned.isGenericDict()) {
    for (const auto& item : returned.toGenericDict())
      if (item.key().isString()) entries.emplace_back(item.key().toStringRef(), item.value());
  } else if (returned.isTuple()) {
    const auto tuple = returned.toTuple();
    const auto schema = tuple->type()->schema();
    for (std::size_t i = 0; i < tuple->elements().size(); ++i)
      entries.emplace_back(schema ? schema->arguments()[i].name() : std::to_string(i), tuple->elements()[i]);
  } else if (returned.isList()) {
    const auto list = returned.toList();
    for (std::size_t i = 0; i < list.size(); ++i) entries.emplace_back(std::to_string(i), list.get(i));
  }
  return entries;
}

std::string names_of(const std::vector<Returned>& entries) {
  std::string there;
  for (const Returned& entry : entries)
    there += (there.empty() ? "" : ", ") + ("'" + entry.first + "'") + (entry.second.isTensor() ? "" : " (no tensor)");
  return there;
}

[[noreturn]] void refuse(const std::string& wanted, const c10::IValue& returned, const std::vector<Returned>& entries) {
  const std::string there = names_of(entries);
  throw sdk::InvalidArgument(wanted + "; it returns a " + returned.tagKind() +
                             (there.empty() ? "" : " of " + there + ", which `outputs` can name, the main one first"));
}

}  // namespace

std::vector<at::Tensor> heads_of(const c10::IValue& returned, const std::vector<std::string>& names, bool all) {
  if (names.empty() && returned.isTensor()) return {returned.toTensor()};
  const std::vector<Returned> entries = entries_of(returned);
  const auto find = [&](const std::string& name) -> const at::Tensor& {
    for (const Returned& entry : entries)
      if (entry.first == name && entry.second.isTensor()) return entry.second.toTensor();
    refuse("the script gives no tensor '" + name + "'", returned, entries);
  };
  if (!names.empty()) {
    std::vector<at::Tensor> heads;
    for (std::size_t i = 0; i < (all ? names.size() : 1); ++i) heads.push_back(find(names[i]));
    return heads;
  }
  if (returned.isGenericDict()) return {find("out")};
  if (entries.empty()) refuse("the script gives no tensor", returned, entries);
  return {find(entries.front().first)};
}

std::string head_names(const c10::IValue& returned) {
  const std::vector<Returned> entries = entries_of(returned);
  return entries.size() > 1 ? names_of(entries) : "";
}

}  // namespace osteon::models
