// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/atlas.hpp"

#include <cmath>

#include "data/phantom/templates.hpp"

namespace osteon::data::phantom {
namespace {

/// Areas, centres and boxes are published means over a real data set; leans are measured between those centres. A box
/// averaged over poses is a little larger than the box of the mean pose, hence kBoxShare.
std::array<AtlasBone, kBones> table() {
  using F = Family;
  return {{
      {"finger-1", F::kDistal, 7985, {523, 940}, {120, 145}, -27, {}},
      {"finger-2", F::kProximal, 16987, {598, 1102}, {159, 233}, -27, {}},
      {"finger-3", F::kThumbMetacarpal, 28456, {720, 1323}, {258, 286}, -39, {}},
      {"finger-4", F::kDistal, 5385, {781, 432}, {69, 121}, -7, {}},
      {"finger-5", F::kMiddle, 10612, {800, 571}, {96, 167}, -9, {}},
      {"finger-6", F::kProximal, 22714, {839, 798}, {155, 313}, -9, {}},
      {"finger-7", F::kMetacarpal, 37532, {896, 1166}, {165, 478}, -10, {}},
      {"finger-8", F::kDistal, 6204, {1026, 353}, {75, 129}, 1, {}},
      {"finger-9", F::kMiddle, 13519, {1020, 514}, {96, 196}, 1, {}},
      {"finger-10", F::kProximal, 25561, {1021, 773}, {113, 328}, 0, {}},
      {"finger-11", F::kMetacarpal, 35049, {1022, 1145}, {128, 460}, 0, {}},
      {"finger-12", F::kDistal, 6092, {1246, 448}, {73, 132}, 8, {}},
      {"finger-13", F::kMiddle, 12069, {1222, 603}, {101, 191}, 9, {}},
      {"finger-14", F::kProximal, 21472, {1180, 844}, {127, 310}, 9, {}},
      {"finger-15", F::kMetacarpal, 26262, {1123, 1181}, {147, 402}, 10, {}},
      {"finger-16", F::kDistal, 4163, {1475, 704}, {79, 116}, 27, {}},
      {"finger-17", F::kMiddle, 6588, {1422, 805}, {105, 129}, 28, {}},
      {"finger-18", F::kProximal, 15134, {1331, 965}, {170, 238}, 28, {}},
      {"finger-19", F::kMetacarpal, 26643, {1212, 1241}, {196, 364}, 21, {}},
      {"Trapezium", F::kCarpal, 10154, {884, 1445}, {120, 130}, 0, {}},
      {"Trapezoid", F::kCarpal, 6212, {931, 1426}, {92, 90}, 0, {}},
      {"Capitate", F::kCarpal, 15886, {1017, 1455}, {124, 176}, 0, {}},
      {"Hamate", F::kCarpal, 11641, {1105, 1439}, {120, 146}, 0, {}},
      {"Scaphoid", F::kCarpal, 10404, {950, 1529}, {119, 125}, 0, {}},
      {"Lunate", F::kCarpal, 7974, {1051, 1571}, {114, 97}, 0, {}},
      {"Triquetrum", F::kCarpal, 7480, {1134, 1519}, {113, 108}, 0, {}},
      {"Pisiform", F::kCarpal, 4355, {1143, 1532}, {70, 84}, 0, {}},
      {"Radius", F::kForearm, 74033, {952, 1773}, {235, 523}, 0, {}},
      {"Ulna", F::kForearm, 37175, {1139, 1819}, {134, 442}, 0, {}},
  }};
}

constexpr double kBoxShare = 0.985;

/// Length and width of a long bone, so that area and box height come out as published. The box of a leaning bone grows
/// with both, so this is a short fixed-point iteration.
void fit_long(AtlasBone& bone) {
  const Outline unit = smooth_closed(long_template(bone.family, bone.name), 6);
  const cv::Matx33d turn = rotation_about({0, 0}, bone.lean);
  const double unit_area = area_of(unit);
  double length = bone.box.height;
  for (int round = 0; round < 20; ++round) {
    const double width = bone.area / (unit_area * length);
    bone.outline = transformed(unit, {width, 0, 0, 0, length, 0, 0, 0, 1});
    length *= bone.box.height * kBoxShare / box_of(transformed(bone.outline, turn)).height;
  }
  bone.length = length;
}

/// A carpal bone: proportions from the box, size from the area.
void fit_carpal(AtlasBone& bone) {
  bone.outline = smooth_closed(carpal_template(bone.name), 8);
  const cv::Rect2d box = box_of(bone.outline);
  const double fx = bone.box.width / box.width, fy = bone.box.height / box.height;
  const double f = std::sqrt(bone.area / (area_of(bone.outline) * fx * fy));
  bone.outline = transformed(bone.outline, {fx * f, 0, 0, 0, fy * f, 0, 0, 0, 1});
}

}  // namespace

const std::array<AtlasBone, kBones>& atlas() {
  static const std::array<AtlasBone, kBones> bones = [] {
    std::array<AtlasBone, kBones> made = table();
    for (AtlasBone& bone : made) {
      if (bone.family == Family::kForearm) {
        // Drawn in place: it runs out of the image, so only a part of it has the published figures.
        bone.outline = transformed(smooth_closed(forearm_template(bone.name), 8), translation(-bone.centre));
        continue;
      }
      bone.family == Family::kCarpal ? fit_carpal(bone) : fit_long(bone);
      bone.outline = transformed(bone.outline, translation(-centroid_of(bone.outline)));
    }
    return made;
  }();
  return bones;
}

const std::vector<int>& ray_bones(int ray) {
  static const std::array<std::vector<int>, kRays> bones = {
      {{2, 1, 0}, {6, 5, 4, 3}, {10, 9, 8, 7}, {14, 13, 12, 11}, {18, 17, 16, 15}}};
  return bones.at(static_cast<std::size_t>(ray));
}

}  // namespace osteon::data::phantom
