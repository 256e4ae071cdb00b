// SPDX-License-Identifier: Apache-2.0
// Mirrors top and bottom. Classes that come in left-right pairs (data.mirrored) change places: a hand upside down in a
// mirror is the other hand.
//
//     [[augment]]
//     plugin = "vertical_flip"
//     p = 0.5
#include <osteon/sdk/augmentation.hpp>

namespace {

using namespace osteon::sdk;

class VerticalFlip {
 public:
  using Params = NoParams;
  VerticalFlip(const Params&, const AugmentationRequest& request) : mirrored_(request.mirrored) {}

  Warp sample(Random&, const WarpRequest& in) const {
    return Warp::permutation({1, 0, 0, 0, -1, static_cast<double>(in.height - 1)}).class_source(mirrored_);
  }

 private:
  std::vector<std::int32_t> mirrored_;  // pairs, so the map is its own inverse
};

}  // namespace

OSTEON_PLUGIN("vertical_flip", "1.0.0",
              osteon::sdk::augmentation<VerticalFlip>({"vertical_flip", "1.0.0", "Mirrors top and bottom."}))
