// SPDX-License-Identifier: Apache-2.0
// `osteon plugins list` and `osteon plugins describe NAME`; `new` and `validate` have files of their own.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "base/child.hpp"
#include "base/json.hpp"
#include "base/suggest.hpp"
#include "base/visible.hpp"
#include "cli/verbs.hpp"
#include "plugin/private_copy.hpp"
#include "plugin/scan.hpp"
#include "plugin/schema_json.hpp"
#include "plugin/version.hpp"

namespace osteon::cli {
namespace {

// Names of files and texts of plugins as the comment of a TOML file: on one line, and harmless on a terminal.
std::string comment(std::string text) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return text;
}

// What there is and is not refused, as a list of allowed plugins. Digests to be relied on are not taken from a cache.
ExitCode print_allow_list(Program& program) {
  std::map<std::string, std::string> comments;  // by digest
  std::vector<std::string> digests;             // in the order of the listings
  for (const plugin::Listing& l : program.registry().listings()) {
    if (!l.ok()) continue;
    const std::string digest = plugin::PrivateCopy(l.path).sha256();
    if (digest != l.sha256)
      throw Error(ExitCode::kPlugin, "has changed since it was looked at; `osteon plugins list --rescan`",
                  l.path.string());
    const auto [known, added] = comments.try_emplace(digest, l.path.string() + ": ");
    if (added) digests.push_back(digest);
    known->second += fmt::format("{}{} {} {}", added ? "" : ", ", l.kind, l.name, l.version);
  }
  print_result("[plugins]\nallow = [\n");
  for (const std::string& digest : digests) print_result("  \"sha256:{}\",  # {}\n", digest, comment(comments[digest]));
  print_result("]\n");
  return ExitCode::kDone;
}

ExitCode list(Program& program) {
  const auto& listings = program.registry().listings();
  if (program.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const plugin::Listing& l : listings)
      rows.push_back({{"name", l.name},
                      {"kind", l.kind.empty() ? nlohmann::json() : nlohmann::json(l.kind)},
                      {"version", l.version},
                      {"abi", l.abi},
                      {"path", l.path.string()},
                      {"sha256", l.sha256},
                      {"status", plugin::to_string(l.status)},
                      {"reason", l.reason}});
    program.print_json(rows);
    return ExitCode::kDone;
  }
  std::size_t width = 4;
  for (const plugin::Listing& l : listings) width = std::max(width, l.name.size());
  print_result("{:<{}}  {:<13}  {:<8}  {:<4}  {}\n", "name", width, "kind", "version", "abi", "path");
  for (const plugin::Listing& l : listings)
    if (l.ok())
      print_result("{:<{}}  {:<13}  {:<8}  {:<4}  {}\n", visible(l.name), width, visible(l.kind), visible(l.version),
                   l.abi, visible(l.path.string()));
  for (const plugin::Listing& l : listings)
    if (!l.ok())
      print_result("{:<{}}  {}: {}\n{:<{}}  {}\n", visible(l.name), width, plugin::to_string(l.status),
                   visible(l.reason), "", width, visible(l.path.string()));
  return ExitCode::kDone;
}

std::string value_text(const plugin::ParameterSpec& spec) {
  if (!spec.default_value) return "required";
  const nlohmann::json parameter = plugin::to_json(spec);
  return json_text(parameter.at("default"));
}

std::string bounds_text(const plugin::ParameterSpec& spec) {
  if (!spec.choices.empty()) return fmt::format("{}", fmt::join(spec.choices, " | "));
  const bool low = std::isfinite(spec.minimum), high = std::isfinite(spec.maximum);
  if (low && high) return fmt::format("{} .. {}", spec.minimum, spec.maximum);
  if (low) return fmt::format(">= {}", spec.minimum);
  if (high) return fmt::format("<= {}", spec.maximum);
  return "";
}

