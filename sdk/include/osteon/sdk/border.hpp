// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <osteon/sdk/augmentation.hpp>

namespace osteon::sdk {

/// Parameters of a geometric augmentation that say what lies beyond the image:
///
///     struct Params : BorderParams {
///       double limit = 90;
///       static void schema(Schema<Params>& s) {
///         s.add("limit", &Params::limit, "largest angle");
///         add_border(s);
///       }
///     };
struct BorderParams {
  std::string border = "reflect_101";
  double fill = 0;

  Warp beyond(Warp warp) const {
    if (border == "constant") warp.constant_border(fill);
    return warp;
  }
};

template <class Params>
void add_border(Schema<Params>& s) {
  s.add("border", static_cast<std::string Params::*>(&Params::border),
        "what lies beyond the image: it mirrored, its labels too, or `fill` without labels")
      .choices({"reflect_101", "constant"})
      .aliases({"border_mode"});
  s.add("fill", static_cast<double Params::*>(&Params::fill), "intensity beyond a constant border, 1 the greatest")
      .between(0, 1)
      .aliases({"value", "cval"});
}

}  // namespace osteon::sdk
