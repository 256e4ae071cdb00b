// SPDX-License-Identifier: Apache-2.0
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/phantom/bones.hpp"
#include "data/phantom/detector.hpp"
#include "data/phantom/extras.hpp"
#include "data/phantom/phantom.hpp"
#include "data/phantom/soft_tissue.hpp"

namespace osteon::data {
namespace {

void require(bool holds, const std::string& option, const std::string& value, const std::string& allowed) {
  if (!holds) throw Error(ExitCode::kUsage, "phantom: " + option + " is " + value + "; it must be " + allowed);
}

}  // namespace

void PhantomOptions::check() const {
  require(patients >= 1, "patients", std::to_string(patients), "1 or more");
  require(test_patients >= 0, "test_patients", std::to_string(test_patients), "0 or more");
  require(size >= 64 && size <= 8192, "size", std::to_string(size), "64 to 8192 pixels");
  require(ring_fraction >= 0 && ring_fraction <= 1, "ring_fraction", std::to_string(ring_fraction), "0 to 1");
  require(bent_fraction >= 0 && bent_fraction <= 1, "bent_fraction", std::to_string(bent_fraction), "0 to 1");
}

const std::vector<std::string>& phantom_classes() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const phantom::AtlasBone& bone : phantom::atlas()) all.emplace_back(bone.name);
    return all;
  }();
  return names;
}

PhantomPatient phantom_patient(const PhantomOptions& options, int patient) {
  options.check();
  require(patient >= 0, "patient", std::to_string(patient), "0 or more");
  return phantom::sample_patient(options, patient).facts;
}

PhantomHand render_phantom(const PhantomOptions& options, int patient, bool right) {
  using namespace phantom;
  options.check();
  require(patient >= 0, "patient", std::to_string(patient), "0 or more");
  const auto who = static_cast<std::uint64_t>(patient);
  Random look_of_patient(options.seed, {who, stream(Stream::kLook)});
  Random detector(options.seed, {who, stream(Stream::kDetector, right)});
  Random extras(options.seed, {who, stream(Stream::kExtras, right)});
  Random texture(options.seed, {who, stream(Stream::kTexture, right)});

  const Patient person = sample_patient(options, patient);
  const Skeleton skeleton = pose_skeleton(options, person, patient, right);
  Look look = sample_look(look_of_patient);
  look.white *= detector.normal(1, 0.03);
  look.noise *= detector.normal(1, 0.05);

  cv::Mat attenuation = soft_tissue(skeleton, person, options.size, texture.bits());
  draw_bones(attenuation, skeleton, person, texture.bits());
  add_ring(attenuation, skeleton, person, extras);
  cv::Mat image = expose(attenuation, look, options.size / kAtlasSize, detector.bits());
  collimate(image, skeleton, extras);
  burn_marker(image, skeleton, extras);

  PhantomHand hand;
  hand.right = right;
  hand.image = digitise(image, look);
  hand.outlines = label_outlines(skeleton, attenuation.size());
  return hand;
}

}  // namespace osteon::data
