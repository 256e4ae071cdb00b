// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <string>

namespace osteon::models {

/// What went wrong, in one line: of LibTorch's own errors the message, of a script's the last line, beneath the
/// traceback of the script.
std::string script_error(const std::exception& error);

/// Throws the failure of a script anew: with the status of the ABI that its text stands for (the interpreter keeps no
/// types), and with one line.
[[noreturn]] void throw_script_error(const std::exception& error);

}  // namespace osteon::models
