// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// Names of files that are made from other names.
namespace osteon {

/// `name` as a visible file in one folder: a slash, a backslash, control characters and a dot at the start are
/// percent-encoded, and so is a percent sign that would read as the start of such a code. Names that need none of it
/// stay as they are, and different names stay different. Bounded as by bounded_file_name.
std::string file_name_of(const std::string& name);

/// `name`, or where it has more than 240 bytes, its start and a digest of it: file systems take 255 bytes, and 15 are
/// left for an extension.
std::string bounded_file_name(const std::string& name);

}  // namespace osteon
