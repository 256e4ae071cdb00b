// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "plugin/ensembler.hpp"
#include "predict/predictor.hpp"

namespace osteon::predict {

/// Members combined by an ensembler, by groups of classes. Each member runs once for an image and is let go; groups of
/// which it cannot change a class are not asked of it. Memory does not grow with the members: the sums, one member's
/// logits, and at the end the result.
class Ensemble final : public Predictor {
 public:
  /// All members have these classes. `thresholds` make a member's bits where the ensembler votes on bits: per member,
  /// per class.
  Ensemble(std::shared_ptr<plugin::Ensembler> ensembler, std::vector<std::shared_ptr<const Predictor>> members,
           const plugin::ClassContext& classes, std::vector<std::vector<double>> thresholds);

  std::string name() const override { return "ensembler '" + ensembler_->component().name() + "'"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;

 private:
  void predict_one(const osteon_call* call, const osteon_image& image, const osteon_predict_request& request,
                   OwnedPrediction& prediction) const;
  struct Group;
  bool needs(std::int64_t member, const std::vector<std::int32_t>& classes) const;
  void add_member(const osteon_call* call, std::size_t m, const osteon_image& image, std::uint32_t scale,
                  std::vector<Group>& groups) const;

  std::shared_ptr<plugin::Ensembler> ensembler_;
  std::vector<std::shared_ptr<const Predictor>> members_;
  std::vector<std::vector<double>> thresholds_;
};

}  // namespace osteon::predict
