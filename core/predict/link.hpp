// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/postprocessor.hpp"
#include "predict/predictor.hpp"
#include "predict/reading.hpp"

namespace osteon::predict {

/// A post-processor of a chain, apart from what lies beneath it. Thread-safe.
class Link {
 public:
  /// @param others  what its `predictor` parameters name
  /// @param who     what its notes and log lines are named by
  /// @param gives   what it can be asked for over what lies beneath
  Link(std::shared_ptr<plugin::Postprocessor> post, std::vector<std::shared_ptr<const Predictor>> others,
       std::string who, const Gives& gives);

  std::string name() const { return "post-processor '" + post_->component().name() + "'"; }
  Gives gives() const { return gives_; }
  /// One inner call, for the same images.
  bool is_map() const { return post_->info().shape == OSTEON_POSTPROCESSOR_MAP; }

  /// As Predictor::predict, over `inner`. Throws Error(kUsage) where it has to be fitted and is not.
  void process(const osteon_call* call, const Predictor& inner, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const;

  /// As Predictor::open, of `whole`, which is this over `inner`; null where it does not work by bands.
  std::unique_ptr<Reading> open(const osteon_call* call, const Predictor& whole, const Predictor& inner,
                                const osteon_image& image, const osteon_predict_request& request) const;

 private:
  class Bands;
  void expect_fitted() const;
  plugin::Call derived(const osteon_call* call) const;

  std::shared_ptr<plugin::Postprocessor> post_;
  std::vector<std::shared_ptr<const Predictor>> others_;
  std::string who_;
  Gives gives_;
};

}  // namespace osteon::predict
