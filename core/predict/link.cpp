// SPDX-License-Identifier: Apache-2.0
#include "predict/link.hpp"

#include <utility>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "predict/finite.hpp"

namespace osteon::predict {

Link::Link(std::shared_ptr<plugin::Postprocessor> post, std::vector<std::shared_ptr<const Predictor>> others,
           std::string who, const Gives& gives)
    : post_(std::move(post)), others_(std::move(others)), who_(std::move(who)), gives_(gives) {}

void Link::expect_fitted() const {
  if (const plugin::Fit* fit = std::as_const(*post_).fit(); fit != nullptr && !fit->ready())
    throw Error(ExitCode::kUsage, name() + " has to be fitted before it predicts");
}

plugin::Call Link::derived(const osteon_call* call) const {
  plugin::DeriveOptions options;
  options.progress_end = 1;
  options.who = who_;
  return plugin::Call(call, options);
}

void Link::process(const osteon_call* call, const Predictor& inner, const std::vector<const osteon_image*>& images,
                   const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  expect_fitted();
  const plugin::Call own = derived(call);
  sdk::detail::OutPredictions out(predictions);
  post_->process(own.raw(), inner.raw(), images.size(), images.data(), request, out.data());
  out.take();
}

/// Bands that a post-processor gives of what lies beneath it.
class Link::Bands final : public Reading {
 public:
  Bands(const Link& link, const Predictor& whole, const osteon_image& image, std::unique_ptr<KeptRequest> request,
        plugin::Postprocessor::Reading reading)
      : Reading(image.pixels.shape[0]),
        link_(link),
        whole_(whole),
        image_(image),
        request_(std::move(request)),
        reading_(std::move(reading)) {}

 protected:
  OwnedPrediction next(const osteon_call* call, RowRange rows) override {
    const plugin::Call own = link_.derived(call);
    OwnedPrediction band;
    reading_.read(own.raw(), rows.count, band.raw());
    naming_not_finite(whole_, image_, request_->get(), request_->get().form,
                      [&] { expect_finite(sdk::Call(own.raw()), band.raw(), rows.first); });
    return band;
  }

 private:
  const Link& link_;
  const Predictor& whole_;
  const osteon_image& image_;
  std::unique_ptr<KeptRequest> request_;
  plugin::Postprocessor::Reading reading_;
};

std::unique_ptr<Reading> Link::open(const osteon_call* call, const Predictor& whole, const Predictor& inner,
                                    const osteon_image& image, const osteon_predict_request& request) const {
  expect_fitted();
  const plugin::Call own = derived(call);
  auto kept = std::make_unique<KeptRequest>(request);
  auto reading = post_->open(own.raw(), inner.raw(), image, kept->get());
  if (!reading) return nullptr;
  return std::make_unique<Bands>(*this, whole, image, std::move(kept), std::move(*reading));
}

}  // namespace osteon::predict
