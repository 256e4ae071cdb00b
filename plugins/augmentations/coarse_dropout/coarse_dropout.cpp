// SPDX-License-Identifier: Apache-2.0
// Rectangular holes anywhere in the image, as albumentations' CoarseDropout.
//
//     [[augment]]
//     plugin = "coarse_dropout"
//     num_holes_range = [1, 4]
//     hole_height_range = [16, 64]       # px; both at most 1: shares of the image's height
//     hole_width_range = [0.05, 0.2]     # as the heights
//     labels = "keep"                    # or "empty", "ignore"
//     p = 0.5
//
// DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017 (arXiv:1708.04552).
#include <algorithm>
#include <cmath>
#include <cstdio>

#include <osteon/sdk/augmentation.hpp>

#include "dropout/holes.hpp"

namespace {

using namespace osteon::sdk;
using namespace osteon::augmentations;

/// How long a hole is along one side of the image: whole pixels, or a share of the side.
class Length {
 public:
  Length(const char* name, const Range& range) : range_(range), share_(range.high <= 1) {
    if (!share_ && (range.low != std::floor(range.low) || range.high != std::floor(range.high)))
      throw InvalidArgument(std::string(name) + " goes from " + text(range.low) + " to " + text(range.high) +
                            "; it is whole pixels, or shares of the image that are at most 1");
  }
  /// At most the side.
  std::int64_t draw(std::int64_t side, Random& random) const {
    if (share_) return static_cast<std::int64_t>(static_cast<double>(side) * random.uniform(range_.low, range_.high));
    const std::int64_t low = std::min(static_cast<std::int64_t>(range_.low), side);
    const std::int64_t high = std::min(static_cast<std::int64_t>(range_.high), side);
    return low + random.below(static_cast<std::uint32_t>(high - low + 1));
  }

 private:
  static std::string text(double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%g", value);
    return digits;
  }

  Range range_;
  bool share_;
};

class CoarseDropout {
 public:
  struct Params {
    IntRange num_holes_range{1, 1};
    Range hole_height_range{8, 8};
    Range hole_width_range{8, 8};
    double fill = 0;
    std::string labels = "keep";

    static void schema(Schema<Params>& s) {
      s.add("num_holes_range", &Params::num_holes_range, "how many holes").between(1, 10000);
      s.add("hole_height_range", &Params::hole_height_range,
            "height of a hole in px, at most the image's; both ends at most 1: as a share of the image's")
          .between(0, 32767);
      s.add("hole_width_range", &Params::hole_width_range,
            "width of a hole in px, at most the image's; both ends at most 1: as a share of the image's")
          .between(0, 32767);
      add_filling(s, &Params::fill, &Params::labels);
    }
  };

  CoarseDropout(const Params& params, const AugmentationRequest&)
      : params_(params),
        height_("hole_height_range", params.hole_height_range),
        width_("hole_width_range", params.hole_width_range) {}

  bool edits_labels() const { return params_.labels != "keep"; }

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const IntRange& count = params_.num_holes_range;
    std::vector<Hole> holes(
        static_cast<std::size_t>(count.low + random.below(static_cast<std::uint32_t>(count.high - count.low + 1))));
    call.note(nullptr, "holes", holes.size());
    for (Hole& hole : holes) {
      const std::int64_t height = height_.draw(pixels.height(), random);
      const std::int64_t width = width_.draw(pixels.width(), random);
      hole.top = random.below(static_cast<std::uint32_t>(pixels.height() - height + 1));
      hole.left = random.below(static_cast<std::uint32_t>(pixels.width() - width + 1));
      hole.bottom = hole.top + height;
      hole.right = hole.left + width;
    }
    punch(call, holes, {params_.fill, params_.labels}, pixels);
  }

 private:
  Params params_;
  Length height_, width_;
};

}  // namespace

OSTEON_PLUGIN("coarse_dropout", "1.0.0",
              osteon::sdk::augmentation<CoarseDropout>({"coarse_dropout", "1.0.0", "Rectangular holes anywhere.",
                                                        "albumentations 1.4.18, CoarseDropout"}))
