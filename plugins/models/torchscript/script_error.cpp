// SPDX-License-Identifier: Apache-2.0
#include "script_error.hpp"

#include <osteon/sdk/error.hpp>
#include <osteon/sdk/torch/compat.hpp>

namespace osteon::models {
namespace {

std::string line_at(const std::string& text, std::size_t start) {
  return text.substr(start, text.find('\n', start) - start);
}

}  // namespace

std::string script_error(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  std::string text = own != nullptr ? own->what_without_backtrace() : error.what();
  text.erase(text.find_last_not_of(" \n") + 1);
  const bool traceback = text.find("Traceback of TorchScript") != std::string::npos;
  return line_at(text, traceback ? text.rfind('\n') + 1 : 0);
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
