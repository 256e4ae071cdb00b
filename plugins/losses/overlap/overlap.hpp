// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>

#include "overlap/overlap_loops.hpp"
#include "overlap/overlap_params.hpp"

/// Losses that are a fraction of overlaps, from logits; multilabel data (sigmoid) and multiclass data (softmax):
///
///     L = f(I, P, T),   I = sum w p t,  P = sum w p,  T = sum w t   over valid pixels
///
/// `per_image = true`: an L for each image and class; the value is their mean, each weighted by the sample weight of
/// its image (not divided out again). `per_image = false`: sums run over the batch, weighted by sample weights, with
/// one L for each class. The mean is weighted by class_weight, which is divided out. Images without a valid pixel do
/// not count, nor, with `ignore_empty`, does an L whose class has no valid target pixel.
///
/// w is the weight of a pixel: 1, unless the data says so; a pixel of weight 0 is one that is not valid. The L of a
/// class that is unknown in an image does not count, and is left out of the weights that the mean divides by; over the
/// batch, the image adds nothing to the sums of the class. The softmax of multiclass data runs over the classes that
/// are known in the image. A target t is a bit, or lies between 0 and 1.
///
/// Two passes over the logits: sums, then the gradient dL/dp = t dL/dI + dL/dP. Multilabel data is worked through in
/// groups of classes that stay in the cache between the passes, with the derivatives of their sigmoids: 8 MB.
namespace osteon::losses {

/// f and its derivatives, for the sums of one class.
struct OverlapTerm {
  double value = 0;
  double by_overlap = 0;      ///< dL/dI
  double by_probability = 0;  ///< dL/dP
};

class Overlap {
 public:
  using Formula = std::function<OverlapTerm(const OverlapSums&)>;

  /// `squared`: P = sum w p^2, T = sum w t^2.
  Overlap(const OverlapParams& params, bool squared, const sdk::LossRequest& request, Formula formula);

  double evaluate(const sdk::Call& call, const sdk::LossInput& in) const;

 private:
  double evaluate_sigmoid(const sdk::Call& call, const sdk::LossInput& in, const std::vector<double>& shares) const;
  double evaluate_softmax(const sdk::Call& call, const sdk::LossInput& in, const std::vector<double>& shares) const;
  double reduce(const sdk::LossInput& in, std::int64_t i0, std::int64_t images, std::int64_t c0, std::int64_t classes,
                const OverlapSums* sums, const std::vector<double>& shares, OverlapSlopes* slopes) const;

  sdk::MeanOfClasses mean_;
  bool squared_, multiclass_;
  Formula formula_;
};

}  // namespace osteon::losses
