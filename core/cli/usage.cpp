// SPDX-License-Identifier: Apache-2.0
#include "cli/usage.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/suggest.hpp"

namespace osteon::cli {
namespace {

// Those that are for people.
std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App* each) { return !each->get_group().empty(); }))
    names.push_back(verb->get_name());
  return names;
}

const CLI::App* verb_called(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* each) { return each->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

/// How far a command line goes: the last verb of it that there is, and the word where the next should stand.
struct Way {
  const CLI::App* verb;
  std::string unknown;  ///< empty: it goes to a verb that has none beneath it, or ends before
};

Way way_of(const CLI::App& app, const std::vector<std::string>& arguments) {
  Way way{&app, {}};
  for (const std::string& word : arguments) {
    if (verbs_of(*way.verb).empty()) break;
    if (word.empty() || word.front() == '-') continue;  // no option of a verb that has others beneath it takes a value
    const CLI::App* next = verb_called(*way.verb, word);
    if (next == nullptr) {
      way.unknown = word;
      break;
    }
    way.verb = next;
  }
  return way;
}

// ", did you mean '--x'?" of the first option that the verb does not know.
std::string option_meant(const CLI::App& verb, const std::vector<std::string>& arguments) {
  std::vector<std::string> known;
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    const std::string name = argument.substr(0, argument.find('='));
    if (name.rfind("--", 0) == 0 && std::find(known.begin(), known.end(), name) == known.end())
      return did_you_mean(name, known);
  }
  return "";
}

constexpr char kHelp[] = " (`-h` shows what there is, at every level)";

}  // namespace

std::string usage_error(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  const Way way = way_of(app, arguments);
  if (!way.unknown.empty())
    return fmt::format("{} no verb '{}'{}{}", way.verb == &app ? "there is" : "`" + way.verb->get_name() + "` has",
                       way.unknown, did_you_mean(way.unknown, verbs_of(*way.verb)), kHelp);
  if (!verbs_of(*way.verb).empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)
    return fmt::format("a verb is missing; there {}: {}{}", verbs_of(*way.verb).size() == 1 ? "is" : "are",
                       fmt::join(verbs_of(*way.verb), ", "), kHelp);
  const bool unknown_option = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  return error.what() + (unknown_option ? option_meant(*way.verb, arguments) : "") + kHelp;
}

bool asks_for_json(const std::vector<std::string>& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

}  // namespace osteon::cli
