// SPDX-License-Identifier: Apache-2.0
// A grid of num_steps x num_steps cells whose columns and rows become wider and narrower: each of them is as wide as
// the others times 1 + d, d uniform in distort_limit, and what is inside of one is stretched with it. With
// albumentations' names (GridDistortion, 1.4.18).
//
//     [[augment]]
//     plugin = "grid_distortion"
//     num_steps = 5
//     distort_limit = 0.3      # the same as [-0.3, 0.3]
//     normalized = true        # widths are divided by their mean, so that the grid ends where the image ends
//     p = 0.5
//
// Node k of an axis of n pixels lies k n / num_steps from its edge, and shows what lay n (w_0 + ... + w_{k-1}) /
// num_steps from it. Cells have no whole number of pixels; albumentations rounds them down and adds a cell.
#include <algorithm>
#include <vector>

#include <osteon/sdk/border.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace {

using namespace osteon::sdk;

/// One axis: cell k takes x to offset[k] + slope[k] x.
struct Axis {
  float cells_per_pixel = 0;
  std::vector<float> offset, slope;

  Axis(std::int64_t size, const std::vector<double>& widths) {
    const double cell = static_cast<double>(size) / static_cast<double>(widths.size());
    cells_per_pixel = static_cast<float>(1 / cell);
    double from = -0.5;  // the edge of the first pixel
    for (std::size_t k = 0; k < widths.size(); ++k) {
      const double node = -0.5 + static_cast<double>(k) * cell;
      offset.push_back(static_cast<float>(from - widths[k] * node));
      slope.push_back(static_cast<float>(widths[k]));
      from += widths[k] * cell;
    }
  }
};

OSTEON_MULTIVERSION void map_axis(float cells_per_pixel, const float* offset, const float* slope, std::int32_t last,
                                  std::int64_t count, float* x) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float at = x[2 * i];
    std::int32_t cell = static_cast<std::int32_t>((at + 0.5f) * cells_per_pixel);
    cell = cell < 0 ? 0 : cell;
    cell = cell > last ? last : cell;
    x[2 * i] = offset[cell] + slope[cell] * at;
  }
}

class Grid final : public PointMap {
 public:
  Grid(Axis x, Axis y) : x_(std::move(x)), y_(std::move(y)) {}
  void map(std::uint64_t count, float* xy) const override {
    along(x_, count, xy);
    along(y_, count, xy + 1);
  }

 private:
  static void along(const Axis& axis, std::uint64_t count, float* x) {
    map_axis(axis.cells_per_pixel, axis.offset.data(), axis.slope.data(),
             static_cast<std::int32_t>(axis.slope.size()) - 1, static_cast<std::int64_t>(count), x);
  }
  Axis x_, y_;
};

class GridDistortion {
 public:
  struct Params : BorderParams {
    std::int64_t num_steps = 5;
    Range distort_limit{-0.3, 0.3};
    bool normalized = true;

    static void schema(Schema<Params>& s) {
      s.add("num_steps", &Params::num_steps, "cells along each axis").between(1, 1000);
      s.add("distort_limit", &Params::distort_limit, "how much wider a cell's column or row becomes, as a share of it")
          .between(-0.99, 1);
      s.add("normalized", &Params::normalized, "the grid ends where the image ends");
      add_border(s);
    }
  };
  GridDistortion(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    const std::vector<double> columns = widths(random), rows = widths(random);
    return params_.beyond(Warp::free(std::make_shared<Grid>(Axis(in.width, columns), Axis(in.height, rows))));
  }

 private:
  std::vector<double> widths(Random& random) const {
    std::vector<double> drawn;
    double sum = 0;
    for (std::int64_t k = 0; k < params_.num_steps; ++k) {
      drawn.push_back(1 + random.uniform(params_.distort_limit.low, params_.distort_limit.high));
      sum += drawn.back();
    }
    if (params_.normalized)
      for (double& width : drawn) width *= static_cast<double>(params_.num_steps) / sum;
    return drawn;
  }

  Params params_;
};

}  // namespace

OSTEON_PLUGIN("grid_distortion", "1.0.0",
              osteon::sdk::augmentation<GridDistortion>({"grid_distortion", "1.0.0",
                                                         "A grid whose columns and rows become wider and narrower.",
                                                         "albumentations 1.4.18"}))
