// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/patient.hpp"

#include <algorithm>
#include <cmath>

#include "data/phantom/random.hpp"

namespace osteon::data::phantom {
namespace {

/// True for exactly `fraction` of all patients in the long run, and for at least one in any 1 / fraction neighbours, so
/// that small data sets hold the rare cases too.
bool evenly_chosen(const PhantomOptions& options, int patient, double fraction, std::uint64_t what) {
  const double offset = Random(options.seed, {what}).uniform();
  return std::floor((patient + 1) * fraction + offset) > std::floor(patient * fraction + offset);
}

constexpr double kYoungShare = 0.2;

void bend_unusually(Pose& pose, Random& random, double side) {
  pose.turn += side * random.uniform(8, 24);
  pose.wrist += -side * random.uniform(4, 22);
  for (auto& ray : pose.bend) ray[0] += random.normal(0, 2);
  for (int k = 0; k < 2; ++k) pose.bend[0][static_cast<std::size_t>(k)] += random.uniform(-10, 14);
  for (int ray = 1; ray < kRays; ++ray) {
    for (double& length : pose.length[static_cast<std::size_t>(ray)]) length *= random.uniform(0.88, 1.0);
  }
}

}  // namespace

Patient sample_patient(const PhantomOptions& options, int patient) {
  Random random(options.seed, {static_cast<std::uint64_t>(patient), stream(Stream::kPatient)});
  Patient p;
  p.facts.ring = evenly_chosen(options, patient, options.ring_fraction, 1001);
  p.facts.bent = evenly_chosen(options, patient, options.bent_fraction, 1002);
  p.facts.age = random.chance(kYoungShare) ? random.uniform(0.0, 0.85) : 1.0;
  const double young = 1 - p.facts.age;

  p.size = random.normal(1.0, 0.035) * (1 - 0.06 * young);
  p.width = random.normal(1.0, 0.07) * (1 - 0.04 * young);
  p.flesh = std::clamp(random.normal(1.0, 0.13), 0.72, 1.5);
  p.density = std::clamp(random.normal(1.0, 0.16), 0.6, 1.5) * (1 - 0.2 * young);
  p.cortex = std::clamp(random.normal(0.42, 0.08), 0.22, 0.65);
  p.trabeculae = random.uniform(0.5, 1.7);
  for (double& length : p.ray_length) length = random.normal(1.0, 0.022);
  p.scale.fill(1);
  for (int bone = kCarpals; bone < kRadius; ++bone) {
    const auto b = static_cast<std::size_t>(bone);
    p.shift[b] = {random.normal(0, 4), random.normal(0, 4)};
    p.scale[b] = random.normal(1.005, 0.035) * (1 - 0.10 * young);
    p.turn[b] = random.normal(0, 6);
  }
  p.ulna_shift = random.normal(0, 11);
  p.ring_right = random.chance(0.35);
  p.ring_ray = random.chance(0.75) ? 3 : 1 + random.below(4);
  return p;
}

Pose sample_pose(const PhantomOptions& options, const Patient& person, int patient, bool right) {
  Random random(options.seed, {static_cast<std::uint64_t>(patient), stream(Stream::kPose, right)});
  Pose pose;
  pose.turn = random.normal(0, 4);
  pose.scale = random.normal(1.0, 0.055);
  pose.aspect = random.normal(1.0, 0.05);
  // Not every picture is framed alike: some hands fill it, some are far off, some pictures were not square.
  if (random.chance(0.15)) {
    pose.scale *= random.uniform(1.05, 1.30);
    pose.aspect *= random.uniform(0.92, 1.30);
  } else if (random.chance(0.12)) {
    pose.scale *= random.uniform(0.75, 0.92);
  }
  pose.shift = {random.normal(0, 60), random.normal(0, 40)};
  pose.wrist = random.normal(0, 4);
  // Fingers spread and close together around the middle one, and each strays a little by itself.
  const double spread = random.normal(0, 2.8), palm = random.normal(0, 0.9);
  for (int ray = 0; ray < kRays; ++ray) {
    const auto r = static_cast<std::size_t>(ray);
    const double from_middle = ray - 2.0;
    const bool thumb = ray == 0;
    pose.bend[r] = {thumb ? random.normal(0, 6) : palm * from_middle + random.normal(0, 0.8),
                    thumb ? random.normal(0, 6) : spread * from_middle + random.normal(0, 1.6),
                    random.normal(0, thumb ? 7 : 2), random.normal(0, 2.4)};
    const double curl = std::max(0.0, random.normal(0.0, 0.5));  // most fingers lie flat; one that curls looks shorter
    for (std::size_t k = 0; k < 4; ++k) {
      const double flexed = k == 0 ? 0.0 : curl * random.uniform(0.2, 1.0) * 16;  // degrees out of the plane
      pose.length[r][k] = person.ray_length[r] * random.normal(1.0, 0.012) * std::cos(flexed * CV_PI / 180);
    }
  }
  if (person.facts.bent) bend_unusually(pose, random, random.chance(0.5) ? 1 : -1);
  return pose;
}

}  // namespace osteon::data::phantom
