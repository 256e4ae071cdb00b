// SPDX-License-Identifier: Apache-2.0
// What a photometric augmentation does to pixels and labels.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "validate/augmentation/probe.hpp"

namespace osteon::validate {
namespace {

constexpr std::uint64_t kPixelKeys = 12;
constexpr osteon_dtype kTypes[] = {{OSTEON_DTYPE_UINT, 8, 1}, {OSTEON_DTYPE_UINT, 16, 1}, {OSTEON_DTYPE_FLOAT, 32, 1}};

void only_photometric(const AugmentationProbe& augmentation) {
  if (augmentation.geometric()) skip("it sees no pixels");
}

// As AugmentationProbe::batch, in a type of one's choice.
PixelBatch batch_of(const AugmentationProbe& augmentation, osteon_dtype type, std::int64_t h, std::int64_t w,
                    std::int64_t c = 1, double low = 0, double high = 1) {
  PixelBatch batch(type, h, w, c, low, high);
  if (augmentation.edits_labels()) batch.add_labels(augmentation.n_classes());
  return batch;
}

std::string listed_types(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  std::string report;
  for (const osteon_dtype type : {kTypes[0], kTypes[1], kTypes[2], osteon_dtype{OSTEON_DTYPE_FLOAT, 64, 1},
                                  osteon_dtype{OSTEON_DTYPE_INT, 8, 1}}) {
    const std::string name = sdk::to_string(type);
    if (subject.component.supports_dtype(type) && type.bits <= 32 && type.code != OSTEON_DTYPE_INT) {
      augmentation.apply(key_of(0), batch_of(augmentation, type, 20, 30));
      report += (report.empty() ? "" : ", ") + name;
      continue;
    }
    PixelBatch batch = batch_of(augmentation, kTypes[2], 20, 30);
    const ProbeTensor other(type, {20, 30, 1});
    const auto before = other.bytes();
    osteon_pixels raw = batch.raw();
    raw.image = other;
    const SteeredCall call;
    const osteon_random_key key = key_of(0);
    expect_refused(attempt([&](osteon_error* e) {
                     return augmentation.api().apply(call.raw(), augmentation.get(), &key, &raw, e);
                   }),
                   {OSTEON_UNSUPPORTED}, fmt::format("apply to {} pixels, which are not listed,", name));
    expect(other.bytes() == before, "apply refused {} pixels and changed them all the same", name);
  }
  return report;
}

std::string types_agree(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  if (augmentation.types().size() < 2) skip("it lists one type of pixels");
  double worst = 0;
  for (std::uint64_t i = 0; i < kPixelKeys; ++i) {
    std::vector<std::vector<float>> results;
    for (const osteon_dtype type : augmentation.types()) {
      const PixelBatch batch = batch_of(augmentation, type, 64, 64);
      augmentation.apply(key_of(i), batch);
      results.push_back(batch.values());
    }
    for (std::size_t t = 1; t < results.size(); ++t) {
      double sum = 0;
      for (std::size_t p = 0; p < results[0].size(); ++p) sum += std::abs(results[0][p] - results[t][p]);
      const double mean = sum / static_cast<double>(results[0].size());
      worst = std::max(worst, mean);
      // Rounding to 8 bits before and after is 1/255 at most; what is computed by tables may be somewhat more.
      expect(mean <= 0.02,
             "the same image in {} and in {} is changed differently: by {:.3f} of the full range on average",
             sdk::to_string(augmentation.types()[0]), sdk::to_string(augmentation.types()[t]), mean);
    }
  }
  return fmt::format("apart by {:.4f} of the full range at most, on average over an image", worst);
}

std::string stays_in_range(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  for (const osteon_dtype type : augmentation.types())
    for (const auto& [low, high] : {std::pair<double, double>{0, 1}, {0, 0}, {1, 1}, {0.9, 1}, {0, 0.1}})
      for (std::uint64_t i = 0; i < kPixelKeys; ++i) {
        const PixelBatch batch = batch_of(augmentation, type, 24, 31, 1, low, high);
        augmentation.apply(key_of(i), batch);
        for (const float value : batch.values())
          expect(value >= 0 && value <= 1, "{} pixels between {} and {} of the full range became {}, expected 0..1",
                 sdk::to_string(type), low, high, value);
      }
  return {};
}

std::string grey_and_colour(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  for (const osteon_dtype type : augmentation.types()) {
    for (const std::int64_t channels : {1, 3})
      augmentation.apply(key_of(3), batch_of(augmentation, type, 24, 31, channels));
    for (const std::int64_t channels : {2, 0})
      expect_refused(augmentation.try_apply(key_of(3), batch_of(augmentation, type, 24, 31, channels)),
                     {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, fmt::format("apply to {} channels", channels));
  }
  return {};
}

std::string odd_sizes(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  for (const osteon_dtype type : augmentation.types())
    for (const auto& [h, w] : {std::array<std::int64_t, 2>{1, 1}, {1, 1367}, {4099, 1}, {3, 2}, {0, 7}, {7, 0}}) {
      const PixelBatch batch = batch_of(augmentation, type, h, w);
      const Outcome outcome = augmentation.try_apply(key_of(2), batch);
      const std::string what = fmt::format("apply to {} x {} {} pixels", h, w, sdk::to_string(type));
      if (h * w == 0 && !outcome.ok())
        expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, what);
      else
        expect_ok(outcome, what);
    }
  return {};
}

std::string odd_values(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  if (!subject.component.supports_dtype(kTypes[2])) skip("it takes no float32 pixels");
  const PixelBatch usual = batch_of(augmentation, kTypes[2], 24, 31);
  augmentation.apply(key_of(4), usual);
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), static_cast<double>(std::numeric_limits<float>::denorm_min())})
    for (std::uint64_t i = 0; i < kPixelKeys; ++i) {
      PixelBatch batch = batch_of(augmentation, kTypes[2], 24, 31);
      for (std::int64_t p = 0; p < batch.image.count(); p += 7) batch.set_value(p, value);
      const Outcome outcome = augmentation.try_apply(key_of(i), batch);
      if (!outcome.ok())
        expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_BAD_INPUT},
                       fmt::format("apply to pixels of {}", value));
    }
  const PixelBatch after = batch_of(augmentation, kTypes[2], 24, 31);
  augmentation.apply(key_of(4), after);
  expect(after.image.bytes() == usual.image.bytes(), "after odd pixels usual ones come out different");
  return {};
}

