// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace osteon::cli {

/// Makes sure that descriptors 0 to 2 are open, so that no file that is opened later gets one of them and with it what
/// is meant for a terminal. In place of a closed one there is nothing to read, an error to write to, and silence, in
/// this order. Before anything is opened. False when it cannot be done.
bool open_standard_descriptors();

/// Standard output becomes the program's own: what anything else writes there from now on (a plugin, LibTorch, a
/// script of a network) goes to standard error. Before any library of others is loaded.
void claim_standard_output();

/// Writes a part of the result to standard output. Throws Error(kResources) when that fails: what a script gets is
/// whole, or the program does not end with 0.
void write_result(std::string_view text);

/// The same of a text to be formatted.
template <class... Args>
void print_result(fmt::format_string<Args...> format, Args&&... args) {
  write_result(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace osteon::cli
