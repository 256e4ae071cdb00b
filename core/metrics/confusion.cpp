// SPDX-License-Identifier: Apache-2.0
#include "metrics/confusion.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "data/bit_count.hpp"

namespace osteon::metrics {
namespace {

using data::BitCounter;
using Block = std::array<std::uint32_t, BitCounter::kBlock>;

/// The three counts of one plane, 128 pixels at a time.
class PlaneCounter {
 public:
  void add_row(const std::uint32_t* prediction, const std::uint32_t* truth, const std::uint8_t* valid, int width) {
    for (int x = 0; x < width; x += BitCounter::kBlock) {
      const int n = std::min(width - x, BitCounter::kBlock);
      add_block(prediction + x, truth + x, valid ? valid + x : nullptr, n);
    }
  }

  void finish(std::vector<ClassCounts>& counts, std::size_t first) {
    const auto both = both_.counts();
    const auto predicted = predicted_.counts();
    const auto truth = truth_.counts();
    for (std::size_t c = first; c < std::min(counts.size(), first + 32); ++c)
      counts[c] = {both[c - first], predicted[c - first], truth[c - first], true};
  }

 private:
  void add_block(const std::uint32_t* prediction, const std::uint32_t* truth, const std::uint8_t* valid, int n) {
    if (n < BitCounter::kBlock || valid) {
      Block p{};
      Block t{};
      std::copy_n(prediction, n, p.begin());
      std::copy_n(truth, n, t.begin());
      for (int i = 0; valid && i < n; ++i) {
        const std::uint32_t keep = valid[i] != 0 ? ~0U : 0U;
        p[static_cast<std::size_t>(i)] &= keep;
        t[static_cast<std::size_t>(i)] &= keep;
      }
      add_full(p.data(), t.data());
    } else {
      add_full(prediction, truth);
    }
  }

  void add_full(const std::uint32_t* prediction, const std::uint32_t* truth) {
    Block both;
    for (std::size_t i = 0; i < both.size(); ++i) both[i] = prediction[i] & truth[i];
    both_.add(both.data());
    predicted_.add(prediction);
    truth_.add(truth);
  }

  BitCounter both_;
  BitCounter predicted_;
  BitCounter truth_;
};

}  // namespace

std::vector<ClassCounts> count_confusion(const data::Labels& prediction, const data::Labels& truth) {
  if (prediction.classes() != truth.classes() || prediction.size() != truth.size()) {
    const auto text = [](const data::Labels& labels) {
      return std::to_string(labels.classes()) + " classes at " + std::to_string(labels.size().width) + " x " +
             std::to_string(labels.size().height);
    };
    throw Error(ExitCode::kData, "the prediction has " + text(prediction) + ", the truth has " + text(truth));
  }
  std::vector<ClassCounts> counts(static_cast<std::size_t>(truth.classes()));
  for (std::size_t plane = 0; plane < truth.planes().size(); ++plane) {
    PlaneCounter counter;
    for (int y = 0; y < truth.size().height; ++y)
      counter.add_row(prediction.planes()[plane].ptr<std::uint32_t>(y), truth.planes()[plane].ptr<std::uint32_t>(y),
                      truth.valid().empty() ? nullptr : truth.valid().ptr<std::uint8_t>(y), truth.size().width);
    counter.finish(counts, 32 * plane);
  }
  const bool any = truth.valid().empty() || cv::countNonZero(truth.valid()) > 0;
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (!any || !truth.knows(static_cast<int>(c))) counts[c] = {0, 0, 0, false};
  return counts;
}

double dice(const ClassCounts& counts) noexcept {
  constexpr double kSmooth = 1e-4;
  return (2.0 * static_cast<double>(counts.intersection) + kSmooth) /
         (static_cast<double>(counts.predicted + counts.truth) + kSmooth);
}

double iou(const ClassCounts& counts) noexcept {
  const std::int64_t either = counts.predicted + counts.truth - counts.intersection;
  return either == 0 ? 1.0 : static_cast<double>(counts.intersection) / static_cast<double>(either);
}

double pooled_dice(const ClassCounts& sums) noexcept {
  const std::int64_t total = sums.predicted + sums.truth;
  return total == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : 2.0 * static_cast<double>(sums.intersection) / static_cast<double>(total);
}

double pooled_iou(const ClassCounts& sums) noexcept {
  const std::int64_t either = sums.predicted + sums.truth - sums.intersection;
  return either == 0 ? std::numeric_limits<double>::quiet_NaN()
                     : static_cast<double>(sums.intersection) / static_cast<double>(either);
}

}  // namespace osteon::metrics
