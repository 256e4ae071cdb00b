// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/growth.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <vector>

#include "validate/check.hpp"

namespace osteon::validate {
namespace {

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

std::string expect_no_growth(const std::string& what, const std::function<void()>& work, int rounds) {
  // A round that leaves this behind, and a window that does: the heap's own book-keeping moves by less.
  constexpr std::int64_t kRoundBytes = 64, kWindowBytes = 65536;
  constexpr double kResidentMib = 64;
  // Caches fill up first, and a plan may measure and compile in its first dozen calls.
  constexpr int kWarmUp = 12;
  for (int i = 0; i < kWarmUp; ++i) work();
  const auto count = static_cast<std::size_t>(rounds);
  std::vector<std::int64_t> left(count);
  const std::int64_t resident = resident_bytes();
  // Two windows, and more until one does not grow: what fills up late, as where a plan is still being measured on a
  // busy machine, stops some time; a leak grows in each of them. The median of rounds, for what grows by doubling now
  // and then is no leak.
  constexpr int kWindows = 8;
  std::int64_t window = std::numeric_limits<std::int64_t>::max(), round = window;
  int windows = 0;
  do {
    const std::int64_t begin = bytes_in_use();
    for (std::int64_t& bytes : left) {
      const std::int64_t before = bytes_in_use();
      work();
      bytes = bytes_in_use() - before;
    }
    window = std::min(window, bytes_in_use() - begin);
    std::nth_element(left.begin(), left.begin() + rounds / 2, left.end());
    round = std::min(round, left[count / 2]);
    ++windows;
  } while (windows < 2 || (windows < kWindows && (window >= kWindowBytes || round >= kRoundBytes)));
  const double megabytes = static_cast<double>(resident_bytes() - resident) / 1048576;
  expect(window < kWindowBytes && round < kRoundBytes,
         "{}: memory in use grows, by {} bytes in {} rounds and by {} in most of them", what, window, rounds, round);
  expect(megabytes < kResidentMib, "{}: the resident set grew by {:.0f} MiB in {} rounds", what, megabytes,
         windows * rounds);
  return fmt::format("{} rounds", windows * rounds + kWarmUp);
}

int rounds_for(std::int64_t bytes) noexcept {
  return static_cast<int>(
      std::clamp<std::int64_t>((std::int64_t{80} << 20) / std::max<std::int64_t>(1, bytes), 8, 200));
}

std::int64_t bytes_in_use() noexcept {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

double peak_resident_mib() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace osteon::validate
