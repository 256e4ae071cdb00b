// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace osteon::test {

/// A Gaussian filter on a permutohedral lattice (Adams et al., 2010) as one writes it down: for benchmarks to be
/// compared with.
template <int kDimensions>
class PlainLattice {
 public:
  using Point = std::array<float, kDimensions>;  ///< in units of sigma

  explicit PlainLattice(const std::vector<Point>& points) {
    std::unordered_map<Key, int, Hash> numbers;
    const float size = std::sqrt(2.0f / 3.0f) * kCorners;
    for (const Point& point : points) add(point, size, numbers);
    vertices_ = static_cast<int>(numbers.size());
    for (auto& axis : neighbours_) axis.assign(2 * numbers.size(), -1);
    for (const auto& [key, number] : numbers)
      for (int axis = 0; axis < kCorners; ++axis)
        for (const int sign : {-1, 1}) {
          Key other;
          for (int i = 0; i < kDimensions; ++i) other[at(i)] = key[at(i)] + (i == axis ? -sign * kDimensions : sign);
          const auto found = numbers.find(other);
          if (found != numbers.end()) neighbours_[at(axis)][at(2 * number + (sign > 0))] = found->second;
        }
  }

  /// values [pixels, channels] -> out
  void filter(const std::vector<float>& values, int channels, std::vector<float>& out) const {
    std::vector<float> sums(at(vertices_ + 1) * at(channels), 0.0f), next(sums.size());
    const std::size_t pixels = corner_.size() / kCorners;
    for (std::size_t p = 0; p < pixels; ++p)
      for (std::size_t r = 0; r < kCorners; ++r)
        for (int c = 0; c < channels; ++c)
          sums[at(corner_[p * kCorners + r] + 1) * at(channels) + at(c)] +=
              share_[p * kCorners + r] * values[p * at(channels) + at(c)];
    for (const auto& axis : neighbours_) {
      for (int v = 0; v < vertices_; ++v)
        for (int c = 0; c < channels; ++c)
          next[at((v + 1) * channels + c)] =
              sums[at((v + 1) * channels + c)] + 0.5f * (sums[at((axis[at(2 * v)] + 1) * channels + c)] +
                                                         sums[at((axis[at(2 * v + 1)] + 1) * channels + c)]);
      std::swap(sums, next);
      std::fill_n(sums.begin(), channels, 0.0f);
    }
    out.assign(values.size(), 0.0f);
    for (std::size_t p = 0; p < pixels; ++p)
      for (std::size_t r = 0; r < kCorners; ++r)
        for (int c = 0; c < channels; ++c)
          out[p * at(channels) + at(c)] +=
              share_[p * kCorners + r] * sums[at(corner_[p * kCorners + r] + 1) * at(channels) + at(c)];
  }

 private:
  static constexpr int kCorners = kDimensions + 1;
  using Key = std::array<int, kDimensions>;
  struct Hash {
    std::size_t operator()(const Key& key) const {
      std::size_t hash = 0;
      for (const int k : key) hash = (hash + static_cast<std::size_t>(k)) * 2531011;
      return hash;
    }
  };
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  void add(const Point& point, float size, std::unordered_map<Key, int, Hash>& numbers) {
    float elevated[kCorners], sum = 0;
    for (int j = kDimensions; j > 0; --j) {
      const float coordinate = point[at(j - 1)] * size / std::sqrt(static_cast<float>(j * (j + 1)));
      elevated[j] = sum - static_cast<float>(j) * coordinate;
      sum += coordinate;
    }
    elevated[0] = sum;
    int origin[kCorners], rank[kCorners] = {}, excess = 0;
    for (int i = 0; i < kCorners; ++i) {
      const int steps = static_cast<int>(std::floor(elevated[i] / kCorners + 0.5f));
      origin[i] = steps * kCorners;
      excess += steps;
    }
    for (int i = 0; i < kCorners; ++i)
      for (int j = i + 1; j < kCorners; ++j)
        ++rank[elevated[i] - static_cast<float>(origin[i]) < elevated[j] - static_cast<float>(origin[j]) ? i : j];
    float share[kCorners + 1] = {};
    for (int i = 0; i < kCorners; ++i) {
      rank[i] += excess;
      const int turn = rank[i] < 0 ? kCorners : rank[i] >= kCorners ? -kCorners : 0;
      rank[i] += turn;
      origin[i] += turn;
      const float offset = (elevated[i] - static_cast<float>(origin[i])) / kCorners;
      share[kDimensions - rank[i]] += offset;
      share[kCorners - rank[i]] -= offset;
    }
    share[0] += 1 + share[kCorners];
    for (int r = 0; r < kCorners; ++r) {
      Key key;
      for (int i = 0; i < kDimensions; ++i) key[at(i)] = origin[i] + r - (rank[i] > kDimensions - r ? kCorners : 0);
      corner_.push_back(numbers.emplace(key, static_cast<int>(numbers.size())).first->second);
      share_.push_back(share[r]);
    }
  }

