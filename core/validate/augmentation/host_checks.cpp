// SPDX-License-Identifier: Apache-2.0
// How an augmentation behaves in a host that cancels, updates, and goes on for days.
#include <algorithm>

#include "validate/augmentation/probe.hpp"
#include "validate/harness/cancellation.hpp"

namespace osteon::validate {
namespace {

// A host of an older version has a shorter osteon_warp.
std::string warp_not_overrun(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  if (!augmentation.geometric()) skip("it moves no pixels");
  for (std::uint64_t i = 0; i < 16; ++i) {
    const WarpRequest request(augmentation, {38, 54});
    ShortOut<osteon_warp> warp(request.preset());
    const SteeredCall call;
    const osteon_random_key key = key_of(i);
    expect_ok(attempt([&](osteon_error* e) {
                return augmentation.api().sample_warp(call.raw(), augmentation.get(), &key, &request.raw(), warp.get(),
                                                      e);
              }),
              "sample_warp");
    expect(warp.get()->struct_size == StructFacts<osteon_warp>::least,
           "sample_warp changed the struct_size of an osteon_warp to {}; it is the caller's", warp.get()->struct_size);
    if (augmentation.api().end_warp != nullptr) augmentation.api().end_warp(augmentation.get(), warp.get());
    expect(warp.overrun() == 0, "an osteon_warp of {} bytes was written {} bytes beyond",
           StructFacts<osteon_warp>::least, warp.overrun());
  }
  return {};
}

std::string no_growth(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  std::uint64_t round = 0;
  return expect_no_growth("a draw and a refused one", [&] {
    augmentation.draw(key_of(round++ % 32), 37, 53);
    if (augmentation.geometric()) {
      augmentation.try_sample(key_of(0), {0, 0});
    } else {
      augmentation.try_apply(key_of(0), PixelBatch(augmentation.types().front(), 5, 5, 2));
    }
  });
}

// One draw of an image of side x side pixels.
StoppableWork draw_of(const AugmentationProbe& augmentation, const osteon_random_key& key, std::int64_t side,
                      const std::vector<std::uint8_t>& expected) {
  return [&augmentation, key, side, &expected](const osteon_call* call, bool* right) {
    if (augmentation.geometric()) {
      const auto warp = augmentation.try_sample(key, {side, side}, call);
      *right = true;
      return warp.outcome();
    }
    const PixelBatch batch = augmentation.batch(side, side);
    const Outcome outcome = augmentation.try_apply(key, batch, call);
    const auto image = batch.image.bytes();
    *right = std::equal(image.begin(), image.end(), expected.begin());
    return outcome;
  };
}

std::string cancellation(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  constexpr std::int64_t kSide = 1000, kLargeSide = 4096;
  static_assert(kLargeSide * kLargeSide >= kManyValues);
  const osteon_random_key key = key_of(0);
  const auto expected = augmentation.draw(key, kSide, kSide);
  std::vector<std::uint8_t> of_large;
  // What a warp costs to draw does not grow with the image.
  const std::function<StoppableWork()> larger = [&] {
    of_large = augmentation.draw(key, kLargeSide, kLargeSide);
    return draw_of(augmentation, key, kLargeSide, of_large);
  };
  const Looks looks = expect_cancellable("a draw", draw_of(augmentation, key, kSide, expected),
                                         augmentation.geometric() ? nullptr : larger);
  expect(augmentation.draw(key, kSide, kSide) == expected, "after cancelled draws a key gives something else");
  return report_of({looks});
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
  const double draw = best_milliseconds(4, [&] { augmentation.sample(key_of(key++), {kSide, kSide}); });
  std::string report = fmt::format("a warp of 1024 x 1024 pixels on 1 thread: {:.3f} ms to draw", draw);
  for (std::uint64_t i = 0; i < 16; ++i) {
    const auto warp = augmentation.sample(key_of(i), {kSide, kSide});
    if (warp.get().kind != OSTEON_WARP_FREE) continue;
    return report + fmt::format(", {:.1f} ms to map all points", best_milliseconds(2, [&] { warp.map_grid(); }));
  }
  return report;
}

}  // namespace

const std::vector<Check>& augmentation_host_checks() {
  static const std::vector<Check> checks = {
      {"warp-not-overrun", "an osteon_warp is not written beyond its size", warp_not_overrun},
      {"no-growth", "memory does not grow with draws and refusals", no_growth},
      {"cancellation", "a call of an augmentation that is stopped returns CANCELLED or had finished", cancellation},
      {"null-ignored", "destroy of an augmentation ignores NULL", null_ignored},
      {"speed-and-memory", "what a draw costs, measured", speed_and_memory},
  };
  return checks;
}

}  // namespace osteon::validate
