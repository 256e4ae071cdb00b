// SPDX-License-Identifier: Apache-2.0
// Holes in a grid, as albumentations' GridDropout: a grid of `holes_number_x` by `holes_number_y` cells, or of square
// cells of a size out of `unit_size_range`, else of about 10 by 10, with a hole of `ratio` times its sides in each.
//
//     [[augment]]
//     plugin = "grid_dropout"
//     ratio = 0.4
//     holes_number_x = 12
//     holes_number_y = 12
//     random_offset = false     # true: each hole lies anywhere in its cell
//     shift_xy = [0, 0]         # px, of all holes; only without random_offset
//     labels = "keep"           # or "empty", "ignore"
//     p = 0.5
//
// Chen et al., "GridMask data augmentation", 2020 (arXiv:2001.04086).
#include <algorithm>

#include <osteon/sdk/augmentation.hpp>

#include "dropout/holes.hpp"
#include "grid.hpp"

namespace {

using namespace osteon::sdk;
using namespace osteon::augmentations;

class GridDropout {
 public:
  struct Params {
    double ratio = 0.5;
    std::int64_t holes_number_x = 0;
    std::int64_t holes_number_y = 0;
    std::vector<std::int64_t> holes_number_xy;
    std::vector<std::int64_t> unit_size_range;
    bool random_offset = true;
    std::vector<std::int64_t> shift_xy = {0, 0};
    double fill = 0;
    std::string labels = "keep";

    static void schema(Schema<Params>& s) {
      s.add("ratio", &Params::ratio, "side of a hole, as a share of its cell's; above 0").between(0, 1);
      s.add("holes_number_x", &Params::holes_number_x, "cells across; 0: as unit_size_range says").between(0, 4096);
      s.add("holes_number_y", &Params::holes_number_y, "cells down; 0: as unit_size_range says").between(0, 4096);
      s.add("holes_number_xy", &Params::holes_number_xy, "both in one; none: as the two say")
          .between(1, 4096)
          .count(0, 2);
      s.add("unit_size_range", &Params::unit_size_range,
            "least and greatest side of a square cell; none: a tenth of the image's sides")
          .unit("px")
          .between(2, 32767)
          .count(0, 2);
      s.add("random_offset", &Params::random_offset, "each hole lies anywhere in its cell; false: as shift_xy says");
      s.add("shift_xy", &Params::shift_xy, "of all holes, to the right and down, from their cells' corners")
          .unit("px")
          .between(0, 32767)
          .count(2, 2);
      add_filling(s, &Params::fill, &Params::labels);
    }
  };

  GridDropout(const Params& params, const AugmentationRequest&) : params_(params) {
    if (params.ratio <= 0) throw InvalidArgument("ratio is 0; without holes the augmentation is none");
    read_cells();
    read_sizes();
  }

  bool edits_labels() const { return params_.labels != "keep"; }

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const Grid grid = grid_of(pixels, random);
    call.note(nullptr, "columns", grid.columns);
    call.note(nullptr, "rows", grid.rows);
    punch(call, holes_of(grid, pixels.height(), pixels.width(), random), {params_.fill, params_.labels}, pixels);
  }

 private:
  void read_cells() {
    columns_ = params_.holes_number_x;
    rows_ = params_.holes_number_y;
    if (!params_.holes_number_xy.empty()) {
      if (params_.holes_number_xy.size() != 2)
        throw InvalidArgument("holes_number_xy has one number; it takes cells across and cells down");
      if (columns_ > 0 || rows_ > 0)
        throw InvalidArgument("holes_number_xy says the same as holes_number_x and holes_number_y; give either");
      columns_ = params_.holes_number_xy[0];
      rows_ = params_.holes_number_xy[1];
    }
    if ((columns_ == 0) != (rows_ == 0))
      throw InvalidArgument("holes_number_x is " + std::to_string(columns_) + " and holes_number_y is " +
                            std::to_string(rows_) + "; give both or none");
  }
  void read_sizes() const {
    const auto& range = params_.unit_size_range;
    if (range.empty()) return;
    if (range.size() != 2 || range[0] > range[1])
      throw InvalidArgument("unit_size_range takes the least and the greatest side of a cell, in this order");
    if (columns_ > 0)
      throw InvalidArgument("unit_size_range and the numbers of holes both say how large cells are; give either");
  }

  Grid grid_of(const Pixels& pixels, Random& random) const {
    Grid grid{columns_, rows_, params_.ratio, params_.random_offset, params_.shift_xy[0], params_.shift_xy[1]};
    if (columns_ > 0) {
      expect_to_fit("across", columns_, pixels.width());
      expect_to_fit("down", rows_, pixels.height());
      return grid;
    }
    const auto& range = params_.unit_size_range;
    if (range.empty()) {
      grid.columns = pixels.width() / std::max<std::int64_t>(2, pixels.width() / 10);
      grid.rows = pixels.height() / std::max<std::int64_t>(2, pixels.height() / 10);
      return grid;
    }
    const std::int64_t shorter = std::min(pixels.height(), pixels.width());
    if (range[1] > shorter)
      throw InvalidArgument("unit_size_range goes up to " + std::to_string(range[1]) +
                            " px, the image's shorter side is " + std::to_string(shorter) + " px");
    const std::int64_t side = range[0] + random.below(static_cast<std::uint32_t>(range[1] - range[0] + 1));
    grid.columns = pixels.width() / side;
    grid.rows = pixels.height() / side;
    return grid;
  }
  // A cell of 1 px has no room for a hole.
  static void expect_to_fit(const char* way, std::int64_t cells, std::int64_t side) {
    if (cells > side / 2)
      throw InvalidArgument(std::to_string(cells) + " holes " + way + " do not fit " + std::to_string(side) +
                            " px; at most " + std::to_string(side / 2) + " do");
  }

  Params params_;
  std::int64_t columns_ = 0, rows_ = 0;  // 0: not given
};

}  // namespace

OSTEON_PLUGIN("grid_dropout", "1.0.0",
              osteon::sdk::augmentation<GridDropout>({"grid_dropout", "1.0.0", "Holes in a grid.",
                                                      "albumentations 1.4.18, GridDropout"}))
