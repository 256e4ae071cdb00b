// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <osteon/sdk/call.hpp>

#include "normalization.hpp"
#include "tiling.hpp"
#include "unaries.hpp"

namespace osteon::dense_crf {

/// A filter and how much it counts: its message to a class is weight times what arrives of the class's probabilities.
struct Kernel {
  const NormalizedFilter* filter = nullptr;
  float weight = 0;
};

/// How classes compete.
enum class Labels {
  kOverlapping,  ///< each against its own absence: one problem of two labels per class
  kExclusive,    ///< all with each other
};

struct MeanFieldOptions {
  std::int64_t iterations = 5;
  double stop_below = 0;  ///< ends when no tile's mean probability of any class changes by more than this; 0: never
  Labels labels = Labels::kOverlapping;
  /// kExclusive: what is written are logits of each class against the rest, not logarithms of a softmax.
  bool against_rest = false;
  bool region_of_interest = true;  ///< leaves out what cannot matter; false: for tests of just that
};

/// What happened.
struct MeanFieldReport {
  std::int64_t iterations = 0;  ///< the most of any group of classes
  double worked_share = 0;      ///< of pixels, classes and iterations, what was worked on
  /// Probability that was taken for 0 where nothing was worked on: never more than this.
  double left_out = 0;
};

/// Mean field inference in a fully connected CRF with Gaussian edge potentials.
///
///     t_c = U_c + sum over kernels of weight * filter(Q_c),   Q = softmax(t)
///
/// With two labels, of which Q is one's probability, 1 - Q is the other's, and their difference alone counts:
///
///     t = U + sum over kernels of weight * (2 filter(Q) - filter(1)),   Q = sigmoid(t)
///
/// P. Kraehenbuehl, V. Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials", NIPS 2011.
///
/// All terms but filter(1) are positive, so where Q is next to nothing it need not be added; and a bound on what
/// arrives tells where t stays so low. There, and only there, nothing is worked on, in each iteration anew.
class MeanField {
 public:
  MeanField(const Tiling&, std::vector<Kernel>, const MeanFieldOptions&);
  /// Replaces logits [classes, height, width]. Throws BadInput for a NaN among them.
  MeanFieldReport run(const sdk::Call&, float* logits, std::int64_t classes) const;

 private:
  class Run;
  Tiling tiling_;
  std::vector<Kernel> kernels_;
  MeanFieldOptions options_;
};

}  // namespace osteon::dense_crf
