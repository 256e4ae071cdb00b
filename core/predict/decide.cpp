// SPDX-License-Identifier: Apache-2.0
#include "predict/decide.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "predict/finite.hpp"
#include "predict/grid.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

// Pixel by pixel between two rows of full width: sets `bit` where what lies there is above the threshold.
OSTEON_MULTIVERSION void set_bits(const float* top, const float* bottom, float weight, float threshold,
                                  std::uint32_t bit, Span span, std::uint32_t* row) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = span.begin; x < span.end; ++x)
    row[x] |= top[x] + (bottom[x] - top[x]) * weight > threshold ? bit : 0u;
}

enum : std::uint32_t { kAbove = 1, kNotFinite = 2 };

// Whether any value is above the threshold, and whether any is not finite.
OSTEON_MULTIVERSION std::uint32_t look_at(const float* values, float threshold, std::int64_t count) {
  std::uint32_t above = 0, not_finite = 0;
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < count; ++x) {
    above |= values[x] > threshold ? 1u : 0u;
    not_finite |= (sdk::detail::as_bits(values[x]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  }
  return above * kAbove | not_finite * kNotFinite;
}

// The part of a row outside which nothing is above the threshold. Sets `not_finite` where it meets such a value.
Span span_above(const float* row, float threshold, std::int64_t width, std::atomic<bool>& not_finite) {
  const std::uint32_t seen = look_at(row, threshold, width);
  if ((seen & kNotFinite) != 0) not_finite = true;
  if ((seen & kAbove) == 0) return {};
  Span span{0, width};
  while (!(row[span.begin] > threshold)) ++span.begin;
  while (!(row[span.end - 1] > threshold)) --span.end;
  return span;
}

Span joined(Span a, Span b) {
  if (a.empty()) return b;
  return b.empty() ? a : Span{std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

// As above: keeps the greatest value so far and whose it is; the first of equals stays.
OSTEON_MULTIVERSION void keep_greatest(const float* top, const float* bottom, float weight, std::int32_t c,
                                       std::int64_t count, float* best, std::int32_t* winner) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < count; ++x) {
    const float value = top[x] + (bottom[x] - top[x]) * weight;
    const bool greater = value > best[x];
    winner[x] = greater ? c : winner[x];
    best[x] = greater ? value : best[x];
  }
}

float threshold_for(double probability, std::uint32_t form) {
  if (form == OSTEON_FORM_PROBABILITIES) return static_cast<float>(probability);
  if (probability <= 0) return -std::numeric_limits<float>::infinity();
  if (probability >= 1) return std::numeric_limits<float>::infinity();
  return static_cast<float>(std::log(probability / (1 - probability)));
}

data::Labels copy_bits(const osteon_tensor_view& view, int classes, std::int64_t height, std::int64_t width) {
  if (view.shape[0] != data::plane_count(classes) || view.shape[1] != height || view.shape[2] != width)
    throw sdk::InvalidArgument("bit planes of shape " + sdk::shape_text(view) + " do not fit the image");
  data::Labels labels(classes, cv::Size(static_cast<int>(width), static_cast<int>(height)));
  const auto* bits = sdk::data_of<const std::int32_t>(view, "a prediction");
  for (std::size_t p = 0; p < labels.planes().size(); ++p)
    std::memcpy(labels.planes()[p].data, bits + static_cast<std::int64_t>(p) * height * width,
                static_cast<std::size_t>(height * width) * 4);
  return labels;
}

// Rows of the image that are decided together, so that a row of the grid between two of them is widened once.
constexpr std::int64_t kBand = 8;

// What one thread works with.
struct Scratch {
  std::vector<float> widened;  // rows of the grid, as wide as the image
  std::vector<float> best;
  std::vector<std::int32_t> winner;
};

}  // namespace

