// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include "base/error.hpp"
#include "plugin/postprocessor.hpp"
#include "recipe/problems.hpp"

namespace osteon::predict {
namespace {

/// A post-processor over another predictor.
class Wrapped final : public Predictor {
 public:
  Wrapped(std::shared_ptr<const Predictor> inner, std::unique_ptr<plugin::Postprocessor> post,
          std::vector<std::shared_ptr<const Predictor>> others)
      : Predictor(inner->classes(), {post->info().gives_forms, post->info().gives_grids}),
        inner_(std::move(inner)),
        others_(std::move(others)),
        post_(std::move(post)) {}

  std::string name() const override { return "post-processor '" + post_->component().name() + "'"; }

  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
    std::vector<osteon_prediction*> out;
    for (OwnedPrediction& prediction : predictions) out.push_back(&prediction.raw());
    post_->process(call, inner_->raw(), images.size(), images.data(), request, out.data());
  }

 private:
  std::shared_ptr<const Predictor> inner_;
  std::vector<std::shared_ptr<const Predictor>> others_;  // what its `predictor` parameters name
  std::unique_ptr<plugin::Postprocessor> post_;
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

std::shared_ptr<const Predictor> build_chain(std::shared_ptr<const Predictor> inner, const recipe::Recipe& recipe,
                                             plugin::Registry& registry, const OpenRun& open_run) {
  const plugin::Call call;
  for (const recipe::Component& component : recipe.predict.post) {
    std::vector<std::shared_ptr<const Predictor>> others;
    const auto resolve = [&](const std::string& path) {
      others.push_back(open_run(path));
      return &others.back()->raw();
    };
    auto post = std::make_unique<plugin::Postprocessor>(registry.load(plugin::Kind::kPostprocessor, component.plugin),
                                                        component.parameters, inner->classes(), call, resolve);
    const osteon_postprocessor_info& info = post->info();
    expect_common(component, *inner, info.needs_forms, inner->gives_forms(), form_names());
    expect_common(component, *inner, info.needs_grids, inner->gives_grids(), grid_names());
    inner = std::make_shared<Wrapped>(std::move(inner), std::move(post), std::move(others));
  }
  return inner;
}

}  // namespace osteon::predict
