// SPDX-License-Identifier: Apache-2.0
#include "plugin/augmentation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plugin/handle_support.hpp"

namespace osteon::plugin {
namespace {

// Whether pixels move onto pixels: each row has one entry of 1 or -1, no column has two, and offsets are whole.
bool is_permutation(const double (&m)[6]) {
  const auto one = [](double a, double b) { return std::abs(a) + std::abs(b) == 1 && a * b == 0; };
  return one(m[0], m[1]) && one(m[3], m[4]) && m[0] * m[3] == 0 && m[1] * m[4] == 0 && m[2] == std::floor(m[2]) &&
         m[5] == std::floor(m[5]);
}

}  // namespace

Augmentation::Augmentation(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
                           const Call& call)
    : component_(std::move(component)),
      api_(component_.api<osteon_augmentation_api>()),
      n_classes_(static_cast<std::int64_t>(classes.names.size())) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  auto request = sdk::sized<osteon_augmentation_request>();
  request.n_classes = n_classes_;
  request.class_names = names.data();
  request.mirrored = classes.mirrored.empty() ? nullptr : classes.mirrored.data();
  check_call(
      component_, "create",
      [&](osteon_error* error) { return api_.create(call.raw(), values.get(), &request, &augmentation_, error); },
      call.raw());
  if (augmentation_ == nullptr) misbehaved(component_, "create", "returned OK without an augmentation");
  try {
    read_info();
  } catch (...) {
    api_.destroy(augmentation_);
    throw;
  }
}

void Augmentation::read_info() {
  info_ = known_of(component_, "info", api_.info(augmentation_), "its info",
                   std::uint32_t{OSTEON_AUGMENTATION_EDITS_LABELS} | OSTEON_AUGMENTATION_WANTS_BOXES);
  const bool complete =
      geometric() ? api_.sample_warp != nullptr : info_.way == OSTEON_AUGMENTATION_PHOTOMETRIC && api_.apply != nullptr;
  if (!complete) misbehaved(component_, "info", "is neither geometric with sample_warp nor photometric with apply");
}

Augmentation::~Augmentation() { api_.destroy(augmentation_); }

Augmentation::Warp Augmentation::sample_warp(const Call& call, const osteon_random_key& key, std::int64_t height,
                                             std::int64_t width, const View& view) const {
  auto request = sdk::sized<osteon_warp_request>();
  request.height = height;
  request.width = width;
  request.view_height = view.height > 0 ? view.height : height;
  request.view_width = view.width > 0 ? view.width : width;
  request.view_index = view.index;
  request.class_boxes = wants_boxes() ? view.class_boxes : nullptr;
  auto raw = sdk::sized<osteon_warp>();
  raw.kind = OSTEON_WARP_IDENTITY;
  raw.border = OSTEON_BORDER_REFLECT_101;
  raw.height = height;
  raw.width = width;
  raw.matrix[0] = raw.matrix[4] = 1;
  check_call(
      component_, "sample_warp",
      [&](osteon_error* error) { return api_.sample_warp(call.raw(), augmentation_, &key, &request, &raw, error); },
      call.raw());
  Warp warp(this, raw);
  check_warp(raw);
  return warp;
}

void Augmentation::check_warp(const osteon_warp& given) const {
  const auto refuse = [&](const std::string& what) { misbehaved(component_, "sample_warp", what); };
  const osteon_warp warp =
      known_of(component_, "sample_warp", &given, "a warp", std::uint32_t{OSTEON_WARP_IGNORE_OUTSIDE});
  constexpr std::int64_t kLargest = std::numeric_limits<std::int16_t>::max() - 1;  // for OpenCV's remap
  if (warp.height < 1 || warp.width < 1) refuse("gave an empty output");
  if (warp.height > kLargest || warp.width > kLargest)
    refuse("gave an output of " + std::to_string(warp.height) + " x " + std::to_string(warp.width) +
           " pixels; at most " + std::to_string(kLargest) + " fit each way");
  if (warp.kind > OSTEON_WARP_FREE || (warp.kind == OSTEON_WARP_FREE && api_.map_points == nullptr))
    refuse("gave a kind of warp that it has no functions for");
  if (warp.border != OSTEON_BORDER_REFLECT_101 && warp.border != OSTEON_BORDER_CONSTANT)
    refuse("gave an unknown border");
  if (!std::all_of(warp.matrix, warp.matrix + 6, [](double m) { return std::isfinite(m); }) ||
      !std::isfinite(warp.image_fill))
    refuse("gave a matrix or a fill that is not finite");
  if (warp.kind == OSTEON_WARP_PERMUTATION && !is_permutation(warp.matrix))
    refuse("gave a permutation that does not move pixels onto pixels");
  if (warp.class_source == nullptr) return;
  for (std::int64_t c = 0; c < n_classes_; ++c)
    if (warp.class_source[c] < 0 || warp.class_source[c] >= n_classes_)
      refuse("takes class " + std::to_string(c) + " from class " + std::to_string(warp.class_source[c]) + " of " +
             std::to_string(n_classes_));
}

void Augmentation::apply(const Call& call, const osteon_random_key& key, const osteon_pixels& pixels) const {
  check_call(
      component_, "apply",
      [&](osteon_error* error) { return api_.apply(call.raw(), augmentation_, &key, &pixels, error); }, call.raw());
}

Augmentation::Warp::~Warp() {
  if (owner_ != nullptr && owner_->api_.end_warp != nullptr) owner_->api_.end_warp(owner_->augmentation_, &warp_);
}

void Augmentation::Warp::map_points(std::uint64_t count, float* xy) const {
  check_call(owner_->component_, "map_points", [&](osteon_error* error) {
    return owner_->api_.map_points(owner_->augmentation_, &warp_, count, xy, error);
  });
}

}  // namespace osteon::plugin