void print_schema(const plugin::ComponentSchema& schema) {
  print_result("{} ({}, version {})\n\n{}\n", visible(schema.name), plugin::to_string(schema.kind),
               visible(schema.version), visible_lines(schema.doc));
  if (!schema.reference.empty()) print_result("Follows: {}\n", visible_lines(schema.reference));
  if (schema.parameters.empty()) {
    print_result("\nNo parameters.\n");
    return;
  }
  print_result("\nParameters:\n");
  for (const plugin::ParameterSpec& p : schema.parameters) {
    const std::string bounds = bounds_text(p);
    print_result("  {} : {}{}{} = {}{}\n      {}\n", visible(p.name), p.list ? "list of " : "",
                 plugin::to_string(p.type), p.unit.empty() ? "" : ", " + visible(p.unit), visible(value_text(p)),
                 bounds.empty() ? "" : "  (" + visible(bounds) + ")", visible_lines(p.doc));
    if (plugin::is_range(p.type)) print_result("      One number x means {}.\n", plugin::range_of_one_number(p));
    if (!p.aliases.empty())
      print_result("      Also called {}.\n", visible(fmt::format("{}", fmt::join(p.aliases, ", "))));
  }
}

// Whether somebody who asks for a refused file means this one: by a plugin that it says it holds, or by its own name.
bool is_called(const plugin::Listing& listing, const std::string& name) {
  const auto& claimed = listing.claimed;
  return listing.name == name || std::find(claimed.begin(), claimed.end(), name) != claimed.end() ||
         (listing.kind.empty() && listing.path.stem() == name);
}

ExitCode describe(Program& program, const std::string& name) {
  std::vector<plugin::ComponentSchema> found;
  std::vector<std::string> known;
  for (const plugin::ComponentSchema& schema : program.registry().schemas()) {
    if (schema.name == name) found.push_back(schema);
    known.push_back(schema.name);
  }
  if (found.empty()) {
    for (const plugin::Listing& l : program.registry().listings())
      if (!l.ok() && is_called(l, name))
        throw Error(ExitCode::kPlugin, fmt::format("the plugin is {}: {}", plugin::to_string(l.status), l.reason),
                    l.path.string());
    throw Error(ExitCode::kUsage, "there is no plugin '" + name + "'" + did_you_mean(name, known) +
                                      "; `osteon plugins list` shows what there is");
  }
  // The version that recipes get comes first.
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return plugin::compare_versions(a.version, b.version) > 0; });
  if (program.json) {
    program.print_json(plugin::to_json(found.front()));
    return ExitCode::kDone;
  }
  for (const plugin::ComponentSchema& schema : found) print_schema(schema);
  return ExitCode::kDone;
}

}  // namespace

void add_plugins_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("plugins", "What plugins there are");
  verb->require_subcommand(1);

  CLI::App* list_verb =
      verb->add_subcommand("list", "All plugins found, and the files that were refused, with the reason");
  program.add_common_flags(*list_verb, false);
  list_verb->add_flag("--rescan", program.rescan, "Forget what the cache says and look at every file again");
  auto as_allow_list = std::make_shared<bool>(false);
  list_verb->add_flag("--allow-list", *as_allow_list, "Print a list of allowed plugins (TOML) that has what there is")
      ->excludes("--json");
  list_verb->callback([&program, as_allow_list] {
    program.action = [&program, as_allow_list] { return *as_allow_list ? print_allow_list(program) : list(program); };
  });

  CLI::App* describe_verb =
      verb->add_subcommand("describe", "A plugin's parameters: type, default, bounds, unit, meaning");
  program.add_common_flags(*describe_verb, false);
  auto name = std::make_shared<std::string>();
  describe_verb->add_option("NAME", *name, "The name that recipes use")->required();
  describe_verb->callback([&program, name] { program.action = [&program, name] { return describe(program, *name); }; });
  add_plugins_new_verb(*verb, program);
  add_plugins_validate_verb(*verb, program);
}

void add_scan_plugin_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("scan-plugin", "Print what one library holds, as JSON");
  verb->group("");  // not for people
  auto file = std::make_shared<std::string>(), sha256 = std::make_shared<std::string>();
  verb->add_option("FILE", *file)->required();
  verb->add_option("SHA256", *sha256)->required();
  verb->callback([&program, file, sha256] {
    program.action = [file, sha256] {
      answer_parent(plugin::describe_library(*file, *sha256, plugin::operator_allow_lists(program_file())));
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
