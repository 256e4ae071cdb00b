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

  /// A prediction of one image that is read in bands. Throws Error as process() does; closed when it dies, before what
  /// it was opened with.
  class Reading {
   public:
    Reading(Reading&& other) noexcept;
    Reading& operator=(Reading&&) = delete;
    ~Reading();
    /// The next rows, no more than are left.
    void read(const osteon_call* call, std::int64_t rows, osteon_prediction& prediction);

   private:
    friend class Postprocessor;
    Reading(const Postprocessor* owner, osteon_reading* handle, const osteon_predictor& inner,
            const osteon_image& image, const osteon_predict_request& request);

    const Postprocessor* owner_;
    osteon_reading* handle_;
    const osteon_predictor* inner_;
    std::int64_t width_;
    osteon_predict_request request_;
  };
  /// As osteon_postprocessor_api.open; nothing where it does not work by bands.
  std::optional<Reading> open(const osteon_call* call, const osteon_predictor& inner, const osteon_image& image,
                              const osteon_predict_request& request) const;

 private:
  void read_info();
  void check_prediction(const osteon_call* call, const osteon_predictor& inner, const osteon_image& image,
                        const osteon_predict_request& request, const osteon_prediction& given) const;
  void check_values(const osteon_call* call, const char* from, const osteon_predictor& inner, std::int64_t height,
                    std::int64_t width, const osteon_predict_request& request,
                    const osteon_prediction& prediction) const;

  LoadedComponent component_;
  osteon_postprocessor_api api_;
  osteon_postprocessor* post_ = nullptr;
  osteon_postprocessor_info info_{};
  std::optional<Fit> fit_;
};

}  // namespace osteon::plugin
