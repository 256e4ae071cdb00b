// SPDX-License-Identifier: Apache-2.0
// Mirrors left and right; classes that come in left-right pairs (data.mirrored) change places.
//
//     [[augment]]
//     plugin = "horizontal_flip"
//     p = 0.5
#include <osteon/sdk/augmentation.hpp>

namespace {

using namespace osteon::sdk;

class HorizontalFlip {
 public:
  using Params = NoParams;
  HorizontalFlip(const Params&, const AugmentationRequest& request) : mirrored_(request.mirrored) {}

  Warp sample(Random&, const WarpRequest& in) const {
    return Warp::permutation({-1, 0, static_cast<double>(in.width - 1), 0, 1, 0}).class_source(mirrored_);
  }

 private:
  std::vector<std::int32_t> mirrored_;  // pairs, so the map is its own inverse
};

}  // namespace

OSTEON_PLUGIN("horizontal_flip", "1.0.0",
              osteon::sdk::augmentation<HorizontalFlip>({"horizontal_flip", "1.0.0", "Mirrors left and right."}))
