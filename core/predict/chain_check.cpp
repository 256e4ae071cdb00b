// SPDX-License-Identifier: Apache-2.0
#include "predict/chain_check.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "plugin/type_table.hpp"
#include "recipe/class_context.hpp"
#include "recipe/load_recipe.hpp"
#include "recipe/problems.hpp"

namespace osteon::predict {
namespace {

namespace fs = std::filesystem;
using plugin::ComponentType;

std::string post_key(std::size_t i) { return fmt::format("predict.post[{}]", i); }

/// What components of a recipe need and give.
class Types {
 public:
  Types(const plugin::Registry& registry, const recipe::MadeTypes& made) : registry_(registry), made_(made) {}

  /// nullopt: not known before it is made.
  std::optional<ComponentType> of(const recipe::Component& component, const std::string& key,
                                  const sdk::Beneath& beneath) const {
    if (const auto* schema = registry_.find(component.kind, component.plugin, component.version))
      if (auto type = plugin::type_of(*schema, component.parameters, beneath)) return type;
    const auto found = made_.find(key);
    return found == made_.end() ? std::nullopt : std::optional<ComponentType>(found->second);
  }
  /// A post-processor over what the host makes of `beneath` for it.
  std::optional<ComponentType> of_post(const recipe::Component& post, std::size_t i, bool multiclass,
                                       const Gives& beneath) const {
    const auto type = of(post, post_key(i), sdk::Beneath{multiclass});
    if (!type) return type;
    const Gives seen = seen_by(beneath, *type);
    return of(post, post_key(i), sdk::Beneath{multiclass, seen.forms, seen.grids});
  }

 private:
  const plugin::Registry& registry_;
  const recipe::MadeTypes& made_;
};

Gives gives_of(const ComponentType& type) { return {type.gives_forms, type.gives_grids}; }

bool fit_in_order(const recipe::Recipe& recipe, const Types& types, Gives gives,
                  const std::vector<std::size_t>& order) {
  const bool multiclass = recipe.data.kind == "multiclass";
  for (const std::size_t i : order) {
    const recipe::Component& post = recipe.predict.post[i];
    const auto type = types.of_post(post, i, multiclass, gives);
    if (!type || !misfit(post, *type, "", gives).empty()) return false;
    gives = gives_of(*type);
  }
  return true;
}

/// A run or a recipe, as far as it is known.
struct Typed {
  plugin::ClassContext classes;
  std::optional<Gives> gives;
  std::string name;  ///< of what is outermost, as errors call it
};

class ChainCheck {
 public:
  explicit ChainCheck(const plugin::Registry& registry) : registry_(registry) {}

  Typed type(const recipe::Recipe& recipe, const recipe::MadeTypes& made) {
    const Types types(registry_, made);
    Typed typed;
    typed.classes = recipe::class_context(recipe.data);
    if (recipe.ensemble)
      add_ensemble(*recipe.ensemble, types, typed);
    else if (recipe.model) {
      typed.gives = Gives{};
      typed.name = "model '" + recipe.model->component.plugin + "'";
    }
    const std::optional<Gives> bottom = typed.gives;
    for (std::size_t i = 0; i < recipe.predict.post.size(); ++i) {
      const recipe::Component& post = recipe.predict.post[i];
      look_at_runs(post, post_key(i));
      // Where it is not known what lies beneath, nothing is said that may be wrong.
      const auto type = types.of_post(post, i, typed.classes.multiclass,
                                      typed.gives.value_or(Gives{sdk::Beneath::kForms, sdk::Beneath::kGrids}));
      if (type) {
        const std::string unpaired = unpaired_class(post, *type, typed.classes, acted_on(post, typed.classes));
        if (!unpaired.empty()) problems_.add(post.location, post_key(i) + ".classes", unpaired);
      }
      if (type && typed.gives) {
        const std::string why = misfit(post, *type, typed.name, *typed.gives);
        if (!why.empty())
          problems_.add(post.location, post_key(i), why, other_order(recipe, registry_, *bottom, i, made));
      }
      typed.gives = type ? std::optional<Gives>(gives_of(*type)) : std::nullopt;
      typed.name = "post-processor '" + post.plugin + "'";
    }
    return typed;
  }

  void throw_if_any() { problems_.throw_if_any(); }

