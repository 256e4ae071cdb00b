// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdlib>
#include <limits>

namespace osteon::test {

/// What tolerances are beyond what is expected: 4. With OSTEON_TEST_MARGIN=1 in the environment tests show which of
/// them come nearer than that on a processor.
inline double margin() {
  static const char* const given = std::getenv("OSTEON_TEST_MARGIN");
  return given != nullptr ? std::atof(given) : 4;
}

/// How far two ways of computing the same may be apart, as a part of the greatest value: another instruction set,
/// number of threads or kernel adds up the same numbers in another order.
///
/// One rounding to T changes a value by u at most, half of T's epsilon. Roundings know nothing of each other, so that
/// those of a sum of `terms` numbers, or of as many steps one after the other, come to about u sqrt(terms), and to
/// u sqrt(terms layers) through `layers` of such sums. The margin comes on top.
template <class T = float>
double rounding(double terms, double layers = 1) {
  const double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
  return margin() * unit * std::sqrt(terms * layers);
}

}  // namespace osteon::test
