// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/phantom/random.hpp"
#include "data/phantom/skeleton.hpp"

namespace osteon::data::phantom {

/// The equipment and its settings: the same for both hands of a patient but for small changes. Widely varied, so that
/// whatever looks at the pictures cannot rely on one look. Lengths in atlas units.
struct Look {
  double scatter;  ///< scattered over direct radiation behind thin tissue
  double blur;     ///< deviation of the point spread
  double noise;    ///< of the attenuation of one atlas unit squared in the open beam
  double grain;    ///< deviation of the blur of the noise
  double curve;    ///< bend of the tone curve, 0 straight
  double white;    ///< attenuation that comes out white
  double black;    ///< grey level of the open beam, 0..1
  double top;      ///< grey level of white, 0..1
  double gamma;
  double detail;            ///< share of local contrast that the vendor's processing adds
  double detail_reach;      ///< deviation of what "local" means
  double slope_x, slope_y;  ///< unevenness of the beam, in attenuation from the centre to an edge
  int jpeg;                 ///< quality of a lossy archive, 0: none
};

Look sample_look(Random& random);

/// What the detector shows of `attenuation`: CV_32FC1 in 0..1, bones light. `unit` is pixels per atlas unit.
cv::Mat expose(const cv::Mat& attenuation, const Look& look, double unit, std::uint64_t seed);

/// To 8 bits, through the archive's compression.
cv::Mat digitise(const cv::Mat& image, const Look& look);

}  // namespace osteon::data::phantom