 private:
  // The run that a recipe names at `location`; nullptr where it cannot be read, which is then said.
  const Typed* run(const fs::path& folder, const recipe::Location& location, const std::string& key) {
    const fs::path path = fs::weakly_canonical(folder);
    if (const auto known = runs_.find(path); known != runs_.end()) return known->second ? &*known->second : nullptr;
    if (std::error_code none; !fs::exists(folder / "recipe.toml", none)) {
      problems_.add(location, key, "there is no run folder " + folder.string(), "train it first");
      return nullptr;
    }
    if (!above_.insert(path).second) {
      problems_.add(location, key, "the run " + folder.string() + " contains itself");
      return nullptr;
    }
    std::optional<Typed> typed;
    try {
      recipe::LoadOptions options;
      options.schemas = registry_.schemas();
      typed = type(recipe::load_recipe(folder / "recipe.toml", options).recipe, {});
    } catch (const recipe::RecipeErrors& e) {
      for (const recipe::RecipeProblem& problem : e.problems())
        problems_.add(problem.location, problem.key, problem.message, problem.suggestion);
    }
    above_.erase(path);
    auto& kept = runs_[path] = std::move(typed);
    return kept ? &*kept : nullptr;
  }

  // What a post-processor's `predictor` parameters name.
  void look_at_runs(const recipe::Component& post, const std::string& key) {
    const plugin::ComponentSchema* schema = registry_.find(post.kind, post.plugin, post.version);
    for (std::size_t i = 0; schema != nullptr && i < schema->parameters.size() && i < post.parameters.size(); ++i) {
      if (schema->parameters[i].type != plugin::ParameterType::kPredictor) continue;
      for (const std::string& path : std::get<std::vector<std::string>>(post.parameters[i]))
        run(path, post.location, key + "." + schema->parameters[i].name);
    }
  }

  void add_ensemble(const recipe::EnsembleSection& ensemble, const Types& types, Typed& typed) {
    typed.name = "ensembler '" + ensemble.component.plugin + "'";
    sdk::Beneath beneath;
    beneath.multiclass = typed.classes.multiclass;
    std::vector<const Typed*> members;
    std::set<std::string> had;
    for (std::size_t m = 0; m < ensemble.members.size(); ++m) {
      const recipe::Member& member = ensemble.members[m];
      const std::string key = member_key(m);
      members.push_back(run(member.run, member.location, key));
      if (members[m] == nullptr) continue;
      if (members[m]->gives) {
        beneath.gives_forms &= members[m]->gives->forms;
        beneath.gives_grids &= members[m]->gives->grids;
      }
      had.insert(members[m]->classes.names.begin(), members[m]->classes.names.end());
      try {
        channels_of(members[m]->classes, typed.classes, "member '" + member.run.string() + "'");
      } catch (const Error& e) {
        problems_.add(member.location, key, e.what());
      }
    }
    const bool all_are_known = std::count(members.begin(), members.end(), nullptr) == 0;
    for (const std::string& name : typed.classes.names)
      if (all_are_known && had.count(name) == 0)
        problems_.add(ensemble.component.location, "ensemble.member",
                      "no member of the ensemble has the class '" + name + "'");
    const auto type = types.of(ensemble.component, "ensemble", beneath);
    if (!type) return;
    typed.gives = gives_of(*type);
    for (std::size_t m = 0; m < members.size(); ++m) {
      if (members[m] == nullptr || !members[m]->gives) continue;
      const std::string why = member_misfit(*members[m]->gives, form_in(type->needs_forms),
                                            "member '" + ensemble.members[m].run.string() + "'");
      if (!why.empty()) problems_.add(ensemble.members[m].location, member_key(m), why);
    }
  }

  static std::string member_key(std::size_t m) { return fmt::format("ensemble.member[{}].run", m); }
  // The one form in a set.
  static std::uint32_t form_in(std::uint32_t forms) {
    std::uint32_t form = OSTEON_FORM_LOGITS;
    while (form < OSTEON_FORM_BITS && (forms & OSTEON_SET(form)) == 0) ++form;
    return form;
  }

  const plugin::Registry& registry_;
  recipe::Problems problems_;
  std::set<fs::path> above_;                       // runs on the way here
  std::map<fs::path, std::optional<Typed>> runs_;  // that were looked at; members may name one many times
};

}  // namespace

void check_chains(const recipe::Recipe& recipe, const plugin::Registry& registry, const recipe::MadeTypes& made) {
  ChainCheck check(registry);
  check.type(recipe, made);
  check.throw_if_any();
}

std::string other_order(const recipe::Recipe& recipe, const plugin::Registry& registry, const Gives& bottom,
                        std::size_t moved, const recipe::MadeTypes& made) {
  const Types types(registry, made);
  const std::size_t count = recipe.predict.post.size();
  for (std::size_t to = 0; to < count; ++to) {
    if (to == moved) continue;
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(moved));
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), moved);
    if (!fit_in_order(recipe, types, bottom, order)) continue;
    std::string names;
    for (const std::size_t i : order) names += (names.empty() ? "'" : ", '") + recipe.predict.post[i].plugin + "'";
    return "in the order " + names + " they fit";
  }
  return "";
}

}  // namespace osteon::predict
