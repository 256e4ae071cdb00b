// SPDX-License-Identifier: Apache-2.0
#include "script_error.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include <osteon/sdk/error.hpp>
#include <osteon/sdk/torch/compat.hpp>

namespace osteon::models {
namespace {

/// Whether a line begins with the name of an exception: "RuntimeError: ", "builtins.ValueError: ".
bool names_exception(std::string_view line) {
  const std::size_t colon = line.find(": ");
  if (colon == 0 || colon == std::string_view::npos) return false;
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; });
}

/// Beneath the last traceback, which ends with some lines of code, stands the error as Python writes it.
std::string_view beneath_traceback(std::string_view text) {
  constexpr std::string_view kHere = "<--- HERE";
  const std::size_t last = text.rfind(kHere);
  if (last == std::string_view::npos) return text;
  std::size_t line = text.find('\n', last);
  for (; line != std::string_view::npos; line = text.find('\n', line + 1))
    if (names_exception(text.substr(line + 1, text.find('\n', line + 1) - line - 1))) return text.substr(line + 1);
  return text.substr(text.rfind('\n') + 1);
}

std::string first_line(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  return std::string(text.substr(0, text.find('\n')));
}

void drop_prefix(std::string& text, std::string_view prefix) {
  if (text.compare(0, prefix.size(), prefix) == 0) text.erase(0, prefix.size());
}

bool has_any(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return text.find(word) != std::string::npos; });
}

}  // namespace

std::string script_error(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  std::string text = own != nullptr ? own->what_without_backtrace() : error.what();
  text.erase(text.find_last_not_of(" \n") + 1);
  std::string line = first_line(beneath_traceback(text));
  drop_prefix(line, "RuntimeError: ");
  drop_prefix(line, "builtins.");
  // What follows is a list of what might have been meant, and of all that there is.
  const std::size_t guesses = line.find(". This could be because the operator doesn't exist");
  if (guesses == std::string::npos) return line;
  line.erase(guesses);
  const bool cuda = line.find("'CUDA' backend") != std::string::npos;
  return line + (cuda ? ": the script makes tensors on a CUDA device, by its name; script it on the CPU" : "");
}

std::string size_hint(const std::string& line) {
  // An exception that the script raises has a class in front, LibTorch's own have lost theirs.
  if (has_any(line, {"AssertionError", "ValueError", "Exception: "}))
    return "; where that is about the size of the image, size_multiple says the one that the network takes";
  if (has_any(line, {"size", "shape", "channels", "dimension", "Dimension"}))
    return "; does data.channels fit? A network for one size alone is given by size_multiple";
  return "";
}

void throw_script_error(const std::exception& error) {
  const std::string text = error.what();
  osteon_status status = OSTEON_FAILED;
  if (const auto* own = dynamic_cast<const c10::Error*>(&error)) status = sdk::compat::status_of(*own);
  if (text.find("DefaultCPUAllocator") != std::string::npos) status = OSTEON_OUT_OF_MEMORY;
  if (text.find("CUDA out of memory") != std::string::npos) status = OSTEON_OUT_OF_DEVICE_MEMORY;
  throw sdk::Error(status, "the script failed: " + script_error(error));
}

}  // namespace osteon::models
