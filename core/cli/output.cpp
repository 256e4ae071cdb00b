// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/child.hpp"
#include "base/error.hpp"

namespace osteon::cli {
namespace {

int result_descriptor = STDOUT_FILENO;

}  // namespace

bool open_standard_descriptors() {
  constexpr int kModes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int descriptor = 0; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // The lowest free number is the one that is missing.
    if (::open("/dev/null", kModes[descriptor]) != descriptor) return false;
  }
  return true;
}

void claim_standard_output() {
  // Above the number on which a child answers its parent.
  const int kept = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, kAnswerDescriptor + 1);
  if (kept < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    throw Error(ExitCode::kResources, std::string("standard output cannot be kept apart: ") + std::strerror(errno));
  result_descriptor = kept;
}

void write_result(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(result_descriptor, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {  // whoever shares the descriptor made it so
      pollfd waiting{result_descriptor, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
      continue;
    }
    if (n <= 0)
      throw Error(ExitCode::kResources, std::string("cannot write the result: ") + std::strerror(errno),
                  "standard output");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace osteon::cli
