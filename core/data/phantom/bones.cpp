// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/bones.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/phantom/canvas.hpp"
#include "data/phantom/random.hpp"
#include "data/phantom/texture.hpp"

namespace osteon::data::phantom {
namespace {

// Attenuation per atlas unit (0.12 mm) over that of soft tissue, near 55 kV.
constexpr float kCompact = 0.0092f;  ///< compact bone
constexpr float kSpongy = 0.0027f;   ///< marrow full of trabeculae: carpal bones, ends of long bones
constexpr float kMedulla = 0.0007f;  ///< fat marrow: shafts
constexpr float kPlate = 0.075f;     ///< of the thin plate below a joint's surface, in all
constexpr float kEndCortex = 4.5f;   ///< thickness of the cortex of carpal bones and ends, units

double smooth_step(double from, double to, double x) {
  const double t = std::clamp((x - from) / (to - from), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

/// What changes along a bone, tabulated from its lowest local y to its highest.
struct Section {
  float radius;  ///< half width
  float cortex;  ///< thickness
  float spongy;  ///< attenuation of what the cortex encloses, per unit
  float shaft;   ///< 1 in the shaft, 0 at the ends
  float depth;   ///< thickness along the beam over width
  float plate;   ///< centred distance from the growth plate, units; far away without one
};

std::vector<Section> sections(const PosedBone& bone, const Patient& person) {
  const Family family = bone.atlas->family;
  const cv::Rect2d& box = bone.local_box;
  const std::size_t n = bone.half_width.size();
  std::vector<Section> table(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double along = static_cast<double>(i) / static_cast<double>(n - 1), y = along * box.height;
    double shaft = smooth_step(0.14, 0.40, along) * smooth_step(0.12, 0.36, 1 - along);
    if (family == Family::kForearm) shaft = smooth_step(110, 420, y);
    if (family == Family::kCarpal) shaft = 0;
    Section& s = table[i];
    s.radius =
        family == Family::kCarpal ? static_cast<float>(0.52 * std::min(box.width, box.height)) : bone.half_width[i];
    s.cortex = static_cast<float>((1 - shaft) * kEndCortex + shaft * person.cortex * s.radius);
    s.shaft = static_cast<float>(shaft);
    s.spongy = static_cast<float>((1 - shaft) * kSpongy + shaft * kMedulla);
    s.depth = family == Family::kDistal ? static_cast<float>(0.6 + 0.35 * along)  // the tuft is flat
              : family == Family::kForearm || family == Family::kThumbMetacarpal ? 0.8f
                                                                                 : 0.95f;
    s.plate = bone.plate ? static_cast<float>(box.y + y - bone.plate->y) : 1e6f;
  }
  return table;
}

/// Length of a chord at `depth` below the rim of a circle of radius `r`; the full diameter from the middle on.
float chord(float r, float depth) {
  if (depth <= 0) return 0;
  const float q = std::max(r - depth, 0.0f);
  return 2 * std::sqrt(std::max(r * r - q * q, 0.0f));
}

/// Share of bone that an open growth plate leaves: a dark wavy gap with dense rims.
float growth_factor(float from_plate, float x, float radius, double openness) {
  const float wave = from_plate + 0.10f * radius * std::cos(3.0f * x / radius);
  const float gap = wave / 5.5f, rim = (std::abs(wave) - 10.0f) / 4.0f;
  return 1 + static_cast<float>(openness) * (0.22f * std::exp(-rim * rim) - 0.88f * std::exp(-gap * gap));
}

void draw_bone(cv::Mat& attenuation, const PosedBone& bone, const Patient& person, double unit,
               const TrabecularTexture& texture, cv::Point2f texture_shift) {
  const std::vector<Section> table = sections(bone, person);
  // Farther out than half a bone's width, so that the image's edge is not taken for the bone's.
  const Window window = window_for(bone.outline, attenuation.size(), 70 * unit);
  if (window.area.empty()) return;
  const cv::Mat mask = fine_mask(window, bone.outline);
  cv::Mat distance;
  cv::distanceTransform(mask, distance, cv::DIST_L2, cv::DIST_MASK_5);

  const cv::Matx33d to_local = (window.to_fine() * bone.to_image).inv();
  const auto fine_unit = static_cast<float>(1 / (unit * window.fine));
  const cv::Rect2d& box = bone.local_box;
  const double rows_per_unit = static_cast<double>(table.size() - 1) / box.height;
  const bool forearm = bone.atlas->family == Family::kForearm;
  const auto density = static_cast<float>(person.density),
             grain = static_cast<float>((forearm ? 0.14 : 0.25) * person.trabeculae);

  for (int y = 0; y < mask.rows; ++y) {
    const std::uint8_t* inside = mask.ptr<std::uint8_t>(y);
    float* value = distance.ptr<float>(y);
    cv::Point2d p = apply(to_local, cv::Point2d(window.fine_origin()) + cv::Point2d(0, y));
    for (int x = 0; x < mask.cols; ++x, p.x += to_local(0, 0), p.y += to_local(1, 0)) {
      if (!inside[x]) continue;  // its distance is 0 already
      const double row = std::clamp((p.y - box.y) * rows_per_unit, 0.0, static_cast<double>(table.size()) - 1.001);
      const auto i = static_cast<std::size_t>(row);
      const auto t = static_cast<float>(row - static_cast<double>(i));
      const Section &a = table[i], &b = table[i + 1];
      const float radius = a.radius + t * (b.radius - a.radius), cortex = a.cortex + t * (b.cortex - a.cortex);
      // The transform measures to the centre of the nearest outer pixel, half a pixel beyond the edge.
      const float depth = (value[x] - 0.5f) * fine_unit;
      const float outer = chord(radius, depth), inner = chord(std::max(radius - cortex, 0.0f), depth - cortex);
      const float lx = static_cast<float>(p.x), ly = static_cast<float>(p.y);
      const float n = texture.at(lx + texture_shift.x, ly + texture_shift.y);
      float sum = kCompact * (outer - inner) * (1 + 0.06f * n) +
                  (a.spongy + t * (b.spongy - a.spongy)) * inner * (1 + grain * n);
      // The plate under a joint's cartilage, seen on edge.
      const float line = (depth - 6.5f) / 3.0f;
      sum += (1 - (a.shaft + t * (b.shaft - a.shaft))) * kPlate * std::exp(-line * line);
      if (bone.plate) sum *= growth_factor(a.plate + t * (b.plate - a.plate), lx, radius, bone.plate->openness);
      value[x] = sum * density * (a.depth + t * (b.depth - a.depth));
    }
  }
  add_fine(attenuation, window, distance);
}

Outline ellipse(cv::Point2d centre, double width, double height, double degrees) {
  Outline points;
  for (int i = 0; i < 40; ++i) {
    const double a = i * CV_PI / 20;
    points.emplace_back(centre.x + width / 2 * std::cos(a), centre.y + height / 2 * std::sin(a));
  }
  return transformed(points, rotation_about(centre, degrees));
}

/// A pea of bone: three steps make a dome.
void add_bead(cv::Mat& attenuation, const Outline& bead, double amount) {
  const cv::Point2d centre = centroid_of(bead);
  for (const double shrink : {1.0, 0.85, 0.6}) {
    const cv::Matx33d s(shrink, 0, centre.x * (1 - shrink), 0, shrink, centre.y * (1 - shrink), 0, 0, 1);
    add_area(attenuation, transformed(bead, s), static_cast<float>(amount / 3));
  }
}

/// The hook of the hamate points at the beam and shows as a small dense oval.
void draw_hook(cv::Mat& attenuation, const Skeleton& skeleton, const Patient& person, Random& random) {
  const PosedBone& hamate = skeleton.bones[22];
  const cv::Point2d local(random.uniform(-14, 10), random.uniform(-10, 16));
  const double d = random.uniform(26, 40) * skeleton.unit;
  add_bead(attenuation, ellipse(apply(hamate.to_image, local), d, d * 0.65, random.uniform(0, 180)),
           random.uniform(0.03, 0.12) * person.density);
}

/// Two pea-like bones beside the head of the thumb's metacarpal, which nobody labels, as in real data.
void draw_sesamoids(cv::Mat& attenuation, const Skeleton& skeleton, const Patient& person, Random& random) {
  if (person.facts.age < 0.7) return;
  const PosedBone& thumb = skeleton.bones[2];
  for (const double side : {0.45, -0.62}) {
    if (!random.chance(0.8)) continue;
    const cv::Point2d local(side * thumb.local_box.width / 2, thumb.local_box.y + random.uniform(10, 34));
    const double d = random.uniform(26, 40) * skeleton.unit;
    const Outline bead =
        ellipse(apply(thumb.to_image, local), d, d * random.uniform(0.7, 0.95), random.uniform(0, 180));
    add_bead(attenuation, bead, random.uniform(0.10, 0.20) * person.density);
  }
}

}  // namespace

void draw_bones(cv::Mat& attenuation, const Skeleton& skeleton, const Patient& person, std::uint64_t texture_seed) {
  CV_Assert(attenuation.type() == CV_32FC1);
  static const TrabecularTexture texture(1);  // one for all: every bone of every hand looks at another place of it
  Random random(texture_seed, {1});
  for (const PosedBone& bone : skeleton.bones) {
    const cv::Point2f shift(static_cast<float>(random.uniform(0, 1000)), static_cast<float>(random.uniform(0, 1000)));
    draw_bone(attenuation, bone, person, skeleton.unit, texture, shift);
  }
  draw_sesamoids(attenuation, skeleton, person, random);
  draw_hook(attenuation, skeleton, person, random);
}

std::vector<std::vector<cv::Point>> label_outlines(const Skeleton& skeleton, cv::Size size) {
  std::vector<std::vector<cv::Point>> outlines;
  const cv::Rect image({0, 0}, size);
  for (const PosedBone& bone : skeleton.bones) {
    Window window = window_for(bone.outline, size, 0);
    window.area &= image;
    window.fine = 1;
    std::vector<std::vector<cv::Point>> parts;
    if (!window.area.empty()) {
      cv::findContours(fine_mask(window, bone.outline), parts, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_SIMPLE,
                       window.area.tl());
    }
    if (parts.empty()) {
      throw Error(ExitCode::kUsage, std::string("the phantom's ") + bone.atlas->name + " is not in an image of " +
                                        std::to_string(size.width) + " pixels; choose a larger size");
    }
    std::vector<cv::Point>& outline = *std::max_element(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
      return cv::contourArea(a) < cv::contourArea(b);
    });
    // A polygon has three points, the outline of a bone that is thinner than a pixel fewer.
    outline.resize(std::max<std::size_t>(3, outline.size()), outline.back());
    outlines.push_back(std::move(outline));
  }
  return outlines;
}

}  // namespace osteon::data::phantom
