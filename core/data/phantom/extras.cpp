// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/extras.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <opencv2/imgproc.hpp>

#include "data/phantom/canvas.hpp"
#include "data/phantom/soft_tissue.hpp"

namespace osteon::data::phantom {
namespace {

cv::Rect2d bounds_of_bones(const Skeleton& skeleton, double bottom) {
  cv::Rect2d all;
  for (const PosedBone& bone : skeleton.bones) {
    const cv::Rect2d box = box_of(clipped_below(bone.outline, bottom));
    all = all.empty() ? box : all | box;
  }
  return all;
}

/// How much of the rectangle lies under bones' boxes; the corner with the least gets the marker.
double crowding(const Skeleton& skeleton, const cv::Rect2d& place) {
  double sum = 0;
  for (const PosedBone& bone : skeleton.bones) sum += (box_of(bone.outline) & place).area();
  return sum;
}

}  // namespace

void add_ring(cv::Mat& attenuation, const Skeleton& skeleton, const Patient& person, Random& random) {
  if (!person.facts.ring || person.ring_right != skeleton.right) return;
  const auto& line = skeleton.rays[static_cast<std::size_t>(person.ring_ray)];
  const double u = skeleton.unit;
  const cv::Point2d way = (line[2] - line[1]) * (1 / cv::norm(line[2] - line[1])), across(-way.y, way.x);
  const cv::Point2d centre = line[1] + (line[2] - line[1]) * random.uniform(0.36, 0.52);
  const double reach = finger_radius(person.ring_ray, 0.55, person.flesh) * 0.93 * u;
  const double half = random.uniform(11, 24) * u, sag = random.uniform(-0.25, 0.25) * reach;
  Outline band;
  for (const int edge : {-1, 1}) {
    for (int i = 0; i <= 24; ++i) {
      const double s = edge * (i / 12.0 - 1);  // there along one edge and back along the other
      const double bow = sag * (1 - s * s);
      band.push_back(centre + across * (s * reach) + way * (bow + edge * half * std::sqrt(1.02 - 0.25 * s * s)));
    }
  }
  add_area(attenuation, band, static_cast<float>(random.uniform(1.6, 3.2)));
}

void collimate(cv::Mat& image, const Skeleton& skeleton, Random& random) {
  if (!random.chance(0.45)) return;
  const double n = image.rows;
  const cv::Rect2d bones = bounds_of_bones(skeleton, n);
  auto edge = [&](double room) { return std::max(0.0, room) * random.uniform(0.05, 0.9); };
  const double margin = 0.03 * n;
  const double left = edge(bones.x - margin), top = edge(bones.y - margin);
  const double right = n - edge(n - bones.x - bones.width - margin);
  const cv::Matx33d turn = rotation_about({n / 2, n / 2}, random.normal(0, 1.0));
  const Outline open = transformed({{left, top}, {right, top}, {right, 2 * n}, {left, 2 * n}}, turn);
  cv::Mat mask(image.size(), CV_8UC1, cv::Scalar(0)), shut;
  fill(mask, open, {0, 0});
  const double penumbra = std::max(0.5, n * random.uniform(0.0003, 0.003));
  cv::GaussianBlur(mask, mask, {}, penumbra);
  mask.convertTo(shut, CV_32F, 1 / 255.0);
  // Mostly black; some systems leave a grey border.
  const double level = random.chance(0.75) ? random.uniform(0.0, 0.03) : random.uniform(0.03, 0.35);
  image = image.mul(shut) + level * (1 - shut);
}

void burn_marker(cv::Mat& image, const Skeleton& skeleton, Random& random) {
  if (!random.chance(0.85)) return;
  static const int kFonts[] = {cv::FONT_HERSHEY_SIMPLEX, cv::FONT_HERSHEY_DUPLEX, cv::FONT_HERSHEY_COMPLEX};
  constexpr int kPatch = 192;
  cv::Mat patch(kPatch, kPatch, CV_8UC1, cv::Scalar(0));
  const std::string letter = skeleton.right ? "R" : "L";
  const int font = kFonts[random.below(3)], stroke = 6 + random.below(12);
  cv::putText(patch, letter, {48, 136}, font, 4.2, cv::Scalar(255), stroke, cv::LINE_AA);
  if (random.chance(0.25)) cv::circle(patch, {92, 92}, 84, cv::Scalar(255), 5, cv::LINE_AA);
  if (random.chance(0.25)) {
    cv::putText(patch, std::to_string(100 + random.below(900)), {40, 182}, font, 1.4, cv::Scalar(255), 4, cv::LINE_AA);
  }

  const double n = image.rows, side = n * random.uniform(0.05, 0.10), inset = n * random.uniform(0.01, 0.06);
  const double far = n - inset - side, low = n * random.uniform(0.55, 0.85);
  cv::Rect2d best;
  double least = 0;
  for (const cv::Point2d& corner : {cv::Point2d(inset, inset), {far, inset}, {inset, low}, {far, low}}) {
    const cv::Rect2d place(corner, cv::Size2d(side, side));
    const double cost = crowding(skeleton, place) + random.uniform(0, 1);
    if (best.empty() || cost < least) best = place, least = cost;
  }
  const double turn = random.chance(0.2) ? random.normal(0, 25) : random.normal(0, 2), k = side / kPatch;
  const cv::Matx33d placed = translation(best.tl()) * cv::Matx33d(k, 0, 0, 0, k, 0, 0, 0, 1) *
                             rotation_about({kPatch / 2.0, kPatch / 2.0}, turn);
  // Pixels of the patch are larger than the image's or smaller; blur before shrinking, so that strokes stay whole.
  if (k < 1) cv::GaussianBlur(patch, patch, {}, 0.4 / k);
  cv::Mat layer, weight;
  cv::warpAffine(patch, layer, placed.get_minor<2, 3>(0, 0), image.size(), cv::INTER_LINEAR);
  layer.convertTo(weight, CV_32F, random.uniform(0.8, 1.0) / 255);
  image = image.mul(1 - weight) + weight;
}

}  // namespace osteon::data::phantom
