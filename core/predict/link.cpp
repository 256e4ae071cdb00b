// SPDX-License-Identifier: Apache-2.0
#include "predict/link.hpp"

#include <utility>

#include "base/error.hpp"

namespace osteon::predict {

Link::Link(std::shared_ptr<plugin::Postprocessor> post, std::vector<std::shared_ptr<const Predictor>> others,
           std::string who, const Gives& gives)
    : post_(std::move(post)), others_(std::move(others)), who_(std::move(who)), gives_(gives) {}

void Link::process(const osteon_call* call, const Predictor& inner, const std::vector<const osteon_image*>& images,
                   const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  if (const plugin::Fit* fit = std::as_const(*post_).fit(); fit != nullptr && !fit->ready())
    throw Error(ExitCode::kUsage, name() + " has to be fitted before it predicts");
  plugin::DeriveOptions options;
  options.progress_end = 1;
  options.who = who_;
  const plugin::Call own(call, options);
  sdk::detail::OutPredictions out(predictions);
  post_->process(own.raw(), inner.raw(), images.size(), images.data(), request, out.data());
  out.take();
}

}  // namespace osteon::predict
