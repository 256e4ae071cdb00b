// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "data/phantom/atlas.hpp"
#include "data/phantom/phantom.hpp"

namespace osteon::data::phantom {

/// What makes one of the many independent random streams of a data set; the numbers never change their meaning, or old
/// seeds would draw other hands.
enum class Stream : std::uint64_t {
  kPatient = 1,
  kLook = 2,
  kShape = 3,
  kPose = 10,  ///< plus 1 for right hands, as all below
  kHandShape = 20,
  kTexture = 30,
  kDetector = 40,
  kExtras = 50,
};

inline std::uint64_t stream(Stream base, bool right = false) { return static_cast<std::uint64_t>(base) + right; }

/// What both hands of one person share. Factors are relative to the mean hand.
struct Patient {
  PhantomPatient facts;
  double size = 1;        ///< of the whole hand
  double width = 1;       ///< of the shafts of the long bones
  double flesh = 1;       ///< of the thickness of the soft tissue
  double density = 1;     ///< mineral content
  double cortex = 0.42;   ///< thickness of the cortex in the middle of a shaft, as a share of its half width
  double trabeculae = 1;  ///< strength of the texture
  std::array<double, kRays> ray_length{};
  std::array<cv::Point2d, kBones> shift{};  ///< of carpal bones, atlas units
  std::array<double, kBones> scale{};       ///< of carpal bones
  std::array<double, kBones> turn{};        ///< of carpal bones, degrees
  double ulna_shift = 0;                    ///< ulnar variance, atlas units, positive: longer
  bool ring_right = false;                  ///< which hand wears the ring
  int ring_ray = 3;
};

/// How one hand lies on the detector. Angles in degrees, clockwise on the screen for a right hand.
struct Pose {
  double turn = 0;                                    ///< of the whole picture
  double scale = 1;                                   ///< distance to the detector
  double aspect = 1;                                  ///< horizontal stretch, over vertical
  cv::Point2d shift;                                  ///< atlas units
  double wrist = 0;                                   ///< hand against forearm
  std::array<std::array<double, 4>, kRays> bend{};    ///< sideways, per bone from the metacarpal on
  std::array<std::array<double, 4>, kRays> length{};  ///< factor, growth and flexion towards the beam together
};

Patient sample_patient(const PhantomOptions& options, int patient);
Pose sample_pose(const PhantomOptions& options, const Patient& person, int patient, bool right);

}  // namespace osteon::data::phantom
