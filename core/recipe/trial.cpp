// SPDX-License-Identifier: Apache-2.0
#include "recipe/trial.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/child.hpp"
#include "plugin/augmentation.hpp"
#include "plugin/elf.hpp"
#include "plugin/ensembler.hpp"
#include "plugin/loss.hpp"
#include "plugin/postprocessor.hpp"
#include "plugin/type_table.hpp"
#include "recipe/class_context.hpp"
#include "recipe/problems.hpp"

namespace osteon::recipe {
namespace {

constexpr std::chrono::seconds kLimit{20};

struct Trial {
  const Component* component;
  std::string key;  ///< "augment[0]"
};

bool needs_libtorch(const std::filesystem::path& library) {
  const plugin::ElfFacts facts = plugin::read_elf(library);
  return std::any_of(facts.needed.begin(), facts.needed.end(),
                     [](const std::string& name) { return name.rfind("libtorch", 0) == 0; });
}

bool can_be_tried(const Component& component, const plugin::Registry& registry) {
  const plugin::ComponentSchema* schema = registry.find(component.kind, component.plugin, component.version);
  if (schema == nullptr) return false;
  for (std::size_t i = 0; i < schema->parameters.size(); ++i)
    if (schema->parameters[i].type == plugin::ParameterType::kPredictor) return false;
  const auto& listings = registry.listings();
  const auto found = std::find_if(listings.begin(), listings.end(), [&](const plugin::Listing& listing) {
    return listing.ok() && listing.name == schema->name && listing.version == schema->version &&
           listing.kind == plugin::to_string(schema->kind);
  });
  return found != listings.end() && !needs_libtorch(found->path);
}

class Trials {
 public:
  Trials(const Recipe& recipe, const plugin::Registry& registry) : registry_(registry) {
    add_steps(recipe.augment, "augment");
    for (std::size_t i = 0; i < recipe.loss.size(); ++i) add(recipe.loss[i].component, fmt::format("loss[{}]", i));
    for (std::size_t i = 0; i < recipe.predict.post.size(); ++i)
      add(recipe.predict.post[i], fmt::format("predict.post[{}]", i));
    if (recipe.ensemble) add(recipe.ensemble->component, "ensemble");
  }
  const std::vector<Trial>& all() const noexcept { return trials_; }

 private:
  void add(const Component& component, std::string key) {
    if (can_be_tried(component, registry_)) trials_.push_back({&component, std::move(key)});
  }
  void add_steps(const std::vector<AugmentStep>& steps, const std::string& key) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::string own = fmt::format("{}[{}]", key, i);
      if (steps[i].group.empty())
        add(steps[i].component, own);
      else
        add_steps(steps[i].steps, own + ".steps");
    }
  }

  const plugin::Registry& registry_;
  std::vector<Trial> trials_;
};

nlohmann::json json_of(const plugin::ComponentType& type) {
  return {type.flags, type.shape, type.needs_forms, type.needs_grids, type.gives_forms, type.gives_grids};
}
plugin::ComponentType type_from(const nlohmann::json& given) {
  return {given.at(0), given.at(1), given.at(2), given.at(3), given.at(4), given.at(5)};
}

plugin::ClassContext classes_for(const Component& component, const DataSection& data) {
  plugin::ClassContext classes = class_context(data);
  if (component.classes.empty()) return classes;
  classes.names = component.classes;
  classes.mirrored.clear();
  return classes;
}

// Gives what a post-processor or an ensembler says of itself; null of others.
nlohmann::json make(const Component& component, const Recipe& recipe, plugin::Registry& registry) {
  const plugin::ClassContext classes = classes_for(component, recipe.data);
  const plugin::LoadedComponent loaded = registry.load(component.kind, component.plugin, component.version);
  const plugin::Call call;
  switch (component.kind) {
    case plugin::Kind::kAugmentation:
      plugin::Augmentation(loaded, component.parameters, classes, call);
      return {};
    case plugin::Kind::kLoss:
      plugin::Loss(loaded, component.parameters, classes, call);
      return {};
    case plugin::Kind::kPostprocessor:
      return json_of(plugin::type_of(plugin::Postprocessor(loaded, component.parameters, classes, call).info()));
    case plugin::Kind::kEnsembler: {
      std::vector<std::string> members;
      for (const Member& member : recipe.ensemble->members) members.push_back(member.run.string());
      return json_of(plugin::type_of(plugin::Ensembler(loaded, component.parameters, classes, members, call).info()));
    }
    case plugin::Kind::kModel:
      break;
  }
  return {};
}

// In the copy: a line before each component, and one for what came of it.
int try_all(const std::vector<Trial>& trials, const Recipe& recipe, plugin::Registry& registry) {
  const auto say = [](const nlohmann::json& line) {
    answer_parent(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  };
  for (std::size_t i = 0; i < trials.size(); ++i) {
    say({{"at", i}});
    try {
      const nlohmann::json type = make(*trials[i].component, recipe, registry);
      if (!type.is_null()) say({{"at", i}, {"type", type}});
    } catch (const Error& failure) {
      say({{"at", i}, {"code", static_cast<int>(failure.code())}, {"message", failure.what()}});
    } catch (const std::exception& failure) {
      say({{"at", i}, {"code", static_cast<int>(ExitCode::kUnforeseen)}, {"message", failure.what()}});
    }
  }
  return 0;
}

}  // namespace

MadeTypes try_components(const Recipe& recipe, plugin::Registry& registry) {
  MadeTypes made;
  const std::vector<Trial> trials = Trials(recipe, registry).all();
  if (trials.empty()) return made;
  const ChildOutcome outcome = run_copy([&] { return try_all(trials, recipe, registry); }, kLimit);
  Problems problems;
  std::istringstream lines(outcome.answer);
  const Trial* last = nullptr;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json said = nlohmann::json::parse(line);
    last = &trials.at(said.at("at").get<std::size_t>());
    if (said.contains("type")) made[last->key] = type_from(said.at("type"));
    if (!said.contains("message")) continue;
    const auto code = static_cast<ExitCode>(said.at("code").get<int>());
    const std::string message = said.at("message");
    if (code != ExitCode::kUsage) throw Error(code, message, to_string(last->component->location));
    problems.add(last->component->location, last->key, message);
  }
  problems.throw_if_any();
  if (!outcome.ended_well())
    throw Error(ExitCode::kPlugin,
                last != nullptr ? fmt::format("{} '{}', create: {}", plugin::to_string(last->component->kind),
                                              last->component->plugin, outcome.trouble())
                                : "the plugins of this recipe could not be tried: " + outcome.trouble(),
                last != nullptr ? to_string(last->component->location) : std::string());
  return made;
}

}  // namespace osteon::recipe
