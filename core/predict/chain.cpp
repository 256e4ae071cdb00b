// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include <utility>

#include "base/error.hpp"
#include "plugin/type_table.hpp"
#include "predict/bridge.hpp"
#include "predict/chain_check.hpp"
#include "predict/chain_type.hpp"
#include "predict/link.hpp"
#include "predict/predict.hpp"
#include "predict/some_classes.hpp"
#include "recipe/located.hpp"

namespace osteon::predict {
namespace {

/// A post-processor over another predictor.
class Wrapped final : public Predictor {
 public:
  Wrapped(std::shared_ptr<const Predictor> inner, std::shared_ptr<const Link> link)
      : Predictor(inner->classes(), link->gives(), inner->thresholds(), inner->batch_size()),
        inner_(std::move(inner)),
        link_(std::move(link)) {}

  std::string name() const override { return link_->name(); }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
    link_->process(call, *inner_, images, request, predictions);
  }
  std::unique_ptr<Reading> open(const osteon_call* call, const osteon_image& image,
                                const osteon_predict_request& request) const override {
    std::unique_ptr<Reading> bands = link_->open(call, *this, *inner_, image, request);
    return bands ? std::move(bands) : Predictor::open(call, image, request);
  }

 private:
  std::shared_ptr<const Predictor> inner_;
  std::shared_ptr<const Link> link_;
};

// What lies beneath a post-processor, in a form that it works with.
std::shared_ptr<const Predictor> in_a_form_for(const plugin::ComponentType& type,
                                               std::shared_ptr<const Predictor> inner, const recipe::Recipe& recipe) {
  if ((type.needs_forms & inner->gives_forms()) != 0) return inner;
  return std::make_shared<Bridge>(std::move(inner), type.needs_forms, decision_of(recipe));
}

// What it can be asked for over that.
Gives gives_over(const plugin::Postprocessor& post, const plugin::Parameters& parameters, const Predictor& beneath) {
  const sdk::Beneath within{beneath.classes().multiclass, beneath.gives_forms(), beneath.gives_grids()};
  const plugin::ComponentType type =
      plugin::type_of(post.component().schema, parameters, within).value_or(plugin::type_of(post.info()));
  return {type.gives_forms, type.gives_grids};
}

}  // namespace

Chain build_chain(std::shared_ptr<const Predictor> inner, const recipe::Recipe& recipe, plugin::Registry& registry,
                  const OpenRun& open_run, Extent extent, const std::string& who) {
  const plugin::Call call;
  Chain chain;
  chain.predictor = std::move(inner);
  const Gives bottom = gives_of(*chain.predictor);
  for (std::size_t i = 0; i < recipe.predict.post.size(); ++i) {
    const recipe::Component& component = recipe.predict.post[i];
    const std::string own = who + "post." + std::to_string(i) + "/" + component.plugin;
    std::vector<std::shared_ptr<const Predictor>> others;
    const auto resolve = [&](const std::string& path) {
      others.push_back(open_run(path, own + "/"));
      return &others.back()->raw();
    };
    const plugin::ClassContext& all = chain.predictor->classes();
    const std::vector<std::int32_t> classes = acted_on(component, all);
    auto post = recipe::located(component, [&] {
      return std::make_shared<plugin::Postprocessor>(
          registry.load(plugin::Kind::kPostprocessor, component.plugin, component.version), component.parameters,
          classes.empty() ? all : narrowed(all, classes), call, resolve);
    });
    if (post->fit() != nullptr && extent == Extent::kUpToFitted) break;
    const plugin::ComponentType type = plugin::type_of(post->info());
    std::string why = unpaired_class(component, type, all, classes);
    if (why.empty()) {
      why = misfit(component, type, chain.predictor->name(), gives_of(*chain.predictor));
      const std::string advice = why.empty() ? "" : other_order(recipe, registry, bottom, i);
      if (!advice.empty()) why += "; " + advice;
    }
    if (!why.empty()) throw Error(ExitCode::kUsage, why, recipe::to_string(component.location));
    std::shared_ptr<const Predictor> beneath = in_a_form_for(type, chain.predictor, recipe);
    const Gives gives = gives_over(*post, component.parameters, *beneath);
    if (post->fit() != nullptr)
      chain.fitted.push_back({i, component.plugin, recipe::to_string(component.location), post,
                              classes.empty() ? beneath : std::make_shared<Narrowed>(beneath, classes), classes});
    const auto link = std::make_shared<const Link>(std::move(post), std::move(others), own, gives);
    if (classes.empty())
      chain.predictor = std::make_shared<Wrapped>(std::move(beneath), link);
    else
      chain.predictor = std::make_shared<SomeClasses>(std::move(beneath), link, classes, decision_of(recipe));
    chain.steps.push_back(chain.predictor);
  }
  return chain;
}

}  // namespace osteon::predict
