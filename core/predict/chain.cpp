// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "predict/bridge.hpp"
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
      : Predictor(inner->classes(), link->gives(*inner)), inner_(std::move(inner)), link_(std::move(link)) {}

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

std::string grids_text(std::uint32_t grids) {
  const bool model = (grids & OSTEON_SET(OSTEON_GRID_MODEL)) != 0, image = (grids & OSTEON_SET(OSTEON_GRID_IMAGE)) != 0;
  return model && image ? "the model's grid or the image's" : model ? "the model's grid" : "the image's grid";
}

// What lies beneath a post-processor, in a form that it works with. Refuses one that needs another grid.
std::shared_ptr<const Predictor> fitting(std::shared_ptr<const Predictor> inner, const osteon_postprocessor_info& info,
                                         const recipe::Recipe& recipe, const recipe::Component& component) {
  if ((info.needs_forms & inner->gives_forms()) == 0)
    inner = std::make_shared<Bridge>(std::move(inner), info.needs_forms, decision_of(recipe));
  if ((info.needs_grids & inner->gives_grids()) == 0)
    throw Error(ExitCode::kUsage,
                "post-processor '" + component.plugin + "' needs " + grids_text(info.needs_grids) + ", and " +
                    inner->name() + " under it gives " + grids_text(inner->gives_grids()) +
                    "; put them in another order",
                recipe::to_string(component.location));
  return inner;
}

// The numbers of the classes that a post-processor acts on, rising; empty: all.
std::vector<std::int32_t> classes_of(const recipe::Component& component, const plugin::ClassContext& all) {
  std::vector<std::int32_t> classes;
  for (std::size_t c = 0; c < all.names.size(); ++c)
    if (std::find(component.classes.begin(), component.classes.end(), all.names[c]) != component.classes.end())
      classes.push_back(static_cast<std::int32_t>(c));
  return classes;
}

// A wrapper may have mirrored images predicted, in which a class that it sees could become one that it does not.
void expect_pairs(const recipe::Component& component, const plugin::ClassContext& all,
                  const std::vector<std::int32_t>& classes) {
  for (const std::int32_t c : classes) {
    const std::int32_t other = all.mirrored.empty() ? c : all.mirrored[static_cast<std::size_t>(c)];
    if (std::binary_search(classes.begin(), classes.end(), other)) continue;
    throw Error(ExitCode::kUsage,
                "post-processor '" + component.plugin + "' acts on the class '" +
                    all.names[static_cast<std::size_t>(c)] + "' and not on '" +
                    all.names[static_cast<std::size_t>(other)] +
                    "', which it becomes in a mirrored image; name both in `classes`",
                recipe::to_string(component.location));
  }
}

}  // namespace

Chain build_chain(std::shared_ptr<const Predictor> inner, const recipe::Recipe& recipe, plugin::Registry& registry,
                  const OpenRun& open_run, Extent extent, const std::string& who) {
  const plugin::Call call;
  Chain chain;
  chain.predictor = std::move(inner);
  for (std::size_t i = 0; i < recipe.predict.post.size(); ++i) {
    const recipe::Component& component = recipe.predict.post[i];
    const std::string own = who + "post." + std::to_string(i) + "/" + component.plugin;
    std::vector<std::shared_ptr<const Predictor>> others;
    const auto resolve = [&](const std::string& path) {
      others.push_back(open_run(path, own + "/"));
      return &others.back()->raw();
    };
    const plugin::ClassContext& all = chain.predictor->classes();
    const std::vector<std::int32_t> classes = classes_of(component, all);
    auto post = recipe::located(component, [&] {
      return std::make_shared<plugin::Postprocessor>(
          registry.load(plugin::Kind::kPostprocessor, component.plugin, component.version), component.parameters,
          classes.empty() ? all : narrowed(all, classes), call, resolve);
    });
    if (post->fit() != nullptr && extent == Extent::kUpToFitted) break;
    if (post->info().shape == OSTEON_POSTPROCESSOR_WRAPPER) expect_pairs(component, all, classes);
    std::shared_ptr<const Predictor> beneath = fitting(chain.predictor, post->info(), recipe, component);
    if (post->fit() != nullptr)
      chain.fitted.push_back({i, component.plugin, recipe::to_string(component.location), post,
                              classes.empty() ? beneath : std::make_shared<Narrowed>(beneath, classes), classes});
    const auto link = std::make_shared<const Link>(std::move(post), std::move(others), own);
    if (classes.empty())
      chain.predictor = std::make_shared<Wrapped>(std::move(beneath), link);
    else
      chain.predictor = std::make_shared<SomeClasses>(std::move(beneath), link, classes, decision_of(recipe));
    chain.steps.push_back(chain.predictor);
  }
  return chain;
}

}  // namespace osteon::predict
