// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/error.hpp>

#include "base/error.hpp"

namespace osteon::predict {

/// Does `work`, and throws Interrupted when its call is cancelled in the middle: inside of a request the host stops as
/// plugins do, for what is above it may be one; outside, that is how the program stops.
template <class Work>
auto until_interrupted(Work&& work) {
  try {
    return work();
  } catch (const sdk::Cancelled&) {
    throw Interrupted();
  }
}

}  // namespace osteon::predict
