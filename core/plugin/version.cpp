// SPDX-License-Identifier: Apache-2.0
#include "plugin/version.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

namespace osteon::plugin {
namespace {

struct Version {
  std::vector<std::string> parts;
  std::string pre_release;
};

Version parse(const std::string& text) {
  const std::string core = text.substr(0, text.find('+'));  // what was built does not count
  const std::size_t dash = core.find('-');
  Version version;
  if (dash != std::string::npos) version.pre_release = core.substr(dash + 1);
  std::istringstream parts(core.substr(0, dash));
  for (std::string part; std::getline(parts, part, '.');) version.parts.push_back(part);
  return version;
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int sign(int value) { return (value > 0) - (value < 0); }

// Numbers of any length by value, all else by its characters.
int compare_parts(std::string a, std::string b) {
  if (!is_number(a) || !is_number(b)) return sign(a.compare(b));
  const std::size_t width = std::max(a.size(), b.size());
  a.insert(0, width - a.size(), '0');
  b.insert(0, width - b.size(), '0');
  return sign(a.compare(b));
}

}  // namespace

int compare_versions(const std::string& a, const std::string& b) {
  const Version left = parse(a), right = parse(b);
  for (std::size_t i = 0; i < std::max(left.parts.size(), right.parts.size()); ++i) {
    const auto part = [i](const Version& version) { return i < version.parts.size() ? version.parts[i] : "0"; };
    if (const int order = compare_parts(part(left), part(right)); order != 0) return order;
  }
  if (left.pre_release.empty() != right.pre_release.empty()) return left.pre_release.empty() ? 1 : -1;
  return compare_parts(left.pre_release, right.pre_release);
}

bool version_matches(const std::string& asked, const std::string& version) {
  if (asked.empty() || asked == version) return true;
  const Version wanted = parse(asked), there = parse(version);
  if (!wanted.pre_release.empty() || !there.pre_release.empty() || wanted.parts.size() > there.parts.size())
    return false;
  return std::equal(wanted.parts.begin(), wanted.parts.end(), there.parts.begin(),
                    [](const std::string& a, const std::string& b) { return compare_parts(a, b) == 0; });
}

const ComponentSchema* highest(const std::vector<ComponentSchema>& schemas, Kind kind, const std::string& name,
                               const std::string& asked) {
  const ComponentSchema* found = nullptr;
  for (const ComponentSchema& schema : schemas)
    if (schema.kind == kind && schema.name == name && version_matches(asked, schema.version) &&
        (found == nullptr || compare_versions(schema.version, found->version) > 0))
      found = &schema;
  return found;
}

}  // namespace osteon::plugin
