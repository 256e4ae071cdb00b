// SPDX-License-Identifier: Apache-2.0
// Where a geometric augmentation says that pixels come from.
#include <algorithm>
#include <cmath>
#include <functional>

#include "validate/augmentation/probe.hpp"

namespace osteon::validate {
namespace {

constexpr std::uint64_t kWarpKeys = 24;
constexpr std::int64_t kSizes[][2] = {{64, 48}, {1, 1}, {1, 33}, {517, 3}, {97, 131}};

void only_geometric(const AugmentationProbe& augmentation) {
  if (!augmentation.geometric()) skip("it moves no pixels");
}

// Every warp of every size, with what to call it.
void for_each_warp(const AugmentationProbe& augmentation,
                   const std::function<void(const AugmentationProbe::Warp& warp, const std::string& what)>& body) {
  for (const auto& [height, width] : kSizes)
    for (std::uint64_t i = 0; i < kWarpKeys; ++i)
      body(augmentation.sample(key_of(i), {height, width}), fmt::format("a warp of {} x {} pixels", height, width));
}

double determinant(const osteon_warp& warp) {
  return warp.matrix[0] * warp.matrix[4] - warp.matrix[1] * warp.matrix[3];
}

void expect_complete(const AugmentationProbe& augmentation, const osteon_warp& raw, const std::string& what) {
  expect(raw.kind <= OSTEON_WARP_FREE, "{} has the kind {}, which is none", what, raw.kind);
  expect(raw.kind != OSTEON_WARP_FREE || augmentation.api().map_points != nullptr,
         "{} is free and there is no map_points", what);
  expect(raw.border == OSTEON_BORDER_REFLECT_101 || raw.border == OSTEON_BORDER_CONSTANT,
         "{} has the border {}, which is none", what, raw.border);
  const std::uint32_t unknown = OSTEON_FLAGS_UNKNOWN(raw.flags, OSTEON_WARP_IGNORE_OUTSIDE);
  expect(unknown == 0, "{} has the unknown flags {:#x}", what, unknown);
  expect(raw.border != OSTEON_BORDER_CONSTANT || (raw.image_fill >= 0 && raw.image_fill <= 1),
         "{} fills with {}, expected 0..1", what, raw.image_fill);
  expect(raw.struct_size == sizeof raw, "{} has struct_size {}; it is the host's", what, raw.struct_size);
}

std::string warps_are_complete(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  int kinds[4] = {};
  for_each_warp(augmentation, [&](const AugmentationProbe::Warp& warp, const std::string& what) {
    expect_complete(augmentation, warp.get(), what);
    ++kinds[warp.get().kind];
  });
  return fmt::format("{} identities, {} permutations, {} affine, {} free", kinds[0], kinds[1], kinds[2], kinds[3]);
}

// Boxes of what is there: of nothing, of one pixel in a corner, of some classes, of all.
std::vector<std::vector<double>> kinds_of_boxes(std::int64_t height, std::int64_t width) {
  const double nan = std::nan(""), right = static_cast<double>(width - 1), bottom = static_cast<double>(height - 1);
  return {std::vector<double>(12, nan),
          {right, bottom, right, bottom, nan, nan, nan, nan, 0, 0, 0, 0},
          {0, 0, right / 2, bottom / 2, right / 3, bottom / 3, right, bottom, nan, nan, nan, nan},
          {0, 0, right, bottom, 0, 0, right, bottom, 0, 0, right, bottom}};
}

std::string views_and_boxes(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  int warps = 0;
  const auto draw = [&](const WarpAsk& ask, const std::string& what) {
    for (std::uint64_t i = 0; i < 8; ++i, ++warps) {
      const auto warp = augmentation.sample(key_of(i), ask);
      expect_complete(augmentation, warp.get(), "a warp " + what);
      for (const double m : warp.get().matrix) expect(std::isfinite(m), "a warp {} has {} in its matrix", what, m);
      const std::vector<float> from = warp.map_grid();
      const std::size_t at = first_not_finite(from);
      expect(at == from.size(), "a warp {}: output pixel {} comes from {}", what, at / 2,
             at < from.size() ? from[at] : 0.0f);
    }
  };
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{64, 48}, {1, 1}, {5, 97}}) {
    for (const std::int64_t side : {std::int64_t{1}, std::int64_t{32}, std::int64_t{300}}) {
      WarpAsk ask(height, width);
      ask.view_height = side;
      ask.view_width = 2 * side;
      ask.view_index = side;
      draw(ask, fmt::format("for view {} of {} x {} pixels", side, side, 2 * side));
    }
    if (!augmentation.wants_boxes()) continue;
    for (const std::vector<double>& boxes : kinds_of_boxes(height, width)) {
      WarpAsk ask(height, width);
      ask.boxes = boxes;
      draw(ask, "with boxes of some classes");
    }
  }
  return fmt::format("{} warps, {}", warps, augmentation.wants_boxes() ? "with boxes" : "which want no boxes");
}

