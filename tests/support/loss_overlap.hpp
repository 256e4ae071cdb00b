// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

/// For tests of losses that are a fraction of overlaps: their reference, one pixel at a time, and the rules that they
/// all keep.
namespace osteon::test {

struct OverlapOptions {
  double smooth = 1;
  bool squared = false, per_image = true, ignore_empty = false;
  std::vector<double> class_weight;

  LossUnderTest::Values values(LossUnderTest::Values own = {}) const {
    own["smooth"] = {smooth};
    if (squared) own["squared"] = {1.0};
    own["per_image"] = {per_image ? 1.0 : 0.0};
    own["ignore_empty"] = {ignore_empty ? 1.0 : 0.0};
    if (!class_weight.empty()) own["class_weight"] = class_weight;
    return own;
  }
};

/// The loss of a class from sum w p t, sum w p and sum w t, smooth included.
using OverlapFormula = std::function<double(double both, double probability, double target)>;

inline double probability_of(const LossBatch& b, const std::vector<double>& x, std::int64_t i, std::int64_t c,
                             std::int64_t p, bool multiclass) {
  if (!multiclass) return 1 / (1 + std::exp(-x[b.at(i, c, p)]));
  double sum = 0;
  for (std::int64_t other = 0; other < b.k; ++other)
    if (b.knows(i, other)) sum += std::exp(x[b.at(i, other, p)]);
  return std::exp(x[b.at(i, c, p)]) / sum;
}

inline ReferenceLoss overlap_reference(const OverlapOptions& o, bool multiclass, const OverlapFormula& formula) {
  return [=](const LossBatch& b, const std::vector<double>& x) {
    double value = 0, count = 0;
    for (std::int64_t first = 0; first < b.n; first += o.per_image ? 1 : b.n)
      for (std::int64_t c = 0; c < b.k; ++c) {
        double overlap = 0, sum = 0, target = 0, weight = 1;
        bool counts = false, has_target = false;
        for (std::int64_t i = first; i < (o.per_image ? first + 1 : b.n); ++i) {
          if (o.per_image) weight = b.weight(i);
          if (!b.knows(i, c)) continue;
          for (std::int64_t p = 0; p < b.pixels(); ++p) {
            const double w = b.weight(i, p) * (o.per_image ? 1 : b.weight(i));
            if (b.weight(i, p) == 0) continue;
            counts = true;
            const double q = probability_of(b, x, i, c, p, multiclass), t = b.target(i, c, p);
            has_target = has_target || t > 0;
            overlap += w * q * t;
            sum += w * (o.squared ? q * q : q);
            target += w * (o.squared ? t * t : t);
          }
        }
        if (!counts || (o.ignore_empty && !has_target)) continue;
        const double share = o.class_weight.empty() ? 1 : o.class_weight[static_cast<std::size_t>(c)];
        count += share;
        value += share * weight * formula(overlap, sum, target);
      }
    return value / count;
  };
}

/// A batch without class `missing`.
inline LossBatch without_class(LossBatch batch, unsigned missing, bool multiclass) {
  for (auto& plane : batch.planes)
    if ((plane >> missing & 1u) != 0) plane = multiclass ? 1u << (missing == 0 ? 1 : 0) : plane & ~(1u << missing);
  return batch;
}

/// For multilabel and multiclass data, per image and over the batch. `own`: the loss's own parameters.
inline void expect_keeps_the_rules_of_overlaps(const OverlapFormula& formula, const LossUnderTest::Values& own = {},
                                               bool squared = false) {
  for (const bool multiclass : {false, true})
    for (const bool per_image : {false, true}) {
      SCOPED_TRACE(std::string(multiclass ? "multiclass" : "multilabel") + (per_image ? ", per image" : ", batch"));
      const OverlapOptions options{0.5, squared, per_image, false, {}};
      const LossUnderTest loss(multiclass, 3, options.values(own));
      const ReferenceLoss reference = overlap_reference(options, multiclass, formula);
      expect_keeps_the_rules(loss, LossBatch(3, 3, 19, 23, multiclass, true, 1), reference);
      expect_matches(loss, LossBatch(1, 3, 1, 1, multiclass, false, 2), reference);
      expect_is_finite_at_extremes(loss, multiclass, 3);
      const OverlapOptions all{0.5, squared, per_image, true, {1, 0.25, 0, 2, 3}};
      expect_understands_all(LossUnderTest(multiclass, 5, all.values(own)), multiclass,
                             without_class(LossBatch(3, 5, 11, 13, multiclass, true, 11), 4, multiclass),
                             overlap_reference(all, multiclass, formula));
    }
}

}  // namespace osteon::test
