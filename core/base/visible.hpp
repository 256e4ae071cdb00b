// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace osteon {

/// A text of somebody else (a file, a plugin) as a terminal may get it, in one line: '?' stands for every control
/// character, among them those of U+0080 to U+009F, for those that turn the direction of writing, and for bytes that
/// are no UTF-8, which a terminal may take for controls.
std::string visible(const std::string& text);

/// The same of a text of several lines: line breaks and tabs stay.
std::string visible_lines(const std::string& text);

}  // namespace osteon