data::Labels decide(const osteon_call* raw, const osteon_prediction& prediction, int classes, std::int64_t height,
                    std::int64_t width, const Decision& decision) {
  const osteon_tensor_view& view = prediction.values.view;
  if (prediction.form == OSTEON_FORM_BITS) return copy_bits(view, classes, height, width);
  sdk::expect_shape(view, {classes, -1, -1}, "a prediction");
  const sdk::Call call(raw);
  const std::int64_t h = view.shape[1], w = view.shape[2];
  const GridMap map = grid_map(prediction);
  const Axis rows = make_axis(h, height, map.scale_y, map.offset_y);
  const Axis columns = make_axis(w, width, map.scale_x, map.offset_x);
  const float* in = sdk::data_of<const float>(view, "a prediction");
  std::vector<float> thresholds;
  for (const double t : decision.thresholds) thresholds.push_back(threshold_for(t, prediction.form));
  if (!decision.multiclass && thresholds.size() != static_cast<std::size_t>(classes))
    throw sdk::InvalidArgument("there are " + std::to_string(thresholds.size()) + " thresholds for " +
                               std::to_string(classes) + " classes");

  // What is interpolated lies between its neighbours: where none of them is above the threshold, nothing is. A bone
  // covers a hundredth of an image, so most of the work is left out.
  std::atomic<bool> not_finite{false};
  std::vector<Span> above(decision.multiclass ? 0 : static_cast<std::size_t>(classes * h));
  sdk::parallel_for(call, static_cast<std::int64_t>(above.size()), [&](std::int64_t i, int) {
    above[static_cast<std::size_t>(i)] =
        span_above(in + i * w, thresholds[static_cast<std::size_t>(i / h)], w, not_finite);
  });
  if (not_finite) expect_finite(call, prediction);

  data::Labels labels(classes, cv::Size(static_cast<int>(width), static_cast<int>(height)));
  const auto row_of = [&](std::int32_t c, std::int64_t y) {
    return labels.planes()[static_cast<std::size_t>(c / 32)].ptr<std::uint32_t>(static_cast<int>(y));
  };
  std::vector<Scratch> scratches(static_cast<std::size_t>(call.threads()));
  sdk::parallel_for(call, (height + kBand - 1) / kBand, [&](std::int64_t band, int thread) {
    Scratch& s = scratches[static_cast<std::size_t>(thread)];
    const std::int64_t begin = band * kBand, end = std::min(height, begin + kBand);
    const std::int64_t lowest = rows.low[static_cast<std::size_t>(begin)];
    const std::int64_t count = rows.high[static_cast<std::size_t>(end - 1)] - lowest + 1;
    s.widened.resize(static_cast<std::size_t>(count * width));
    if (decision.multiclass) {
      s.best.assign(static_cast<std::size_t>(kBand * width), -std::numeric_limits<float>::infinity());
      s.winner.assign(static_cast<std::size_t>(kBand * width), 0);
    }
    for (int c = 0; c < classes; ++c) {
      const std::int64_t first = c * h + lowest;
      Span reach{0, width};
      if (!decision.multiclass) {
        Span any;
        for (std::int64_t i = 0; i < count; ++i) any = joined(any, above[static_cast<std::size_t>(first + i)]);
        reach = reached_by(columns, any);
      }
      if (reach.empty()) continue;
      std::int64_t done = -1;
      for (std::int64_t y = begin; y < end; ++y) {
        const auto i = static_cast<std::size_t>(y);
        const std::int64_t low = rows.low[i] - lowest, high = rows.high[i] - lowest;
        for (const std::int64_t row : {low, high}) {
          if (row <= done) continue;
          if (decision.multiclass && any_not_finite(in + (first + row) * w, w)) not_finite = true;
          widen(in + (first + row) * w, columns, reach, s.widened.data() + row * width);
          done = row;
        }
        const float* top = s.widened.data() + low * width;
        const float* bottom = s.widened.data() + high * width;
        const std::int64_t at = (y - begin) * width;
        if (decision.multiclass)
          keep_greatest(top, bottom, rows.weight[i], c, width, s.best.data() + at, s.winner.data() + at);
        else
          set_bits(top, bottom, rows.weight[i], thresholds[static_cast<std::size_t>(c)], std::uint32_t{1} << (c % 32),
                   reach, row_of(c, y));
      }
    }
    if (!decision.multiclass) return;
    for (std::int64_t y = begin; y < end; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int32_t c = s.winner[static_cast<std::size_t>((y - begin) * width + x)];
        row_of(c, y)[x] = std::uint32_t{1} << (c % 32);
      }
  });
  if (not_finite) expect_finite(call, prediction);
  return labels;
}

}  // namespace osteon::predict
