// SPDX-License-Identifier: Apache-2.0
#include "exports/palette.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace osteon::exports {
namespace {

using Triple = std::array<double, 3>;

Triple multiply(const double (&m)[3][3], const Triple& v) {
  Triple result{};
  for (std::size_t i = 0; i < 3; ++i) result[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
  return result;
}

double linear(double srgb) { return srgb <= 0.04045 ? srgb / 12.92 : std::pow((srgb + 0.055) / 1.055, 2.4); }

/// CIELAB (D65) of linear RGB.
Triple to_lab(const Triple& rgb) {
  static constexpr double kToXyz[3][3] = {
      {0.4124564, 0.3575761, 0.1804375}, {0.2126729, 0.7151522, 0.0721750}, {0.0193339, 0.1191920, 0.9503041}};
  const Triple xyz = multiply(kToXyz, rgb);
  const auto f = [](double t) { return t > 216.0 / 24389.0 ? std::cbrt(t) : (24389.0 / 27.0 * t + 16.0) / 116.0; };
  const double x = f(std::max(0.0, xyz[0]) / 0.95047);
  const double y = f(std::max(0.0, xyz[1]));
  const double z = f(std::max(0.0, xyz[2]) / 1.08883);
  return {116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)};
}

/// A colour as seen with full vision and by dichromats (Machado, Oliveira and Fernandes 2009, severity 1, linear RGB).
struct Candidate {
  cv::Vec3b rgb;
  std::array<Triple, 3> seen;
};

Candidate make_candidate(int r, int g, int b) {
  static constexpr double kProtan[3][3] = {
      {0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}};
  static constexpr double kDeutan[3][3] = {
      {0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}};
  const Triple rgb = {linear(r / 255.0), linear(g / 255.0), linear(b / 255.0)};
  const auto byte = [](int value) { return static_cast<std::uint8_t>(value); };
  return {{byte(r), byte(g), byte(b)}, {to_lab(rgb), to_lab(multiply(kProtan, rgb)), to_lab(multiply(kDeutan, rgb))}};
}

double chroma(const Triple& lab) { return std::hypot(lab[1], lab[2]); }

/// Bright and saturated enough to be told from bone, soft tissue and background.
std::vector<Candidate> candidates() {
  std::vector<Candidate> result;
  constexpr int kStep = 15;
  for (int r = 0; r <= 255; r += kStep)
    for (int g = 0; g <= 255; g += kStep)
      for (int b = 0; b <= 255; b += kStep) {
        const Candidate candidate = make_candidate(r, g, b);
        const Triple& lab = candidate.seen[0];
        if (lab[0] >= 50.0 && lab[0] <= 94.0 && chroma(lab) >= 38.0) result.push_back(candidate);
      }
  return result;
}

double distance(const Candidate& a, const Candidate& b) {
  // Normal vision counts fully; a pair that a dichromat confuses must be all the farther apart for everyone else.
  static constexpr double kWeights[3] = {1.0, 1.6, 1.6};
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < 3; ++i) {
    const Triple& p = a.seen[i];
    const Triple& q = b.seen[i];
    least = std::min(least, kWeights[i] * std::sqrt((p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]) +
                                                    (p[2] - q[2]) * (p[2] - q[2])));
  }
  return least;
}

}  // namespace

std::vector<cv::Vec3b> class_colors(int count) {
  // Classes with neighbouring numbers are often neighbours in the picture, so their colours must differ more.
  constexpr std::size_t kNeighbours = 4;
  constexpr double kNeighbourWeight = 0.45;
  static const std::vector<Candidate> kCandidates = candidates();
  std::vector<double> nearest(kCandidates.size(), std::numeric_limits<double>::infinity());
  std::vector<Candidate> chosen;
  Candidate next = make_candidate(255, 90, 60);
  while (static_cast<int>(chosen.size()) < count) {
    chosen.push_back(next);
    double best = -1.0;
    for (std::size_t k = 0; k < kCandidates.size(); ++k) {
      nearest[k] = std::min(nearest[k], distance(kCandidates[k], chosen.back()));
      double score = nearest[k];
      for (std::size_t i = chosen.size() - std::min(kNeighbours, chosen.size()); i < chosen.size(); ++i)
        score = std::min(score, kNeighbourWeight * distance(kCandidates[k], chosen[i]));
      if (score > best) {
        best = score;
        next = kCandidates[k];
      }
    }
  }
  std::vector<cv::Vec3b> colors;
  for (const Candidate& candidate : chosen) colors.push_back(candidate.rgb);
  return colors;
}

}  // namespace osteon::exports