std::string matrices_mean_something(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  for_each_warp(augmentation, [&](const AugmentationProbe::Warp& warp, const std::string& what) {
    const osteon_warp& raw = warp.get();
    if (raw.kind != OSTEON_WARP_PERMUTATION && raw.kind != OSTEON_WARP_AFFINE) return;
    for (const double m : raw.matrix) expect(std::isfinite(m), "{} has {} in its matrix", what, m);
    expect(std::abs(determinant(raw)) > 1e-6, "{} has a matrix that cannot be inverted: determinant {}", what,
           determinant(raw));
    if (raw.kind != OSTEON_WARP_PERMUTATION) return;
    for (const double m : raw.matrix) expect(m == std::round(m), "{} is a permutation with {} in its matrix", what, m);
    expect(std::abs(raw.matrix[0]) + std::abs(raw.matrix[1]) == 1 &&
               std::abs(raw.matrix[3]) + std::abs(raw.matrix[4]) == 1,
           "{} is a permutation whose matrix has other than one 1 or -1 in a row; call it affine", what);
  });
  return {};
}

std::string identity_keeps_the_size(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  for (const auto& [height, width] : kSizes)
    for (std::uint64_t i = 0; i < kWarpKeys; ++i) {
      const auto warp = augmentation.sample(key_of(i), {height, width});
      expect(warp.get().kind != OSTEON_WARP_IDENTITY || (warp.get().height == height && warp.get().width == width),
             "an identity of {} x {} pixels gives {} x {}; a crop is a permutation", height, width, warp.get().height,
             warp.get().width);
    }
  return {};
}

std::string points_are_finite(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  for_each_warp(augmentation, [&](const AugmentationProbe::Warp& warp, const std::string& what) {
    const std::vector<float> from = warp.map_grid();
    const std::size_t at = first_not_finite(from);
    expect(at == from.size(), "{}: output pixel {} comes from {}", what, at / 2, at < from.size() ? from[at] : 0.0f);
  });
  return {};
}

std::string points_are_pure(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  bool any = false;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto warp = augmentation.sample(key_of(i), {61, 83});
    if (warp.get().kind != OSTEON_WARP_FREE) continue;
    any = true;
    const std::vector<float> whole = warp.map_grid();
    const std::size_t points = whole.size() / 2;
    const auto point = [&](std::size_t p) {
      const auto width = static_cast<std::size_t>(warp.get().width);
      return std::pair<float, float>(static_cast<float>(p % width), static_cast<float>(p / width));
    };
    // Backwards, in bands of all lengths, by four threads at once.
    in_threads(4, [&](int) {
      std::size_t length = 1;
      for (std::size_t end = points, begin; end > 0; end = begin, length = length % 29 + 1) {
        begin = end > length ? end - length : 0;
        std::vector<float> xy;
        for (std::size_t p = begin; p < end; ++p) {
          xy.push_back(point(p).first);
          xy.push_back(point(p).second);
        }
        const std::vector<float> band = warp.map(std::move(xy));
        expect(std::equal(band.begin(), band.end(), whole.begin() + static_cast<std::ptrdiff_t>(2 * begin)),
               "points {} to {} come from elsewhere when they are asked for alone, in another order, or by several "
               "threads; map_points is pure",
               begin, end);
      }
    });
  }
  if (!any) skip("none of its warps is free");
  return {};
}

