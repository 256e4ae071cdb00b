// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/ensembler.hpp"
#include "predict/member.hpp"

namespace osteon::predict {

/// Members combined by an ensembler, by bands of rows and groups of classes. Each member runs once for an image and is
/// let go; groups of which it cannot change a class are not asked of it. Memory does not grow with the members: the
/// sums, of which what was read is given back, and what one member holds.
class Ensemble final : public Predictor {
 public:
  /// `ensembler` was made for these members, by class_table(). Thresholds make a member's bits where the ensembler
  /// votes on bits.
  /// @param thresholds  of the ensemble, for whoever asks; members have their own
  /// @param who         what notes and log lines of the ensembler are named by
  Ensemble(std::shared_ptr<plugin::Ensembler> ensembler, std::vector<Member> members,
           const plugin::ClassContext& classes, std::string who = {}, std::vector<double> thresholds = {});

  std::string name() const override { return "ensembler '" + ensembler_->component().name() + "'"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;
  /// All members run here; what is read are their sums.
  std::unique_ptr<Reading> open(const osteon_call* call, const osteon_image& image,
                                const osteon_predict_request& request) const override;

 private:
  class Sums;
  OwnedPrediction predict_one(const osteon_call* call, const osteon_image& image,
                              const osteon_predict_request& request) const;

  std::shared_ptr<plugin::Ensembler> ensembler_;
  std::vector<Member> members_;
  std::string who_;
};

}  // namespace osteon::predict
