// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <osteon/abi/postprocessor.h>

#include "plugin/component.hpp"
#include "plugin/fit.hpp"

namespace osteon::plugin {

/// A post-processor instance. Thread-safe, but for fitting.
class Postprocessor {
 public:
  Postprocessor(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, const Call& call,
                const PredictorResolver& resolver = {});
  ~Postprocessor();
  Postprocessor(const Postprocessor&) = delete;
  Postprocessor& operator=(const Postprocessor&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  const osteon_postprocessor_info& info() const noexcept { return info_; }
  /// How it is fitted; nullptr when it need not be.
  Fit* fit() noexcept { return fit_ ? &*fit_ : nullptr; }
  const Fit* fit() const noexcept { return fit_ ? &*fit_ : nullptr; }

  /// As osteon_postprocessor_api.process, on structs of the host's own; `call` is passed through so that one request
  /// stays one request. When it throws Error, predictions own nothing, or what they own is to be given back.
  void process(const osteon_call* call, const osteon_predictor& inner, std::uint64_t n,
               const osteon_image* const* images, const osteon_predict_request& request,
               osteon_prediction* const* predictions) const;

 private:
  void read_info();
  void check_prediction(const osteon_call* call, const osteon_predictor& inner, const osteon_image& image,
                        const osteon_predict_request& request, const osteon_prediction& given) const;

  LoadedComponent component_;
  osteon_postprocessor_api api_;
  osteon_postprocessor* post_ = nullptr;
  osteon_postprocessor_info info_{};
  std::optional<Fit> fit_;
};

}  // namespace osteon::plugin