std::string classes_exist(const Subject& subject) {
  for (const std::int64_t n : {1, 3, 40})
    for (const bool mirrored : {false, true}) {
      const AugmentationProbe augmentation(subject, n, mirrored && n == 3);
      only_geometric(augmentation);
      for_each_warp(augmentation, [&](const AugmentationProbe::Warp& warp, const std::string& what) {
        for (std::int64_t c = 0; warp.get().class_source != nullptr && c < n; ++c) {
          const std::int32_t source = warp.get().class_source[c];
          expect(source >= 0 && source < n, "{} takes class {} from class {}, of {} classes", what, c, source, n);
        }
      });
    }
  return {};
}

// A mirrored left bone is a right one: labels that tell them apart must follow.
std::string mirrors_swap_classes(const Subject& subject) {
  for (const bool mirrored : {true, false}) {
    const AugmentationProbe augmentation(subject, 3, mirrored);
    only_geometric(augmentation);
    for_each_warp(augmentation, [&](const AugmentationProbe::Warp& warp, const std::string& what) {
      const osteon_warp& raw = warp.get();
      if (raw.kind == OSTEON_WARP_FREE) return;
      const bool swaps = mirrored && raw.kind != OSTEON_WARP_IDENTITY && determinant(raw) < 0;
      for (std::int32_t c = 0; c < 3; ++c) {
        const std::int32_t wanted = swaps && c > 0 ? 3 - c : c;
        const std::int32_t source = raw.class_source != nullptr ? raw.class_source[c] : c;
        expect(source == wanted,
               "{} that {} mirror, of data {} mirrored classes, takes class {} from class {}, expected {}; "
               "osteon_augmentation_request.mirrored says which classes change places",
               what, determinant(raw) < 0 ? "is a" : "does not", mirrored ? "with" : "without", c, source, wanted);
      }
    });
  }
  return {};
}

std::string impossible_sizes_refused(const Subject& subject) {
  const AugmentationProbe augmentation(subject);
  only_geometric(augmentation);
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{0, 5}, {5, 0}, {-3, 5}}) {
    const auto warp = augmentation.try_sample(key_of(1), {height, width});
    expect_refused(warp.outcome(), {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED},
                   fmt::format("sample_warp at {} x {}", height, width));
  }
  augmentation.sample(key_of(1), {5, 5});
  return {};
}

}  // namespace

const std::vector<Check>& augmentation_warp_checks() {
  static const std::vector<Check> checks = {
      {"warps-are-complete", "kind, border, flags and fill are what the ABI knows", warps_are_complete},
      {"views-and-boxes", "whatever the view and whichever classes are there, warps are complete and finite",
       views_and_boxes},
      {"matrices-mean-something", "matrices are finite and can be inverted; permutations move whole pixels",
       matrices_mean_something},
      {"identity-keeps-the-size", "an identity's output is as large as its input", identity_keeps_the_size},
      {"points-are-finite", "every output pixel comes from somewhere", points_are_finite},
      {"points-are-pure", "a point comes from the same place in whatever band and thread it is asked", points_are_pure},
      {"classes-exist", "labels are taken from classes that there are", classes_exist},
      {"mirrors-swap-classes", "what mirrors an image swaps left and right classes, and nothing else does",
       mirrors_swap_classes},
      {"impossible-sizes-refused", "sizes below 1 are refused with a text", impossible_sizes_refused},
  };
  return checks;
}

}  // namespace osteon::validate
