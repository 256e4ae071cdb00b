// SPDX-License-Identifier: Apache-2.0
#include "lattice_simplex.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::dense_crf {

Simplex::Simplex(int dimensions) : d_(dimensions) {
  // Blur by [1 2 1] along d + 1 directions, with splat and slice, has the variance of the unit Gaussian at this scale.
  const double size = std::sqrt(2.0 / 3) * (d_ + 1);
  for (int i = 0; i < d_; ++i) scale_[i] = size / std::sqrt(static_cast<double>((i + 1) * (i + 2)));
}

bool Simplex::find(const double* point) {
  // Into the hyperplane of d + 1 coordinates that sum to 0.
  double at[kMost + 1], sum = 0;
  for (int j = d_; j > 0; --j) {
    const double coordinate = point[j - 1] * scale_[j - 1];
    at[j] = sum - j * coordinate;
    sum += coordinate;
  }
  at[0] = sum;
  // The nearest vertex of remainder 0, found coordinate by coordinate, and then put right where the sum is not 0.
  std::int32_t origin[kMost + 1], rank[kMost + 1] = {}, excess = 0;
  const int n = d_ + 1;
  for (int i = 0; i < n; ++i) {
    const auto steps = static_cast<std::int32_t>(std::floor(at[i] / n + 0.5));
    origin[i] = steps * n;
    excess += steps;
  }
  for (int i = 0; i < n; ++i)
    for (int j = i + 1; j < n; ++j) ++rank[at[i] - origin[i] < at[j] - origin[j] ? i : j];
  for (int i = 0; i < n; ++i) {
    rank[i] += excess;
    const std::int32_t turn = rank[i] < 0 ? n : rank[i] >= n ? -n : 0;
    rank[i] += turn;
    origin[i] += turn;
  }
  std::fill_n(share_, n + 1, 0.0);
  for (int i = 0; i < n; ++i) {
    const double offset = (at[i] - origin[i]) / n;
    share_[d_ - rank[i]] += offset;
    share_[n - rank[i]] -= offset;
  }
  share_[0] += 1 + share_[n];
  const bool same = begun_ && std::equal(origin, origin + n, origin_) && std::equal(rank, rank + n, rank_);
  std::copy_n(origin, n, origin_);
  std::copy_n(rank, n, rank_);
  begun_ = true;
  return !same;
}

void Simplex::vertex(int remainder, std::int32_t* key) const {
  for (int i = 0; i < d_; ++i) key[i] = origin_[i] + remainder - (rank_[i] > d_ - remainder ? d_ + 1 : 0);
}

VertexTable::VertexTable(const sdk::Call& call, int dimensions) : call_(call), d_(dimensions), slots_(1024, 0) {}

std::size_t VertexTable::slot(const std::int32_t* key) const {
  std::uint64_t hash = 0;
  for (int i = 0; i < d_; ++i) hash = (hash ^ static_cast<std::uint32_t>(key[i])) * 0x9e3779b97f4a7c15u;
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = static_cast<std::size_t>(hash >> 20) & mask;
  while (slots_[at] != 0 && !std::equal(key, key + d_, this->key(slots_[at] - 1))) at = (at + 1) & mask;
  return at;
}

std::int32_t VertexTable::find(const std::int32_t* key) const { return slots_[slot(key)] - 1; }

std::int32_t VertexTable::find_or_add(const std::int32_t* key) {
  std::size_t at = slot(key);
  if (slots_[at] != 0) return slots_[at] - 1;
  if (static_cast<std::size_t>(size()) * 2 >= slots_.size()) {
    grow();
    at = slot(key);
  }
  keys_.insert(keys_.end(), key, key + d_);
  slots_[at] = static_cast<std::int32_t>(size());
  return slots_[at] - 1;
}

void VertexTable::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (std::int64_t vertex = 0; vertex < size(); ++vertex) {
    if (vertex % 65536 == 0) call_.stop_if_cancelled();
    slots_[slot(key(vertex))] = static_cast<std::int32_t>(vertex) + 1;
  }
}

}  // namespace osteon::dense_crf
