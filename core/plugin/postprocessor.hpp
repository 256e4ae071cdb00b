// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/abi/postprocessor.h>

#include "plugin/component.hpp"

namespace osteon::plugin {

/// A post-processor instance. Thread-safe.
class Postprocessor {
 public:
  Postprocessor(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, const Call& call,
                const PredictorResolver& resolver = {});
  ~Postprocessor();
  Postprocessor(const Postprocessor&) = delete;
  Postprocessor& operator=(const Postprocessor&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  const osteon_postprocessor_info& info() const noexcept;

  /// As osteon_postprocessor_api.process; `call` is passed through so that one request stays one request.
  void process(const osteon_call* call, const osteon_predictor& inner, std::uint64_t n,
               const osteon_image* const* images, const osteon_predict_request& request,
               osteon_prediction* const* predictions) const;

 private:
  const osteon_postprocessor_api& api() const noexcept { return component_.api<osteon_postprocessor_api>(); }
  LoadedComponent component_;
  osteon_postprocessor* post_ = nullptr;
};

}  // namespace osteon::plugin
