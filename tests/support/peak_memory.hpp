// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

namespace osteon::test {

/// The greatest resident set of this process so far. Not getrusage's, in which a new program inherits what its parent
/// had.
inline long peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key; status.ignore(std::numeric_limits<std::streamsize>::max(), '\n'))
    if (long kib = 0; key == "VmHWM:" && status >> kib) return kib / 1024;
  throw std::runtime_error("/proc/self/status has no VmHWM");
}

/// From now on peak_mib() begins with what is resident now, which it returns.
inline long forget_peak() {
  std::ofstream file("/proc/self/clear_refs");
  if (!(file << 5 << std::flush)) throw std::runtime_error("/proc/self/clear_refs cannot be written");
  return peak_mib();
}

}  // namespace osteon::test
