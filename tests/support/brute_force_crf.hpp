// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace osteon::test {

/// Mean field in a fully connected CRF with Gaussian edge potentials as it is defined, over all pairs of pixels: what
/// approximations are compared with. For images of some thousand pixels.
class BruteForceCrf {
 public:
  enum class Normalization { kNone, kBefore, kAfter, kSymmetric };
  struct Kernel {
    double sxy = 1;   ///< px
    double srgb = 0;  ///< of 0..255; 0: place alone
    double compat = 1;
  };
  /// @param image  [height, width, channels], 0..255
  BruteForceCrf(std::int64_t height, std::int64_t width, const std::vector<float>& image, std::int64_t channels,
                const std::vector<Kernel>& kernels, Normalization normalization = Normalization::kSymmetric)
      : pixels_(height * width) {
    for (const Kernel& kernel : kernels) {
      matrices_.emplace_back(static_cast<std::size_t>(pixels_ * pixels_));
      fill(matrices_.back(), width, image, channels, kernel);
      normalize(matrices_.back(), kernel.compat, normalization);
    }
  }

  /// Probabilities [classes, pixels] of classes that overlap, each against its absence.
  std::vector<double> overlapping(const std::vector<float>& logits, int iterations) const {
    std::vector<double> result;
    for (std::size_t first = 0; first < logits.size(); first += static_cast<std::size_t>(pixels_)) {
      std::vector<float> both(logits.begin() + static_cast<std::ptrdiff_t>(first),
                              logits.begin() + static_cast<std::ptrdiff_t>(first) + pixels_);
      both.resize(static_cast<std::size_t>(2 * pixels_), 0.0f);  // absence: a logit of 0
      const std::vector<double> q = exclusive(both, iterations);
      result.insert(result.end(), q.begin(), q.begin() + pixels_);
    }
    return result;
  }

  /// Probabilities [classes, pixels] of classes of which each pixel has one.
  std::vector<double> exclusive(const std::vector<float>& logits, int iterations) const {
    const auto classes = static_cast<std::int64_t>(logits.size()) / pixels_;
    std::vector<double> t(logits.begin(), logits.end()), q = softmax(t, classes);
    for (int i = 0; i < iterations; ++i) {
      t.assign(logits.begin(), logits.end());
      for (const std::vector<float>& matrix : matrices_)
        for (std::int64_t c = 0; c < classes; ++c) add_product(matrix, q.data() + c * pixels_, t.data() + c * pixels_);
      q = softmax(t, classes);
    }
    return q;
  }

 private:
  void fill(std::vector<float>& matrix, std::int64_t width, const std::vector<float>& image, std::int64_t channels,
            const Kernel& kernel) const {
    for (std::int64_t i = 0; i < pixels_; ++i)
      for (std::int64_t j = i; j < pixels_; ++j) {
        const double dx = static_cast<double>(i % width - j % width), dy = static_cast<double>(i / width - j / width);
        double distance = (dx * dx + dy * dy) / (kernel.sxy * kernel.sxy);
        for (std::int64_t c = 0; c < channels && kernel.srgb > 0; ++c) {
          const double dv = double{image[index(i * channels + c)]} - double{image[index(j * channels + c)]};
          distance += dv * dv / (kernel.srgb * kernel.srgb);
        }
        matrix[index(i * pixels_ + j)] = matrix[index(j * pixels_ + i)] = static_cast<float>(std::exp(-distance / 2));
      }
  }

  void normalize(std::vector<float>& matrix, double compat, Normalization normalization) const {
    std::vector<double> sums(index(pixels_), 0.0);
    double mean = 0;
    for (std::int64_t i = 0; i < pixels_; ++i) {
      for (std::int64_t j = 0; j < pixels_; ++j) sums[index(i)] += double{matrix[index(i * pixels_ + j)]};
      mean += sums[index(i)] / static_cast<double>(pixels_);
    }
    for (std::int64_t i = 0; i < pixels_; ++i)
      for (std::int64_t j = 0; j < pixels_; ++j) {
        const double factor = normalization == Normalization::kNone     ? 1 / mean
                              : normalization == Normalization::kBefore ? 1 / sums[index(j)]
                              : normalization == Normalization::kAfter  ? 1 / sums[index(i)]
                                                                       : 1 / std::sqrt(sums[index(i)] * sums[index(j)]);
        float& value = matrix[index(i * pixels_ + j)];
        value = static_cast<float>(compat * factor * double{value});
      }
  }

  void add_product(const std::vector<float>& matrix, const double* q, double* t) const {
    for (std::int64_t i = 0; i < pixels_; ++i) {
      const float* row = matrix.data() + i * pixels_;
      double sum = 0;
      for (std::int64_t j = 0; j < pixels_; ++j) sum += double{row[j]} * q[j];
      t[i] += sum;
    }
  }

  std::vector<double> softmax(const std::vector<double>& t, std::int64_t classes) const {
    std::vector<double> q(t.size());
    for (std::int64_t p = 0; p < pixels_; ++p) {
      double most = t[index(p)], sum = 0;
      for (std::int64_t c = 1; c < classes; ++c) most = std::max(most, t[index(c * pixels_ + p)]);
      for (std::int64_t c = 0; c < classes; ++c)
        sum += q[index(c * pixels_ + p)] = std::exp(t[index(c * pixels_ + p)] - most);
      for (std::int64_t c = 0; c < classes; ++c) q[index(c * pixels_ + p)] /= sum;
    }
    return q;
  }

  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  std::int64_t pixels_;
  std::vector<std::vector<float>> matrices_;  ///< weighted and normalized, of each kernel
};

}  // namespace osteon::test
