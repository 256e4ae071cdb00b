// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>

namespace osteon::test {

/// How far two ways of computing the same may be apart, as a part of the greatest value: another instruction set,
/// number of threads or kernel adds up the same numbers in another order.
///
/// One rounding to T changes a value by u at most, half of T's epsilon. Roundings know nothing of each other, so that
/// those of a sum of `terms` numbers, or of as many steps one after the other, come to about u sqrt(terms), and to
/// u sqrt(terms layers) through `layers` of such sums. The margin is 4 beyond that.
template <class T = float>
double rounding(double terms, double layers = 1) {
  constexpr double kMargin = 4;
  const double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
  return kMargin * unit * std::sqrt(terms * layers);
}

}  // namespace osteon::test
