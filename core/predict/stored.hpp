// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

#include "predict/predictor.hpp"

namespace osteon::predict {

/// Probabilities of one image that somebody made before, as a predictor of that image and of no other. They may be on a
/// smaller grid, which covers the image as a resized copy of it would.
class Stored final : public Predictor {
 public:
  /// @param values      float32 [classes, height, width]
  /// @param image       size of the image that they are of
  /// @param thresholds  in force, one for each class; empty: none
  Stored(const plugin::ClassContext& classes, sdk::OwnedTensor values, cv::Size image,
         std::vector<double> thresholds = {});

  std::string name() const override { return "the stored probabilities"; }
  /// Throws sdk::Unsupported for another image than the root image as it is.
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;

  /// Whether anybody asked for another image, in vain.
  bool asked_for_another() const noexcept { return asked_for_another_; }

 private:
  OwnedPrediction planes(const osteon_call* call, const std::vector<std::int32_t>& classes) const;

  sdk::OwnedTensor values_;
  cv::Size image_;
  mutable std::atomic<bool> asked_for_another_{false};
};

}  // namespace osteon::predict
