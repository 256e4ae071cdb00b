// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include <utility>

#include "base/error.hpp"
#include "recipe/problems.hpp"

namespace osteon::predict {
namespace {

/// A post-processor over another predictor.
class Wrapped final : public Predictor {
 public:
  Wrapped(std::shared_ptr<const Predictor> inner, std::shared_ptr<plugin::Postprocessor> post,
          std::vector<std::shared_ptr<const Predictor>> others, std::string who)
      : Predictor(inner->classes(), {post->info().gives_forms, post->info().gives_grids}),
        inner_(std::move(inner)),
        others_(std::move(others)),
        post_(std::move(post)),
        who_(std::move(who)) {}

  std::string name() const override { return "post-processor '" + post_->component().name() + "'"; }

  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
    if (const plugin::Fit* fit = std::as_const(*post_).fit(); fit != nullptr && !fit->ready())
      throw Error(ExitCode::kUsage, name() + " has to be fitted before it predicts");
    plugin::DeriveOptions options;
    options.progress_end = 1;
    options.who = who_;
    const plugin::Call own(call, options);
    sdk::detail::OutPredictions out(predictions);
    post_->process(own.raw(), inner_->raw(), images.size(), images.data(), request, out.data());
    out.take();
  }

 private:
  std::shared_ptr<const Predictor> inner_;
  std::vector<std::shared_ptr<const Predictor>> others_;  // what its `predictor` parameters name
  std::shared_ptr<plugin::Postprocessor> post_;
  std::string who_;
};

using Names = std::vector<std::pair<std::uint32_t, const char*>>;
const Names& form_names() {
  static const Names kNames = {
      {OSTEON_FORM_LOGITS, "logits"}, {OSTEON_FORM_PROBABILITIES, "probabilities"}, {OSTEON_FORM_BITS, "bits"}};
  return kNames;
}
const Names& grid_names() {
  static const Names kNames = {{OSTEON_GRID_MODEL, "the model's grid"}, {OSTEON_GRID_IMAGE, "the image's grid"}};
  return kNames;
}

std::string set_text(std::uint32_t set, const Names& names) {
  std::string text;
  for (const auto& [number, name] : names)
    if ((set & OSTEON_SET(number)) != 0) text += (text.empty() ? "" : " or ") + std::string(name);
  return text.empty() ? "nothing" : text;
}

// Refuses a post-processor over something that gives none of what it needs.
void expect_common(const recipe::Component& component, const Predictor& inner, std::uint32_t needs, std::uint32_t gives,
                   const Names& names) {
  if ((needs & gives) != 0) return;
  throw Error(ExitCode::kUsage,
              "post-processor '" + component.plugin + "' needs " + set_text(needs, names) + ", and " + inner.name() +
                  " under it gives " + set_text(gives, names) + "; put them in another order",
              recipe::to_string(component.location));
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
    auto post = std::make_shared<plugin::Postprocessor>(
        registry.load(plugin::Kind::kPostprocessor, component.plugin, component.version), component.parameters,
        chain.predictor->classes(), call, resolve);
    if (post->fit() != nullptr) {
      if (extent == Extent::kUpToFitted) break;
      chain.fitted.push_back({i, component.plugin, recipe::to_string(component.location), post, chain.predictor});
    }
    const osteon_postprocessor_info& info = post->info();
    expect_common(component, *chain.predictor, info.needs_forms, chain.predictor->gives_forms(), form_names());
    expect_common(component, *chain.predictor, info.needs_grids, chain.predictor->gives_grids(), grid_names());
    chain.predictor = std::make_shared<Wrapped>(std::move(chain.predictor), std::move(post), std::move(others), own);
  }
  return chain;
}

}  // namespace osteon::predict
