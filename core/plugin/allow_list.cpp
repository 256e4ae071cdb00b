// SPDX-License-Identifier: Apache-2.0
#include "plugin/allow_list.hpp"

#include <algorithm>
#include <cstdlib>

#include <sys/stat.h>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace osteon::plugin {
namespace fs = std::filesystem;
namespace {

constexpr const char* kShape = "a list of allowed plugins is a TOML file that says [plugins] allow = [\"sha256:...\"]";

[[noreturn]] void refuse(const std::string& why, const fs::path& file, const toml::source_region& place) {
  throw Error(ExitCode::kData, why, fmt::format("{}:{}:{}", file.string(), place.begin.line, place.begin.column));
}

// The only key of a table; a list that says more than it was read for is not what its author took it for.
const toml::node& only_key(const toml::table& table, const char* name, const fs::path& file) {
  for (const auto& [key, value] : table)
    if (key.str() != name) refuse(fmt::format("unknown key '{}'; {}", key.str(), kShape), file, key.source());
  const toml::node* node = table.get(name);
  if (node == nullptr) refuse(fmt::format("'{}' is missing; {}", name, kShape), file, table.source());
  return *node;
}

std::set<std::string> digests_in(const toml::table& document, const fs::path& file) {
  const toml::node& plugins = only_key(document, "plugins", file);
  if (!plugins.is_table()) refuse(fmt::format("'plugins' is no table; {}", kShape), file, plugins.source());
  const toml::node& allow = only_key(*plugins.as_table(), "allow", file);
  if (!allow.is_array()) refuse(fmt::format("'allow' is no list; {}", kShape), file, allow.source());
  std::set<std::string> digests;
  for (const toml::node& each : *allow.as_array()) {
    const auto digest = digest_from(each.value_or(std::string()));
    if (!digest) refuse("expected \"sha256:\" and 64 digits of 0-9 and a-f", file, each.source());
    digests.insert(*digest);
  }
  return digests;
}

// A distribution's own packages live in /usr and are configured in /etc.
fs::path list_of_installation(const fs::path& program) {
  const fs::path prefix = program.parent_path().parent_path();
  return (prefix == "/usr" ? fs::path("/") : prefix) / "etc/osteon/plugins.toml";
}

}  // namespace

std::optional<std::string> digest_from(const std::string& text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (text.size() != kPrefix.size() + 64 || text.compare(0, kPrefix.size(), kPrefix) != 0) return std::nullopt;
  std::string digits = text.substr(kPrefix.size());
  if (digits.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  return digits;
}

AllowList AllowList::read(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0)
    throw Error(ExitCode::kData, "anybody may write to this list of allowed plugins, so it says nothing; chmod o-w it",
                file.string());
  try {
    return AllowList(file.string(), digests_in(toml::parse(read_file(file), file.string()), file));
  } catch (const toml::parse_error& e) {
    refuse("this is not TOML: " + std::string(e.description()), file, e.source());
  }
}

std::vector<AllowList> operator_allow_lists(const fs::path& program) {
  std::vector<AllowList> lists;
  const fs::path installed = list_of_installation(program);
  std::error_code unknown;
  // Only a file that is certainly not there is no list.
  if (const fs::file_status status = fs::symlink_status(installed, unknown); status.type() != fs::file_type::not_found)
    lists.push_back(AllowList::read(installed));
  if (const char* named = std::getenv("OSTEON_PLUGIN_ALLOW")) {
    if (!fs::path(named).is_absolute())
      throw Error(ExitCode::kUsage,
                  "OSTEON_PLUGIN_ALLOW names a list of allowed plugins by its absolute path; unset it "
                  "where there is none",
                  named);
    lists.push_back(AllowList::read(named));
  }
  return lists;
}

std::string refusal_by(const std::vector<AllowList>& lists, const std::string& sha256) {
  const auto list = std::find_if(lists.begin(), lists.end(), [&](const AllowList& each) { return !each.has(sha256); });
  if (list == lists.end()) return "";
  return fmt::format("sha256:{} is not among the allowed plugins of {}", sha256, list->origin());
}

}  // namespace osteon::plugin
