// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <string>

namespace osteon::models {

/// What went wrong, in one line: the first of LibTorch's message, or of what stands beneath the traceback of the
/// script, without what LibTorch guesses behind it.
std::string script_error(const std::exception& error);

/// What a composer may do about such a line where an image of the trial's size was the cause; empty where it was not.
std::string size_hint(const std::string& line);

/// Throws the failure of a script anew: with the status of the ABI that its text stands for (the interpreter keeps no
/// types), and with one line.
[[noreturn]] void throw_script_error(const std::exception& error);

}  // namespace osteon::models
