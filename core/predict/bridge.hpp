// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "predict/decide.hpp"
#include "predict/predictor.hpp"

namespace osteon::predict {

/// A predictor in a form that it does not give itself: masks of logits or probabilities, by the thresholds in force;
/// probabilities of masks; logits of either (predict/reform.hpp). So that what works on masks and what works on
/// probabilities can lie on each other in any order. It asks its own for what costs least: where it decides, for logits
/// on the model's grid, of which no full-size planes are made.
class Bridge final : public Predictor {
 public:
  /// @param forms     that are needed, none of which `inner` gives; of several, those that lose least are given
  /// @param decision  of all of its classes
  Bridge(std::shared_ptr<const Predictor> inner, std::uint32_t forms, Decision decision);

  std::string name() const override { return inner_->name(); }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;
  std::unique_ptr<Reading> open(const osteon_call* call, const osteon_image& image,
                                const osteon_predict_request& request) const override;

 private:
  osteon_predict_request beneath(const osteon_predict_request& request) const;

  std::shared_ptr<const Predictor> inner_;
  Decision decision_;
};

/// The form that a predictor is best asked for where masks are decided of it: logits, then probabilities, then bits.
std::uint32_t form_to_decide(const Predictor& predictor);
/// And the grid: the model's where it gives that.
std::uint32_t grid_to_decide(const Predictor& predictor);

}  // namespace osteon::predict
