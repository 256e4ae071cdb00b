// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/skeleton.hpp"

#include <algorithm>
#include <cmath>

#include "data/phantom/random.hpp"

namespace osteon::data::phantom {
namespace {

const cv::Point2d kWristJoint(1030, 1560);  ///< the capitate's head, about which the hand turns
constexpr int kProfileSteps = 64;
constexpr double kMargin = 45;  ///< between the bones of the hand and the image's edge, atlas units

cv::Matx33d mean_pose(const AtlasBone& bone) { return translation(bone.centre) * rotation_about({0, 0}, bone.lean); }

/// A point on the axis of a long bone in the mean pose: its proximal (base) or distal (head) end.
cv::Point2d end_of(const AtlasBone& bone, bool distal) {
  const cv::Rect2d box = box_of(bone.outline);
  return apply(mean_pose(bone), {0, distal ? box.y : box.y + box.height});
}

/// Where two bones of a ray meet in the mean pose.
cv::Point2d joint_between(const AtlasBone& proximal, const AtlasBone& distal) {
  return (end_of(proximal, true) + end_of(distal, false)) * 0.5;
}

/// Where the person put the hand, in atlas units: scaled and turned about its middle, then moved (and in the rare case
/// shrunk) so far that all bones of the hand and their skin are in the picture.
cv::Matx33d placement(const Patient& person, const Pose& pose, const std::vector<Outline>& hand) {
  const double s = person.size * pose.scale, a = std::sqrt(pose.aspect);
  const cv::Point2d anchor(1015, 1200);
  const cv::Matx33d stretch(s * a, 0, 0, 0, s / a, 0, 0, 0, 1);
  cv::Matx33d placed =
      translation(anchor + pose.shift) * stretch * rotation_about({0, 0}, pose.turn) * translation(-anchor);
  auto bounds = [&] {
    cv::Rect2d all;
    for (const Outline& bone : hand) {
      const cv::Rect2d box = box_of(transformed(bone, placed));
      all = all.empty() ? box : all | box;
    }
    return all;
  };
  constexpr double kRoom = kAtlasSize - 2 * kMargin;
  const cv::Rect2d loose = bounds();
  const double shrink = std::min(1.0, kRoom / std::max(loose.width, loose.height));
  placed = cv::Matx33d(shrink, 0, 0, 0, shrink, 0, 0, 0, 1) * placed;
  const cv::Rect2d box = bounds();
  auto inwards = [](double low, double length) {
    return std::max(0.0, kMargin - low) - std::max(0.0, low + length - (kAtlasSize - kMargin));
  };
  return translation({inwards(box.x, box.width), inwards(box.y, box.height)}) * placed;
}

/// Atlas units to pixels; a left hand is the mirror image.
cv::Matx33d to_pixels_for(const PhantomOptions& options, bool right) {
  const double px = options.size / kAtlasSize;
  // Pixel centres are at integers, atlas figures count from the corner: half a pixel apart.
  const cv::Matx33d to_pixels(px, 0, -0.5, 0, px, -0.5, 0, 0, 1);
  const cv::Matx33d mirrored(-1, 0, kAtlasSize, 0, 1, 0, 0, 0, 1);
  return right ? to_pixels : to_pixels * mirrored;
}

/// Changes the contour of the mean bone into this person's: slimmer or stouter shaft, a slight bow, bumps.
Outline personal_shape(const AtlasBone& bone, const PhantomOptions& options, const Patient& person, int patient,
                       int index, bool right) {
  const cv::Rect2d box = box_of(bone.outline);
  const bool carpal = bone.family == Family::kCarpal;
  Random shared(options.seed,
                {static_cast<std::uint64_t>(patient), stream(Stream::kShape), static_cast<std::uint64_t>(index)});
  Random own(options.seed, {static_cast<std::uint64_t>(patient), stream(Stream::kHandShape, right),
                            static_cast<std::uint64_t>(index)});
  const double slim = person.width * shared.normal(1, 0.02) * own.normal(1, 0.008);
  const double waist = carpal ? 0 : shared.normal(0, 0.035);
  const double bow = carpal ? 0 : shared.normal(0, 0.008) * std::min(box.height, 400.0);
  const double bump = (carpal ? 0.034 : 0.010) * std::min(box.width, box.height);
  // Radial waves of low order: two to six bumps around the contour.
  struct Wave {
    double order, phase, height;
  };
  std::array<Wave, 5> waves{};
  for (std::size_t k = 0; k < waves.size(); ++k) {
    waves[k] = {static_cast<double>(k + 2), shared.uniform(0, 2 * CV_PI) + own.normal(0, 0.15),
                shared.normal(0, bump / std::sqrt(static_cast<double>(k) + 1))};
  }

  Outline shaped;
  shaped.reserve(bone.outline.size());
  for (cv::Point2d p : bone.outline) {
    const double along = std::clamp((p.y - box.y) / std::min(box.height, 700.0), 0.0, 1.0);
    const double shaft = std::sin(along * CV_PI);
    const double angle = std::atan2(p.y / box.height, p.x / box.width);
    double radial = 0;
    for (const Wave& w : waves) radial += w.height * std::cos(w.order * angle + w.phase);
    const double norm = std::max(cv::norm(p), 1.0);
    const double share = std::min(1.0, box.width / norm);  // far ends of long bones move less
    p = p * (1 + radial * share / norm);
    p.x = p.x * (carpal ? 1.0 : slim * (1 + waist * shaft)) + bow * (shaft - 0.6);
    shaped.push_back(p);
  }
  return shaped;
}

std::vector<float> profile_of(const Outline& local, const cv::Rect2d& box) {
  std::vector<float> low(kProfileSteps, 1e9f), high(kProfileSteps, -1e9f);
  for (std::size_t i = 0; i < local.size(); ++i) {
    const cv::Point2d a = local[i], b = local[(i + 1) % local.size()];
    const int pieces = 1 + static_cast<int>(std::abs(b.y - a.y) / box.height * 2 * kProfileSteps);
    for (int k = 0; k < pieces; ++k) {
      const cv::Point2d p = a + (b - a) * (static_cast<double>(k) / pieces);
      const auto row = static_cast<std::size_t>(
          std::clamp(static_cast<int>((p.y - box.y) / box.height * kProfileSteps), 0, kProfileSteps - 1));
      low[row] = std::min(low[row], static_cast<float>(p.x));
      high[row] = std::max(high[row], static_cast<float>(p.x));
    }
  }
  std::vector<float> half(kProfileSteps);
  for (std::size_t i = 0; i < half.size(); ++i) half[i] = std::max((high[i] - low[i]) / 2, 1.0f);
  return half;
}

/// Where a child's bone still grows: near the base of phalanges and the thumb's metacarpal, near the head of the other
/// metacarpals, near the wrist in the forearm.
std::optional<PosedBone::GrowthPlate> growth_plate(const AtlasBone& bone, const cv::Rect2d& box, double age) {
  if (age >= 1 || bone.family == Family::kCarpal) return std::nullopt;
  const double openness = std::min(1.0, (1 - age) * 1.6);
  if (bone.family == Family::kForearm) return PosedBone::GrowthPlate{openness, box.y + 0.125 * 1000};
  const bool at_head = bone.family == Family::kMetacarpal;
  const double share = at_head ? 0.17 : 0.15;
  return PosedBone::GrowthPlate{openness, at_head ? box.y + share * box.height : box.y + (1 - share) * box.height};
}

/// Fills `moved` (mean pose to posed, atlas units) along the chains of joints, and the joints themselves.
void pose_rays(const Pose& pose, const cv::Matx33d& hand, std::array<cv::Matx33d, kBones>& moved,
               std::array<std::vector<cv::Point2d>, kRays>& rays) {
  for (int ray = 0; ray < kRays; ++ray) {
    const auto r = static_cast<std::size_t>(ray);
    const std::vector<int>& chain = ray_bones(ray);
    cv::Matx33d carried = hand;
    for (std::size_t k = 0; k < chain.size(); ++k) {
      const AtlasBone& bone = atlas()[static_cast<std::size_t>(chain[k])];
      const cv::Point2d base = end_of(bone, false), head = end_of(bone, true);
      const cv::Point2d axis = (head - base) * (1 / cv::norm(head - base));
      const cv::Point2d joint = k == 0 ? base : joint_between(atlas()[static_cast<std::size_t>(chain[k - 1])], bone);
      const cv::Point2d next =
          k + 1 < chain.size() ? joint_between(bone, atlas()[static_cast<std::size_t>(chain[k + 1])]) : head;
      const double length = pose.length[r][k];
      carried = carried * rotation_about(joint, pose.bend[r][k]);
      moved[static_cast<std::size_t>(chain[k])] = carried * stretch_about(joint, axis, length);
      if (k == 0) rays[r].push_back(apply(carried, base));
      carried = carried * translation((next - joint) * (length - 1));
      rays[r].push_back(apply(carried, next));
    }
  }
}

}  // namespace

Skeleton pose_skeleton(const PhantomOptions& options, const Patient& person, int patient, bool right) {
  const Pose pose = sample_pose(options, person, patient, right);
  const cv::Matx33d hand = rotation_about(kWristJoint, pose.wrist);

  Skeleton skeleton;
  skeleton.right = right;
  std::array<cv::Matx33d, kBones> moved;
  moved.fill(cv::Matx33d::eye());
  pose_rays(pose, hand, moved, skeleton.rays);
  for (int bone = kCarpals; bone < kRadius; ++bone) {
    const auto b = static_cast<std::size_t>(bone);
    const cv::Point2d centre = atlas()[b].centre;
    const double s = person.scale[b];
    const cv::Matx33d grown(s, 0, centre.x * (1 - s), 0, s, centre.y * (1 - s), 0, 0, 1);
    // The near row follows the hand by half: the wrist bends in two joints.
    const bool near_row = bone >= 23;
    const cv::Matx33d follows = near_row ? rotation_about(kWristJoint, pose.wrist * 0.5) : hand;
    moved[b] = follows * translation(person.shift[b]) * rotation_about(centre, person.turn[b]) * grown;
  }
  moved[kUlna] = translation({0, -person.ulna_shift});

  std::vector<Outline> hand_outlines;
  for (int bone = 0; bone < kBones; ++bone) {
    const AtlasBone& mean = atlas()[static_cast<std::size_t>(bone)];
    PosedBone posed;
    posed.atlas = &mean;
    posed.local = personal_shape(mean, options, person, patient, bone, right);
    posed.local_box = box_of(posed.local);
    posed.half_width = profile_of(posed.local, posed.local_box);
    posed.plate = growth_plate(mean, posed.local_box, person.facts.age);
    posed.to_image = moved[static_cast<std::size_t>(bone)] * mean_pose(mean);
    if (bone < kRadius) hand_outlines.push_back(transformed(posed.local, posed.to_image));
    skeleton.bones.push_back(std::move(posed));
  }
  const cv::Matx33d to_pixels = to_pixels_for(options, right) * placement(person, pose, hand_outlines);
  for (PosedBone& posed : skeleton.bones) {
    posed.to_image = to_pixels * posed.to_image;
    posed.outline = transformed(posed.local, posed.to_image);
  }
  skeleton.unit = std::sqrt(std::abs(to_pixels(0, 0) * to_pixels(1, 1) - to_pixels(0, 1) * to_pixels(1, 0)));
  for (auto& ray : skeleton.rays) ray = transformed(ray, to_pixels);
  skeleton.forearm = {apply(to_pixels, {1030, 1580}), apply(to_pixels, {1040, 1900}), apply(to_pixels, {1045, 2700})};
  return skeleton;
}

}  // namespace osteon::data::phantom
