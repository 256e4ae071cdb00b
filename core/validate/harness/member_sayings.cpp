// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/member_sayings.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/random.hpp>

namespace osteon::validate {

namespace {
constexpr std::int64_t kPixels = MemberSayings::kHeight * MemberSayings::kWidth;
}

MemberSayings::MemberSayings(std::uint32_t form, std::int64_t members, std::int64_t classes, bool multiclass,
                             std::uint64_t seed)
    : form_(form),
      classes_(classes),
      values_(static_cast<std::size_t>(members * classes * kPixels)),
      truth_(static_cast<std::size_t>((classes + 31) / 32 * kPixels)) {
  sdk::Random random(seed, 0x656e73);
  for (std::int64_t p = 0; p < kPixels; ++p) {
    const std::int64_t only = random.below(static_cast<std::uint32_t>(classes));
    std::vector<double> logits(static_cast<std::size_t>(classes));
    for (std::int64_t k = 0; k < classes; ++k) {
      const bool is = multiclass ? k == only : random.chance(0.4);
      if (is) truth_[static_cast<std::size_t>(k / 32 * kPixels + p)] |= 1u << (k % 32);
      logits[static_cast<std::size_t>(k)] = is ? 1.5 : -1.5;
    }
    for (std::int64_t m = 0; m < members; ++m) {
      // The later the member, the less it knows.
      std::vector<double> said = logits;
      for (double& x : said) x += (1 + static_cast<double>(m)) * random.uniform(-1.5, 1.5);
      const auto best = std::max_element(said.begin(), said.end()) - said.begin();
      double sum = 0;
      for (const double x : said) sum += std::exp(x);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double x = said[static_cast<std::size_t>(k)];
        const double probability = multiclass ? std::exp(x) / sum : 1 / (1 + std::exp(-x));
        const double bit = multiclass ? k == best : x > 0;
        at(m, k, p) = static_cast<float>(form == OSTEON_FORM_LOGITS ? x : form == OSTEON_FORM_BITS ? bit : probability);
      }
    }
  }
}

ProbeTensor MemberSayings::of(std::int64_t member, const osteon_band& band) const {
  const bool bits = form_ == OSTEON_FORM_BITS;
  const auto listed = static_cast<std::int64_t>(band.n_classes), pixels = band.height * band.width;
  ProbeTensor tensor(bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>(),
                     {bits ? (listed + 31) / 32 : listed, band.height, band.width});
  for (std::int64_t i = 0; i < listed; ++i)
    for (std::int64_t p = 0; p < pixels; ++p) {
      const float value = at(member, band.classes[i], (band.first_row * kWidth + p) % kPixels);
      if (!bits)
        tensor.data()[i * pixels + p] = value;
      else if (value > 0)
        tensor.data<std::uint32_t>()[i / 32 * pixels + p] |= 1u << (i % 32);
    }
  return tensor;
}

ProbeTensor MemberSayings::truth(const osteon_band& band) const {
  const std::int64_t planes = (classes_ + 31) / 32, pixels = band.height * band.width;
  ProbeTensor tensor(sdk::dtype_of<std::int32_t>(), {planes, band.height, band.width});
  for (std::int64_t i = 0; i < planes * pixels; ++i)
    tensor.data<std::uint32_t>()[i] =
        truth_[static_cast<std::size_t>(i / pixels * kPixels + (band.first_row * kWidth + i % pixels) % kPixels)];
  return tensor;
}

ProbeBand::ProbeBand(std::int64_t first_row, std::int64_t height, std::vector<std::int32_t> listed, std::int64_t width)
    : classes(std::move(listed)) {
  raw = sdk::sized<osteon_band>();
  raw.first_row = first_row;
  raw.height = height;
  raw.width = width;
  raw.n_classes = classes.size();
  raw.classes = classes.data();
}

std::vector<float> floats_of(const osteon_tensor_view& view) {
  if (view.dtype != sdk::dtype_of<std::int32_t>()) return values_of(view);
  const auto* words = static_cast<const std::int32_t*>(view.data);
  return {words, words + sdk::element_count(view)};
}

}  // namespace osteon::validate
