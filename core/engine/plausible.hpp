// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/dataset_check.hpp"
#include "engine/engine.hpp"
#include "engine/opener.hpp"
#include "metrics/label_ranges.hpp"

namespace osteon::engine {

/// How the labels of some images lie in them, for the run's record ("labels" of run.json).
nlohmann::json measure_labels(const recipe::Recipe& recipe, const data::Dataset& dataset,
                              const std::vector<int>& indices, const Context& context, data::BrokenSamples& broken);

/// What a run keeps of the labels that it was trained on; of an ensemble, what its members keep together. None where a
/// run keeps none: it was made as its model begins, or by an earlier version.
std::optional<metrics::LabelRanges> label_ranges(const std::filesystem::path& run, const recipe::Recipe& recipe,
                                                 const Opener& opener);

/// What looks wrong with the masks of an image beside those that were seen, as a list; said on stderr too, in a line:
/// "hand.png looks wrong: ...", of which what is too much is counted.
/// @param runs  of the masks, class by class (the competition's CSV)
nlohmann::json implausible(const metrics::LabelRanges& seen, const std::vector<std::string>& classes,
                           const std::string& image, const data::Labels& labels, const std::vector<std::string>& runs);

/// Says that masks are held against nothing.
void say_no_ranges();

}  // namespace osteon::engine
