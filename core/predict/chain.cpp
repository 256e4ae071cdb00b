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
      : Predictor(inner->classes()), inner_(std::move(inner)), others_(std::move(others)), post_(std::move(post)) {}

  std::uint32_t gives_forms() const override { return post_->info().gives_forms; }
  std::uint32_t gives_grids() const override { return post_->info().gives_grids; }
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

[[noreturn]] void does_not_fit(const recipe::Component& component, const Predictor& inner, const char* what) {
  throw Error(ExitCode::kUsage,
              "post-processor '" + component.plugin + "' cannot stand over " + inner.name() + ": it needs another " +
                  what + " than that gives",
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
    if ((info.needs_forms & inner->gives_forms()) == 0) does_not_fit(component, *inner, "form");
    if ((info.needs_grids & inner->gives_grids()) == 0) does_not_fit(component, *inner, "grid");
    inner = std::make_shared<Wrapped>(std::move(inner), std::move(post), std::move(others));
  }
  return inner;
}

}  // namespace osteon::predict
