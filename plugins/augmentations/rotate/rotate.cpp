// SPDX-License-Identifier: Apache-2.0
// Rotation about the centre by a uniform angle; the size stays. With albumentations' names (Rotate, 1.4.18).
//
//     [[augment]]
//     plugin = "rotate"
//     limit = 30.0             # the same as [-30, 30]
//     p = 0.3
#include <cmath>

#include <osteon/sdk/border.hpp>

namespace {

using namespace osteon::sdk;

class Rotate {
 public:
  struct Params : BorderParams {
    Range limit{-90, 90};

    static void schema(Schema<Params>& s) {
      s.add("limit", &Params::limit, "angle, counter-clockwise").unit("degrees").between(-180, 180);
      add_border(s);
    }
  };
  Rotate(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(const Call& call, Random& random, const WarpRequest& in) const {
    const double degrees = random.uniform(params_.limit.low, params_.limit.high);
    call.note(nullptr, "angle", degrees);
    const double angle = degrees * 3.14159265358979323846 / 180;
    const double c = std::cos(angle), s = std::sin(angle);
    const double x = static_cast<double>(in.width - 1) / 2, y = static_cast<double>(in.height - 1) / 2;
    // Rows go down, so that this matrix, from output to input, turns what is seen to the left.
    return params_.beyond(Warp::affine({c, -s, x - c * x + s * y, s, c, y - s * x - c * y}));
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("rotate", "1.0.0",
              osteon::sdk::augmentation<Rotate>({"rotate", "1.0.0", "Rotation about the centre by a uniform angle.",
                                                 "albumentations 1.4.18"}))
