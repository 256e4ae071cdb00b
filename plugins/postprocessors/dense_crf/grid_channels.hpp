// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "grid.hpp"
#include "grid_rows.hpp"

namespace osteon::dense_crf {

/// Values on the vertices of a grid. Each part of the image adds to rows of its own, and to copies of those that it
/// shares with the part above, so that the order of additions is always the same. Of each row it is known which columns
/// hold anything: the blur works on these alone.
class Grid::GridChannels final : public Channels {
 public:
  GridChannels(const sdk::Call&, const Grid&, std::int64_t most);
  void divide(const Parts&) override;
  void splat(std::int64_t part, const Segment&, const float* weight, const Lanes* values) override;
  void blur(const sdk::Call&) override;
  void slice(std::int64_t part, const Segment&, const float* weight, Lanes* sums) const override;
  void raise_to_most(std::int64_t tile, Lanes& most) const override;

 private:
  struct Columns {
    std::int64_t first = 0, end = 0;  ///< the same: none
    bool empty() const noexcept { return first == end; }
    void extend(const Columns& by) noexcept;
  };
  /// Rows of vertices that a part has a share of. Those up to `shared_end` belong to a part above.
  struct PartRows {
    std::int64_t first = 0, shared_end = 0;
  };
  struct RowRef {
    Lanes* values;
    Columns& used;
  };
  RowRef row_of(std::int64_t part, std::int64_t row);
  SegmentPlace place(const Segment&, const float* weight) const;
  Lanes* row(const LaneBuffer& buffer, std::int64_t row) const { return buffer.data() + row * row_size_; }
  Lanes* hold(const RowRef&, const Columns&) const;
  const Lanes* arrived(std::int64_t row, const Columns&, Lanes* room) const;
  Columns around(const std::vector<Columns>& of_rows, std::int64_t row) const;
  void take_shared(std::int64_t row);
  void blur_row(std::int64_t row, const Columns& wanted, Lanes* work);
  void blur_levels(const Lanes* from, Lanes* work, Lanes* to) const;
  void blur_column(std::int64_t row);

  const Grid& grid_;
  std::int64_t levels_, row_size_;
  std::vector<PartRows> parts_;
  LaneBuffer sums_, shared_, blurred_, zeros_;
  std::int64_t work_size_;
  LaneBuffer work_;       ///< for each part's segments
  LaneBuffer edge_;       ///< likewise
  LaneBuffer blur_work_;  ///< for each thread's rows
  std::int64_t blur_work_size_;
  std::vector<Columns> used_, shared_used_;  ///< by splat()
  std::vector<Columns> spread_;              ///< and what the blur along columns makes of it
  std::vector<Columns> blurred_used_;        ///< and that along rows
};

}  // namespace osteon::dense_crf
