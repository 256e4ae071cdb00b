// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "plugin/ensembler.hpp"
#include "predict/predictor.hpp"

namespace osteon::predict {

/// Members combined by an ensembler. Members are run one after another and let go, classes that a member cannot change are not
/// asked of it, and the combination is kept by groups of classes: memory is one member's group and one result.
class Ensemble final : public Predictor {
 public:
  /// All members have these classes. `thresholds` make a member's bits where the ensembler votes on bits: per member, per class.
  Ensemble(std::shared_ptr<plugin::Ensembler> ensembler, std::vector<std::shared_ptr<const Predictor>> members, const plugin::ClassContext& classes,
           std::vector<std::vector<double>> thresholds);

  std::uint32_t gives_forms() const override;
  std::uint32_t gives_grids() const override { return OSTEON_SET(OSTEON_GRID_IMAGE); }
  std::string name() const override { return "ensembler '" + ensembler_->component().name() + "'"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images, const osteon_predict_request& request,
               std::vector<OwnedPrediction>& predictions) const override;

 private:
  void predict_one(const osteon_call* call, const osteon_image& image, const osteon_predict_request& request, OwnedPrediction& prediction) const;
  sdk::OwnedTensor combine(const osteon_call* call, const osteon_image& image, const std::vector<std::int32_t>& group, std::uint32_t scale) const;

  std::shared_ptr<plugin::Ensembler> ensembler_;
  std::vector<std::shared_ptr<const Predictor>> members_;
  std::vector<std::vector<double>> thresholds_;
};

/// What one member says of some classes of an image, in the form that an ensembler takes, on the image's grid.
sdk::OwnedTensor member_prediction(const osteon_call* call, const Predictor& member, const osteon_image& image, std::uint32_t form,
                                   const std::vector<std::int32_t>& classes, std::uint32_t scale, const std::vector<double>& thresholds);

}  // namespace osteon::predict
