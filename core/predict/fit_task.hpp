// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/image.hpp"
#include "data/labels.hpp"
#include "plugin/fit.hpp"
#include "predict/member.hpp"

namespace osteon::predict {

/// One image that is fitted on.
struct FitImage {
  std::string id;  ///< no other image has it
  data::Image image;
  data::Labels truth;
  std::vector<bool> silent;  ///< by member: has nothing to say of this image; empty: all have
};

/// What an ensembler or a post-processor is fitted on.
struct FitTask {
  plugin::Fit* fit = nullptr;
  std::vector<Member> members;
  std::uint32_t form = OSTEON_FORM_PROBABILITIES;  ///< that members are given in
  std::vector<double> dice;                        ///< [members, classes], NaN where unknown; empty: there is none
  std::vector<std::int32_t> classes;               ///< of the data that it is fitted on, rising; empty: all
  std::size_t n_images = 0;
  /// The image at a place, its truth of those classes; false: it is left out, in every pass.
  std::function<bool(std::size_t index, FitImage& image)> read;
  /// Told after each image of each pass, counted from 0; may be empty.
  std::function<void(std::size_t pass, std::size_t index)> progress;
};

/// How often a component may ask to see everything again.
inline constexpr std::size_t kMostPasses = 1000;

/// Fits, image by image and band by band, so that memory grows with the members' predictions of one image alone, and
/// as many times over as the component asks for. Returns how many images were fitted on. Throws Error(kData) when there
/// is none, Error(kPlugin) from a component that never has enough.
std::size_t fit(const plugin::Call& call, const FitTask& task);

}  // namespace osteon::predict
