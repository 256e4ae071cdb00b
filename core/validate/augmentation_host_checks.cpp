// SPDX-License-Identifier: Apache-2.0
// How an augmentation behaves in a host that cancels, updates, and goes on for days.
#include "validate/augmentation_probe.hpp"

namespace osteon::validate {
namespace {

std::string unknown_flags_refused(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  constexpr std::uint32_t kUnknown = 1u << 31;
  if (augmentation.geometric()) {
    const auto warp = augmentation.try_sample(key_of(0), 20, 30, nullptr, kUnknown);
    expect_refused(warp.outcome(), {OSTEON_UNSUPPORTED}, "sample_warp with the unknown flag bit 31");
    return {};
  }
  PixelBatch batch = augmentation.batch(20, 30);
  batch.flags = kUnknown;
  expect_refused(augmentation.try_apply(key_of(0), batch), {OSTEON_UNSUPPORTED}, "apply with the unknown flag bit 31");
  return {};
}

std::string no_growth(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  std::uint64_t round = 0;
  return expect_no_growth("a draw and a refused one", [&] {
    augmentation.draw(key_of(round++ % 32), 37, 53);
    if (augmentation.geometric()) {
      augmentation.try_sample(key_of(0), 0, 0);
    } else {
      augmentation.try_apply(key_of(0), PixelBatch(augmentation.types().front(), 5, 5, 2));
    }
  });
}

std::string cancellation(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  constexpr std::int64_t kSide = 1000;
  const osteon_random_key key = key_of(0);
  const auto expected = augmentation.draw(key, kSide, kSide);
  const std::string report = expect_cancellable("a draw", [&](const osteon_call* call, bool* right) {
    if (!augmentation.geometric()) {
      const PixelBatch batch = augmentation.batch(kSide, kSide);
      const Outcome outcome = augmentation.try_apply(key, batch, call);
      const auto image = batch.image.bytes();
      *right = std::equal(image.begin(), image.end(), expected.begin());
      return outcome;
    }
    const auto warp = augmentation.try_sample(key, kSide, kSide, call);
    *right = true;
    return warp.outcome();
  });
  expect(augmentation.draw(key, kSide, kSide) == expected, "after cancelled draws a key gives something else");
  if (no_polls(report)) skip("nothing can be told: {}; calls this short need not ask", report);
  return report;
}

std::string null_ignored(const Subject& subject) {
  subject.component.api<osteon_augmentation_api>().destroy(nullptr);
  return {};
}

std::string speed_and_memory(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  constexpr std::int64_t kSide = 1024;
  const double before = peak_resident_mib();
  std::uint64_t key = 0;
  if (!augmentation.geometric()) {
    const PixelBatch batch = augmentation.batch(kSide, kSide);
    const double ms = best_milliseconds(4, [&] { augmentation.apply(key_of(key++), batch); });
    return fmt::format("[1024, 1024, 1] {} on 1 thread {:.2f} ms, +{:.0f} MiB",
                       sdk::to_string(batch.image.view().dtype), ms, peak_resident_mib() - before);
  }
  const double draw = best_milliseconds(4, [&] { augmentation.sample(key_of(key++), kSide, kSide); });
  std::string report = fmt::format("a warp of 1024 x 1024 pixels on 1 thread: {:.3f} ms to draw", draw);
  for (std::uint64_t i = 0; i < 16; ++i) {
    const auto warp = augmentation.sample(key_of(i), kSide, kSide);
    if (warp.get().kind != OSTEON_WARP_FREE) continue;
    return report + fmt::format(", {:.1f} ms to map all points", best_milliseconds(2, [&] { warp.map_grid(); }));
  }
  return report;
}

}  // namespace

const std::vector<Check>& augmentation_host_checks() {
  static const std::vector<Check> checks = {
      {"unknown-flags-refused", "unknown flags are UNSUPPORTED", unknown_flags_refused},
      {"no-growth", "memory does not grow with draws and refusals", no_growth},
      {"cancellation", "a call that is stopped returns CANCELLED or had finished", cancellation},
      {"null-ignored", "destroy ignores NULL", null_ignored},
      {"speed-and-memory", "what a draw costs, measured", speed_and_memory},
  };
  return checks;
}

}  // namespace osteon::validate
