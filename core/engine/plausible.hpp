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

/// Characters of the runs of an image.
std::int64_t length_of(const std::vector<std::string>& runs);

/// "hand.png looks wrong: ..." on stderr; what is too much for a line is counted.
void warn_of(const std::string& image, const std::vector<metrics::Implausible>& found);

}  // namespace osteon::engine
