// SPDX-License-Identifier: Apache-2.0
#include "data/warp.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <opencv2/imgproc.hpp>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/parallel.hpp>

#include "data/label_ops.hpp"
#include "data/warp_points.hpp"

namespace osteon::data {
namespace {

constexpr int kPiece = 8192;  // points that are followed at once, whole rows of them: they stay in the cache

constexpr double kIdentity[6] = {1, 0, 0, 0, 1, 0};

bool leaves(const osteon_warp& warp) { return warp.border == OSTEON_BORDER_CONSTANT; }
bool ignores(const osteon_warp& warp) { return (warp.flags & OSTEON_WARP_IGNORE_OUTSIDE) != 0; }

const double (&matrix_of(const osteon_warp& warp))[6] {
  return warp.kind == OSTEON_WARP_IDENTITY ? kIdentity : warp.matrix;
}

// Whether a step moves pixels onto pixels of its input alone, so that its border shows nowhere.
bool stays_inside(const osteon_warp& warp, cv::Size input) {
  if (warp.kind > OSTEON_WARP_PERMUTATION) return false;
  const double(&m)[6] = matrix_of(warp);
  for (const double x : {0.0, static_cast<double>(warp.width - 1)})
    for (const double y : {0.0, static_cast<double>(warp.height - 1)}) {
      const double from_x = m[0] * x + m[1] * y + m[2], from_y = m[3] * x + m[4] * y + m[5];
      if (from_x < 0 || from_y < 0 || from_x > input.width - 1 || from_y > input.height - 1) return false;
    }
  return true;
}

// Rows, columns and mirrors: what a permutation takes from inside of a plane.
void move_pixels(const cv::Mat& from, const std::array<int, 6>& m, cv::Mat& to) {
  const auto range = [&](int by_x, int by_y, int offset) {
    const int end = by_x * (to.cols - 1) + by_y * (to.rows - 1) + offset;
    return cv::Range(std::min(offset, end), std::max(offset, end) + 1);
  };
  const cv::Mat part = from(range(m[3], m[4], m[5]), range(m[0], m[1], m[2]));
  const bool turned = m[0] == 0, mirrors_x = m[0] + m[3] < 0, mirrors_y = m[1] + m[4] < 0;
  cv::Mat upright = part;
  if (turned) cv::transpose(part, upright);
  if (mirrors_x || mirrors_y)
    cv::flip(upright, to, mirrors_x && mirrors_y ? -1 : mirrors_x ? 1 : 0);
  else
    upright.copyTo(to);
}

}  // namespace

/// What one thread needs for a piece.
struct WarpChain::Piece {
  Points points;
  std::vector<float> xy;            ///< the points, as plugins see them
  std::vector<std::int16_t> marks;  ///< the stage that a point left, or -1; empty where none can
  std::vector<std::int32_t> index;
};

void WarpChain::add(const plugin::Augmentation::Warp* warp) {
  const cv::Size output(static_cast<int>(warp->get().width), static_cast<int>(warp->get().height));
  stages_.push_back({warp, output_, stays_inside(warp->get(), output_)});
  output_ = output;
}

void WarpChain::clear(cv::Size input) {
  stages_.clear();
  input_ = output_ = input;
}

bool WarpChain::exact() const noexcept {
  return std::all_of(stages_.begin(), stages_.end(), [](const Stage& stage) { return stage.stays_inside; });
}

bool WarpChain::same_as(const WarpChain& other) const noexcept {
  return input_ == other.input_ &&
         std::equal(stages_.begin(), stages_.end(), other.stages_.begin(), other.stages_.end(),
                    [](const Stage& a, const Stage& b) { return a.warp == b.warp; });
}

// Of an exact chain, as one step.
std::array<int, 6> WarpChain::permutation() const {
  std::array<int, 6> whole{1, 0, 0, 0, 1, 0};
  for (std::size_t s = stages_.size(); s-- > 0;) {
    int m[6];
    for (int i = 0; i < 6; ++i) m[i] = static_cast<int>(matrix_of(stages_[s].warp->get())[i]);
    const std::array<int, 6> w = whole;
    for (const int row : {0, 3}) {
      whole[static_cast<std::size_t>(row)] = m[row] * w[0] + m[row + 1] * w[3];
      whole[static_cast<std::size_t>(row) + 1] = m[row] * w[1] + m[row + 1] * w[4];
      whole[static_cast<std::size_t>(row) + 2] = m[row] * w[2] + m[row + 1] * w[5] + m[row + 2];
    }
  }
  return whole;
}

// Which class of the input each class of the output is; empty: every one itself.
std::vector<int> WarpChain::class_sources(int classes) const {
  std::vector<int> sources(static_cast<std::size_t>(classes));
  std::iota(sources.begin(), sources.end(), 0);
  const std::vector<int> themselves = sources;
  for (const Stage& stage : stages_)
    if (const std::int32_t* source = stage.warp->get().class_source) {
      const std::vector<int> before = sources;
      for (std::size_t c = 0; c < sources.size(); ++c) sources[c] = before[static_cast<std::size_t>(source[c])];
    }
  return sources == themselves ? std::vector<int>() : sources;
}

void WarpChain::trace(std::int64_t first, Piece& piece) const {
  Points& points = piece.points;
  std::fill(piece.marks.begin(), piece.marks.end(), std::int16_t{-1});
  for (std::size_t s = stages_.size(); s-- > 0;) {
    const osteon_warp& warp = stages_[s].warp->get();
    const bool free = warp.kind == OSTEON_WARP_FREE;
    if (s + 1 == stages_.size())
      start_points(first, output_.width, free ? kIdentity : matrix_of(warp), points);
    else if (!free && warp.kind != OSTEON_WARP_IDENTITY)
      move_points(warp.matrix, points);
    if (free) {
      piece.xy.resize(2 * points.size());
      interleave(points, piece.xy.data());
      stages_[s].warp->map_points(points.size(), piece.xy.data());
      separate(piece.xy.data(), points);
    }
    if (stages_[s].stays_inside) continue;
    // What was outside of a later stage stays so, with that stage's fill. It travels on as an inner point, for plugins
    // are asked about points of their output only.
    if (leaves(warp))
      leave(stages_[s].input, static_cast<std::int16_t>(s), points, piece.marks.data());
    else
      reflect(stages_[s].input, points);
  }
}

void WarpChain::resample_piece(std::int64_t first, const Given& given, Piece& piece, Made& made) const {
  trace(first, piece);
  clamp(input_, piece.points);  // half a pixel of the border belongs to its last pixel
  const std::size_t count = piece.points.size();
  const int row = static_cast<int>(first / output_.width), rows = static_cast<int>(count) / output_.width;
  const cv::Mat marks = piece.marks.empty() ? cv::Mat() : cv::Mat(rows, output_.width, CV_16S, piece.marks.data());
  if (given.image != nullptr) {
    interpolate(*given.image, piece.points, made.image.ptr(row));
    cv::Mat band = made.image.rowRange(row, row + rows);
    for (std::size_t s = 0; s < stages_.size() && !marks.empty(); ++s)
      if (const osteon_warp& warp = stages_[s].warp->get(); leaves(warp))
        band.setTo(cv::Scalar::all(warp.image_fill * given.maximum), marks == static_cast<int>(s));
  }
  if (given.labels == nullptr) return;
  piece.index.resize(count);
  const auto take = [&](const cv::Mat& from, cv::Mat& to, auto element) {
    nearest(piece.points, static_cast<std::int64_t>(from.step1()), piece.index.data());
    using Element = decltype(element);
    gather(from.ptr<Element>(), piece.index.data(), count, to.ptr<Element>(row));
  };
  for (std::size_t p = 0; p < made.labels.planes().size(); ++p) {
    take(given.labels->planes()[p], made.labels.planes()[p], std::int32_t{});
    if (!marks.empty()) made.labels.planes()[p].rowRange(row, row + rows).setTo(0, marks >= 0);
  }
  if (made.labels.valid().empty()) return;
  cv::Mat valid = made.labels.valid().rowRange(row, row + rows);
  if (given.labels->valid().empty())
    valid.setTo(1);
  else
    take(given.labels->valid(), made.labels.valid(), std::uint8_t{});
  for (std::size_t s = 0; s < stages_.size() && !marks.empty(); ++s)
    if (leaves(stages_[s].warp->get()))
      valid.setTo(ignores(stages_[s].warp->get()) ? 0 : 1, marks == static_cast<int>(s));
}

WarpChain::Made WarpChain::resample_all(const plugin::Call& call, const Given& given) const {
  Made made;
  bool may_leave = false, may_ignore = false;
  for (const Stage& stage : stages_) {
    may_leave = may_leave || (!stage.stays_inside && leaves(stage.warp->get()));
    may_ignore = may_ignore || (!stage.stays_inside && ignores(stage.warp->get()));
  }
  if (given.image != nullptr) made.image.create(output_, given.image->type());
  if (given.labels != nullptr) {
    made.labels = Labels::undefined(given.labels->classes(), output_);
    made.labels.set_class_valid(given.labels->class_valid());
    if (may_ignore || !given.labels->valid().empty()) made.labels.valid().create(output_, CV_8U);
  }
  if (exact()) {
    const std::array<int, 6> whole = permutation();
    if (given.image != nullptr) move_pixels(*given.image, whole, made.image);
    for (std::size_t p = 0; p < made.labels.planes().size(); ++p)
      move_pixels(given.labels->planes()[p], whole, made.labels.planes()[p]);
    if (!made.labels.valid().empty()) move_pixels(given.labels->valid(), whole, made.labels.valid());
  } else {
    const sdk::Call shared(call.raw());
    std::vector<Piece> pieces(static_cast<std::size_t>(shared.threads()));
    const int rows = std::max(1, kPiece / output_.width);
    sdk::parallel_for(shared, (output_.height + rows - 1) / rows, [&](std::int64_t number, int thread) {
      Piece& piece = pieces[static_cast<std::size_t>(thread)];
      const std::int64_t row = number * rows;
      piece.points.resize(static_cast<std::size_t>(std::min<std::int64_t>(rows, output_.height - row) * output_.width));
      piece.marks.resize(may_leave ? piece.points.size() : 0);
      resample_piece(row * output_.width, given, piece, made);
    });
  }
  if (given.labels == nullptr) return made;
  if (const auto sources = class_sources(given.labels->classes()); !sources.empty())
    made.labels = select_classes(made.labels, sources);
  return made;
}

cv::Mat WarpChain::resample(const plugin::Call& call, const cv::Mat& image, double maximum) const {
  return empty() ? image : resample_all(call, {&image, maximum, nullptr}).image;
}

Labels WarpChain::resample(const plugin::Call& call, const Labels& labels) const {
  return empty() ? labels : resample_all(call, {nullptr, 0, &labels}).labels;
}

void WarpChain::resample(const plugin::Call& call, cv::Mat& image, double maximum, Labels& labels) const {
  if (empty()) return;
  Made made = resample_all(call, {&image, maximum, &labels});
  image = std::move(made.image);
  labels = std::move(made.labels);
}

std::optional<ClassBoxes> WarpChain::boxes(const ClassBoxes& of_input) const {
  ClassBoxes regions = of_input;
  for (auto& region : regions)
    if (region) region = points_around(*region);
  for (const Stage& stage : stages_) {
    const osteon_warp& warp = stage.warp->get();
    if (warp.kind == OSTEON_WARP_FREE) return std::nullopt;
    ClassBoxes next(regions.size());
    for (std::size_t c = 0; c < next.size(); ++c) {
      const auto& from = regions[warp.class_source != nullptr ? static_cast<std::size_t>(warp.class_source[c]) : c];
      if (from) next[c] = region_behind(warp, stage.input, *from);
    }
    regions = std::move(next);
  }
  for (auto& region : regions)
    if (region) region = pixels_in(*region, output_);
  return regions;
}

}  // namespace osteon::data
