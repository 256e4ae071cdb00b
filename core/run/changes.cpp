// SPDX-License-Identifier: Apache-2.0
#include "run/changes.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace osteon::run {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 11> kMayChange = {
    "train.epochs", "train.batch_size",     "train.accumulate",    "train.optimizer.lr",
    "train.device", "train.validate_every", "train.validate_with", "train.checkpoint_every",
    "data.workers", "data.prefetch",        "data.cache_mb"};
constexpr std::string_view kPredict = "predict.";

bool may_change(const std::string& key) {
  return std::find(kMayChange.begin(), kMayChange.end(), key) != kMayChange.end() ||
         std::string_view(key).substr(0, kPredict.size()) == kPredict;
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code none;
  if (a == b || fs::equivalent(a, b, none)) return true;
  // What is in a folder is not compared: its copy has its name.
  if (fs::is_directory(a, none) && fs::is_directory(b, none)) return a.filename() == b.filename();
  return fs::is_regular_file(a, none) && fs::is_regular_file(b, none) && fs::file_size(a) == fs::file_size(b) &&
         sha256_file(a) == sha256_file(b);
}

bool same_value(const recipe::Origin& a, const recipe::Origin& b) {
  if (a.files.empty() || b.files.empty()) return a.value == b.value;
  return a.files.size() == b.files.size() && std::equal(a.files.begin(), a.files.end(), b.files.begin(), same_file);
}

}  // namespace

std::vector<Change> changes_between(const recipe::Recipe& own, const recipe::Recipe& wanted) {
  std::map<std::string, const recipe::Origin*> before, after;
  for (const recipe::Origin& origin : own.origins) before[origin.key] = &origin;
  for (const recipe::Origin& origin : wanted.origins) after[origin.key] = &origin;
  std::vector<Change> changes;
  for (const auto& [key, origin] : before) {
    const auto other = after.find(key);
    if (other == after.end())
      changes.push_back({key, origin->value, ""});
    else if (!same_value(*origin, *other->second))
      changes.push_back({key, origin->value, other->second->value});
  }
  for (const auto& [key, origin] : after)
    if (before.count(key) == 0) changes.push_back({key, "", origin->value});
  return changes;
}

void expect_may_change(const std::vector<Change>& changes, const fs::path& run) {
  for (const Change& change : changes) {
    if (may_change(change.key)) continue;
    const auto text = [](const std::string& value) { return value.empty() ? std::string("not there") : value; };
    throw Error(
        ExitCode::kUsage,
        fmt::format("the run cannot go on with another {}: it is {}, and {} is asked for. What may change is {} and "
                    "predict.*; a run of its own begins with the weights of this one by model.weights",
                    change.key, text(change.was), text(change.is), fmt::join(kMayChange, ", ")),
        run.string());
  }
}

}  // namespace osteon::run
