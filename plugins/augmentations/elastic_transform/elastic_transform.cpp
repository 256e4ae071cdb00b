// SPDX-License-Identifier: Apache-2.0
// Each pixel comes from where a smooth random field takes it: alpha times white noise, uniform in -1 .. 1, blurred by a
// Gaussian of sigma pixels, for each axis (noise_field.hpp). With the names of albumentations' ElasticTransform and the
// meaning of its version 1.3.1 with `alpha_affine = 0`.
//
//     [[augment]]
//     plugin = "elastic_transform"
//     alpha = 15.0
//     sigma = 2.0
//     p = 0.4
//
// Blurring takes most of the noise away: a displacement has a standard deviation of alpha / (sqrt(12 pi) sigma) pixels,
// 1.22 for the (15, 2) above, and 0.003 for albumentations' defaults (1, 50), which move nothing that can be seen. What
// was seen with them in 1.3.1 was the affine of `alpha_affine = 50` that came with it: that is `affine`, a step of its
// own. Version 1.4.18 blurs with 17 x 17 pixels whatever sigma says, so that its (1, 50) moves by 0.034 pixels.
#include <memory>

#include <osteon/sdk/border.hpp>

#include "noise_field.hpp"

namespace {

using namespace osteon::sdk;
using osteon::augmentations::NoiseField;

class Elastic final : public PointMap {
 public:
  Elastic(NoiseField field, bool alike) : field_(std::move(field)), alike_(alike) {}
  void map(std::uint64_t count, float* xy) const override {
    alike_ ? field_.displace_alike(count, xy) : field_.displace(count, xy);
  }

 private:
  NoiseField field_;
  bool alike_;
};

class ElasticTransform {
 public:
  struct Params : BorderParams {
    double alpha = 1;
    double sigma = 50;
    bool same_dxdy = false;

    static void schema(Schema<Params>& s) {
      s.add("alpha", &Params::alpha, "what the blurred noise is multiplied with").unit("px").between(0, 100000);
      s.add("sigma", &Params::sigma, "standard deviation of the blur").unit("px").between(0.5, 1000);
      s.add("same_dxdy", &Params::same_dxdy, "one field for both axes: pixels move along the diagonal");
      add_border(s);
    }
  };
  ElasticTransform(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(const Call& call, Random& random, const WarpRequest& in) const {
    if (params_.alpha == 0) return Warp::identity();
    return params_.beyond(Warp::free(std::make_shared<Elastic>(
        NoiseField(call, random, in.height, in.width, params_.sigma, params_.alpha), params_.same_dxdy)));
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("elastic_transform", "1.0.0",
              osteon::sdk::augmentation<ElasticTransform>({"elastic_transform", "1.0.0",
                                                           "Pixels come from where a smooth random field takes them.",
                                                           "Simard et al., ICDAR 2003; albumentations 1.3.1"}))
