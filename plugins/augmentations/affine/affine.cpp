// SPDX-License-Identifier: Apache-2.0
// Scale, shear, rotation and shift, in this order, about the centre; the size stays. With albumentations' names (Affine
// and ShiftScaleRotate, 1.4.18).
//
// A pixel at p, from the centre, comes to R(rotate) S diag(scale_x, scale_y) p + shift, where S = [1 tan(shear_x);
// tan(shear_y) 1].
//
//     [[augment]]
//     plugin = "affine"
//     shift = 0.0625           # of the side; the same as [-0.0625, 0.0625], drawn for each axis
//     scale = [0.9, 1.1]
//     rotate = 15.0            # degrees, counter-clockwise
//     shear = 0.0              # degrees, drawn for each axis
//     p = 0.5
#include <cmath>

#include <osteon/sdk/border.hpp>

namespace {

using namespace osteon::sdk;

constexpr double kDegree = 3.14159265358979323846 / 180;

class Affine {
 public:
  struct Params : BorderParams {
    Range shift{-0.0625, 0.0625};
    std::vector<double> scale;  // no Range: one number must not mean from the least to it
    Range rotate{-15, 15};
    Range shear{0, 0};
    bool keep_ratio = true;

    // (GCC 12 sees uninitialised strings where a list makes the vector.)
    Params() : scale(2, 0.9) { scale[1] = 1.1; }

    static void schema(Schema<Params>& s) {
      s.add("shift", &Params::shift, "as a share of width and height, drawn for each")
          .between(-1, 1)
          .aliases({"translate_percent", "shift_limit"});
      s.add("scale", &Params::scale, "[low, high] of a factor; above 1 what is seen grows")
          .between(0.05, 20)
          .count(2, 2);
      s.add("rotate", &Params::rotate, "angle, counter-clockwise")
          .unit("degrees")
          .between(-180, 180)
          .aliases({"rotate_limit"});
      // Two of 45 degrees would make a line of the image.
      s.add("shear", &Params::shear, "drawn for each axis").unit("degrees").between(-40, 40);
      s.add("keep_ratio", &Params::keep_ratio, "one scale for both axes; else drawn for each");
      add_border(s);
    }
  };
  Affine(const Params& params, const AugmentationRequest&) : params_(params), scale_{params.scale[0], params.scale[1]} {
    if (scale_.low > scale_.high) throw InvalidArgument("scale: the low end comes first");
  }

  Warp sample(const Call& call, Random& random, const WarpRequest& in) const {
    const auto draw = [&](const Range& range) { return random.uniform(range.low, range.high); };
    const double scale_x = draw(scale_), scale_y = params_.keep_ratio ? scale_x : draw(scale_);
    const double angle = draw(params_.rotate), shear_x = draw(params_.shear), shear_y = draw(params_.shear);
    const double shift_x = draw(params_.shift), shift_y = draw(params_.shift);
    call.note(nullptr, "scale_x", scale_x);
    call.note(nullptr, "scale_y", scale_y);
    call.note(nullptr, "rotate", angle);
    call.note(nullptr, "shear_x", shear_x);
    call.note(nullptr, "shear_y", shear_y);
    call.note(nullptr, "shift_x", shift_x);
    call.note(nullptr, "shift_y", shift_y);

    // From input to output; rows go down, so that sin has its sign here for a turn to the left.
    const double c = std::cos(angle * kDegree), s = std::sin(angle * kDegree);
    const double tan_x = std::tan(shear_x * kDegree), tan_y = std::tan(shear_y * kDegree);
    const double a = (c + s * tan_y) * scale_x, b = (c * tan_x + s) * scale_y;
    const double d = (-s + c * tan_y) * scale_x, e = (-s * tan_x + c) * scale_y;
    const double determinant = a * e - b * d;
    const double x = static_cast<double>(in.width - 1) / 2, y = static_cast<double>(in.height - 1) / 2;
    const double to_x = x + shift_x * static_cast<double>(in.width);
    const double to_y = y + shift_y * static_cast<double>(in.height);
    const double ia = e / determinant, ib = -b / determinant, id = -d / determinant, ie = a / determinant;
    return params_.beyond(Warp::affine({ia, ib, x - ia * to_x - ib * to_y, id, ie, y - id * to_x - ie * to_y}));
  }

 private:
  Params params_;
  Range scale_;
};

}  // namespace

OSTEON_PLUGIN("affine", "1.0.0",
              osteon::sdk::augmentation<Affine>({"affine", "1.0.0", "Scale, shear, rotation and shift.",
                                                 "albumentations 1.4.18"}))