std::string pixels_stay_with_their_labels(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  constexpr std::int64_t kSide = 64;
  for (std::uint64_t i = 0; i < kPixelKeys; ++i) {
    const PixelBatch batch = augmentation.batch(kSide, kSide);
    const std::vector<float> before = batch.values();
    augmentation.apply(key_of(i), batch);
    const std::vector<float> after = batch.values();
    const double in_place = correlation(before.data(), after.data(), kSide, 0, 0);
    for (std::int64_t dy = -4; dy <= 4; ++dy)
      for (std::int64_t dx = -4; dx <= 4; ++dx)
        expect(correlation(before.data(), after.data(), kSide, dy, dx) <= in_place + 0.1,
               "the image has moved by {}, {} pixels and the labels have not; what moves pixels is a geometric "
               "augmentation",
               dy, dx);
  }
  return {};
}

std::string labels_stay_valid(const Subject& subject) {
  for (const std::int64_t n : {1, 3, 33}) {
    const AugmentationProbe augmentation(subject, n, false);
    only_photometric(augmentation);
    if (!augmentation.edits_labels()) skip("it leaves labels alone");
    for (std::uint64_t i = 0; i < kPixelKeys; ++i) {
      const PixelBatch batch = augmentation.batch(40, 50);
      augmentation.apply(key_of(i), batch);
      const std::int64_t planes = (n + 31) / 32, pixels = 40 * 50;
      for (std::int64_t p = 0; p < planes * pixels; ++p) {
        const std::int64_t bits = std::min<std::int64_t>(32, n - p / pixels * 32);
        const std::uint32_t beyond = bits == 32 ? 0 : ~((1u << bits) - 1);
        expect((batch.labels->data<std::uint32_t>()[p] & beyond) == 0, "it set bits of classes beyond the {} there are",
               n);
      }
      PixelBatch without = augmentation.batch(40, 50);
      without.valid.reset();
      const Outcome outcome = augmentation.try_apply(key_of(i), without);
      // What makes pixels invalid has no plane to say it in.
      if (!outcome.ok())
        expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "apply without a valid plane");
    }
  }
  return {};
}

std::string wrong_shapes_refused(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_photometric(augmentation);
  const osteon_dtype type = augmentation.types().front();
  const PixelBatch batch = batch_of(augmentation, type, 20, 30);
  const ProbeTensor flat(type, {20, 30}), deep(type, {1, 20, 30, 1});
  const ProbeTensor narrow(sdk::dtype_of<std::int32_t>(), {1, 20, 29}),
      bytes(sdk::dtype_of<std::uint8_t>(), {1, 20, 30});
  const auto refuse = [&](const std::string& what, const std::function<void(osteon_pixels&)>& change) {
    osteon_pixels raw = batch.raw();
    change(raw);
    const SteeredCall call;
    const osteon_random_key key = key_of(1);
    expect_refused(attempt([&](osteon_error* e) {
                     return augmentation.api().apply(call.raw(), augmentation.get(), &key, &raw, e);
                   }),
                   {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "apply to " + what);
  };
  refuse("an image of 2 dimensions", [&](osteon_pixels& raw) { raw.image = flat; });
  refuse("an image of 4 dimensions", [&](osteon_pixels& raw) { raw.image = deep; });
  if (augmentation.edits_labels()) {
    refuse("labels of another width", [&](osteon_pixels& raw) { raw.labels = narrow; });
    refuse("labels of uint8", [&](osteon_pixels& raw) { raw.labels = bytes; });
  }
  return {};
}

}  // namespace

const std::vector<Check>& augmentation_pixel_checks() {
  static const std::vector<Check> checks = {
      {"listed-types", "pixels of the listed types are changed, others are UNSUPPORTED and stay", listed_types},
      {"types-agree", "an image is changed alike in all listed types", types_agree},
      {"stays-in-range", "intensities stay between 0 and the greatest", stays_in_range},
      {"grey-and-colour", "one channel and three are taken, others are refused", grey_and_colour},
      {"odd-sizes", "empty and oddly shaped images work or are refused", odd_sizes},
      {"odd-values", "an augmentation survives NaN, infinities and denormals, nothing is left behind", odd_values},
      {"pixels-stay-with-their-labels", "pixels do not move: labels would not follow", pixels_stay_with_their_labels},
      {"labels-stay-valid", "labels get no classes that there are not; a missing valid plane is fine, or is refused",
       labels_stay_valid},
      {"wrong-shapes-refused", "tensors of other shapes and types are refused with a text", wrong_shapes_refused},
  };
  return checks;
}

}  // namespace osteon::validate
