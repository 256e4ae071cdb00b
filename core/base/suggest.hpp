// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace osteon {

/// The candidate that a mistyped `word` most likely meant: least edits (insert, delete, replace, swap of neighbours),
/// at most a third of the word's length and at least one; empty when none is that near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

/// "did you mean 'x'?" or nothing.
std::string suggestion(const std::string& word, const std::vector<std::string>& candidates);

/// ", did you mean 'x'?" or nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace osteon
