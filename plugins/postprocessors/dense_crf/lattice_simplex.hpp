// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/pages.hpp>

namespace osteon::dense_crf {

/// Where points lie in a permutohedral lattice of d dimensions: d + 1 vertices of a simplex, with shares.
class Simplex {
 public:
  static constexpr int kMost = 5;  ///< dimensions

  explicit Simplex(int dimensions);
  /// Finds the simplex around a point, in units of sigma. Whether it is another one than the last.
  bool find(const double* point);
  /// The first d coordinates of the vertex whose coordinates are all `remainder` modulo d + 1; the last follows from
  /// them.
  void vertex(int remainder, std::int32_t* key) const;
  /// Of the vertex with that remainder.
  double share(int remainder) const { return share_[remainder]; }

 private:
  int d_;
  double scale_[kMost];
  std::int32_t origin_[kMost + 1] = {}, rank_[kMost + 1] = {};
  double share_[kMost + 2] = {};
  bool begun_ = false;
};

/// Numbers vertices in the order in which they are met.
class VertexTable {
 public:
  /// Throws Cancelled on the way where the call is to stop.
  VertexTable(const sdk::Call&, int dimensions);
  std::int32_t find_or_add(const std::int32_t* key);
  /// -1: there is none.
  std::int32_t find(const std::int32_t* key) const;
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(keys_.size()) / d_; }
  const std::int32_t* key(std::int64_t vertex) const { return keys_.data() + vertex * d_; }

 private:
  std::size_t slot(const std::int32_t* key) const;
  void grow();

  const sdk::Call& call_;
  int d_;
  sdk::PagesVector<std::int32_t> keys_, slots_;  // a slot: number + 1; 0: empty
};

}  // namespace osteon::dense_crf
