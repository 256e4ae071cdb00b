// SPDX-License-Identifier: Apache-2.0
// Rotation about the centre by a uniform angle; the size stays.
//
//     [[augment]]
//     plugin = "rotate"
//     limit = 30.0
//     p = 0.3
#include <cmath>

#include <osteon/sdk/augmentation.hpp>

namespace {

using namespace osteon::sdk;

class Rotate {
 public:
  struct Params {
    double limit = 90;
    std::string border = "reflect_101";
    double fill = 0;

    static void schema(Schema<Params>& s) {
      s.add("limit", &Params::limit, "largest angle, either way").unit("degrees").between(0, 180);
      s.add("border", &Params::border, "what lies beyond the image").choices({"reflect_101", "constant"});
      s.add("fill", &Params::fill, "intensity beyond a constant border").between(0, 1);
    }
  };
  Rotate(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    const double angle = random.uniform(-params_.limit, params_.limit) * 3.14159265358979323846 / 180;
    const double c = std::cos(angle), s = std::sin(angle);
    const double x = static_cast<double>(in.width - 1) / 2, y = static_cast<double>(in.height - 1) / 2;
    Warp warp = Warp::affine({c, s, x - c * x - s * y, -s, c, y + s * x - c * y});
    if (params_.border == "constant") warp.constant_border(params_.fill);
    return warp;
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("rotate", "1.0.0",
              osteon::sdk::augmentation<Rotate>({"rotate", "1.0.0", "Rotation about the centre by a uniform angle."}))