  std::vector<int> corner_;  ///< of each pixel, kCorners vertices
  std::vector<float> share_;
  std::array<std::vector<int>, kCorners> neighbours_;  ///< two of each vertex along each axis; -1: none
  int vertices_ = 0;
};

/// Mean field as pydensecrf does it: symmetric normalization, a lattice of place and one of place and intensity, labels
/// pixel by pixel, on one thread.
class PlainLatticeCrf {
 public:
  /// @param grey  0..255; counts as three channels
  PlainLatticeCrf(std::int64_t height, std::int64_t width, const std::vector<float>& grey, double gaussian_sxy,
                  double bilateral_sxy, double bilateral_srgb)
      : place_(place(height, width, gaussian_sxy)), both_(both(height, width, grey, bilateral_sxy, bilateral_srgb)) {
    const std::vector<float> ones(grey.size(), 1.0f);
    place_.filter(ones, 1, place_factor_);
    both_.filter(ones, 1, both_factor_);
    for (std::vector<float>* factors : {&place_factor_, &both_factor_})
      for (float& factor : *factors) factor = 1 / std::sqrt(factor + 1e-20f);
  }

  /// logits [pixels, labels] -> probabilities
  std::vector<float> infer(const std::vector<float>& logits, int labels, double gaussian_compat,
                           double bilateral_compat, int iterations) const {
    std::vector<float> q = logits, t, work, message;
    softmax(q, labels);
    for (int i = 0; i < iterations; ++i) {
      t = logits;
      add(place_, place_factor_, static_cast<float>(gaussian_compat), q, labels, work, message, t);
      add(both_, both_factor_, static_cast<float>(bilateral_compat), q, labels, work, message, t);
      q = t;
      softmax(q, labels);
    }
    return q;
  }

 private:
  static PlainLattice<2> place(std::int64_t height, std::int64_t width, double sigma) {
    std::vector<PlainLattice<2>::Point> points;
    for (std::int64_t p = 0; p < height * width; ++p)
      points.push_back({static_cast<float>(static_cast<double>(p % width) / sigma),
                        static_cast<float>(static_cast<double>(p / width) / sigma)});
    return PlainLattice<2>(points);
  }
  static PlainLattice<3> both(std::int64_t height, std::int64_t width, const std::vector<float>& grey, double sigma,
                              double srgb) {
    std::vector<PlainLattice<3>::Point> points;
    for (std::int64_t p = 0; p < height * width; ++p)
      points.push_back({static_cast<float>(static_cast<double>(p % width) / sigma),
                        static_cast<float>(static_cast<double>(p / width) / sigma),
                        static_cast<float>(std::sqrt(3.0) * double{grey[static_cast<std::size_t>(p)]} / srgb)});
    return PlainLattice<3>(points);
  }

  template <class Lattice>
  static void add(const Lattice& lattice, const std::vector<float>& factor, float compat, const std::vector<float>& q,
                  int labels, std::vector<float>& work, std::vector<float>& message, std::vector<float>& t) {
    const auto n = static_cast<std::size_t>(labels);
    work = q;
    for (std::size_t i = 0; i < work.size(); ++i) work[i] *= factor[i / n];
    lattice.filter(work, labels, message);
    for (std::size_t i = 0; i < t.size(); ++i) t[i] += compat * factor[i / n] * message[i];
  }

  static void softmax(std::vector<float>& values, int labels) {
    for (auto pixel = values.begin(); pixel != values.end(); pixel += labels) {
      const float most = *std::max_element(pixel, pixel + labels);
      float sum = 0;
      for (auto v = pixel; v != pixel + labels; ++v) sum += * v = std::exp(*v - most);
      for (auto v = pixel; v != pixel + labels; ++v) *v /= sum;
    }
  }

  PlainLattice<2> place_;
  PlainLattice<3> both_;
  std::vector<float> place_factor_, both_factor_;
};

}  // namespace osteon::test
