// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

// Synthetic radiographs of hands with exact labels: geometry after published figures of a real data set (atlas.cpp),
// attenuation added along the beam, and a detector with scatter, noise and many looks. No patient's image is needed
// to try, teach or test the whole road, and a model trained on it knows what a hand is before it sees a real one.
namespace osteon::data {

/// What `write_phantom` writes. A patient depends on `seed`, its index and the two fractions, never on how many there
/// are; a picture depends on `size` too.
struct PhantomOptions {
  int patients = 40;            ///< training patients, two hands each; at least 1
  int test_patients = 10;       ///< unseen patients, two hands each; 0 or more
  int size = 1024;              ///< width and height of the images, pixels, 64 to 8192
  std::uint64_t seed = 1;       ///< any number
  double ring_fraction = 0.03;  ///< share of the patients with a ring on one hand, 0 to 1
  double bent_fraction = 0.10;  ///< share of the patients in an unusual pose (turned hand, bent wrist), 0 to 1

  /// Throws Error(kUsage) that names the option, its value and what is allowed.
  void check() const;
};

/// One radiograph and its truth.
struct PhantomHand {
  cv::Mat image;  ///< CV_8UC3, three equal channels, bones light on dark
  /// One closed contour per class, in the order of `phantom_classes()`, in pixels inside the image. `cv::fillPoly` of a
  /// contour is the label of that class; labels overlap.
  std::vector<std::vector<cv::Point>> outlines;
  bool right = true;  ///< a right hand: thumb left of the little finger
};

/// What is known about one patient without drawing anything.
struct PhantomPatient {
  bool ring = false;  ///< wears a ring on one hand
  bool bent = false;  ///< both hands in an unusual pose
  double age = 1.0;   ///< growth, 0 (a child of about ten; growth plates open) to 1 (grown up)
};

/// The 29 classes in the competition's order: finger-1 to finger-19, eight carpal bones, Radius, Ulna.
const std::vector<std::string>& phantom_classes();

/// Facts about patient `patient` (0 or more). Training patients come first, test patients follow.
PhantomPatient phantom_patient(const PhantomOptions& options, int patient);

/// Draws one hand. The same arguments give the same bytes. May be called from any thread.
PhantomHand render_phantom(const PhantomOptions& options, int patient, bool right);

/// Writes a data set in the competition's layout:
///
///     out/train/DCM/ID001/image<13 digits>_R.png, ..._L.png    out/train/outputs_json/ID001/<same stem>.json
///     out/test/DCM/ID041/...                                   out/test/outputs_json/ID041/...
///     out/meta_data.csv  out/phantom.json
///
/// The competition keeps the truth of its test images; here it is written, so that unseen patients can be evaluated.
/// `phantom.json` (options, patients) is written last: a folder without it is not a finished phantom. The annotations
/// have the quirks of the real ones (class order shuffled, wrong width, height and extension in the metadata).
///
/// `out` must be missing or empty; with `overwrite` it may also hold a phantom, finished or not, which is removed
/// first. Anything else is refused with Error(kUsage). Failed writes throw Error(kResources). The files do not depend
/// on `threads` (at least 1). `progress(done, total)` counts images, is called from any of the threads, one at a time;
/// what it throws stops the work and comes out of this function.
void write_phantom(const PhantomOptions& options, const std::filesystem::path& out,
                   const std::function<void(int done, int total)>& progress = {}, int threads = 1,
                   bool overwrite = false);

}  // namespace osteon::data
