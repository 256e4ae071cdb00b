// SPDX-License-Identifier: Apache-2.0
#include "plugin/augmentation.hpp"

#include "plugin/handle_support.hpp"

namespace osteon::plugin {

Augmentation::Augmentation(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
                           const Call& call)
    : component_(std::move(component)) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  osteon_augmentation_request request{};
  request.struct_size = sizeof request;
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  request.mirrored = classes.mirrored.empty() ? nullptr : classes.mirrored.data();
  check_call(component_, "create", [&](osteon_error* error) {
    return api().create(call.raw(), values.get(), &request, &augmentation_, error);
  });
  if (augmentation_ == nullptr) misbehaved(component_, "create", "returned OK without an augmentation");
  const osteon_augmentation_info* info = api().info(augmentation_);
  const bool complete = info != nullptr && (info->way == OSTEON_AUGMENTATION_GEOMETRIC ? api().sample_warp != nullptr
                                            : info->way == OSTEON_AUGMENTATION_PHOTOMETRIC ? api().apply != nullptr
                                                                                           : false);
  if (!complete) {
    api().destroy(augmentation_);
    misbehaved(component_, "info", "is neither geometric with sample_warp nor photometric with apply");
  }
}

Augmentation::~Augmentation() { api().destroy(augmentation_); }

bool Augmentation::geometric() const noexcept {
  return api().info(augmentation_)->way == OSTEON_AUGMENTATION_GEOMETRIC;
}
bool Augmentation::edits_labels() const noexcept {
  return (api().info(augmentation_)->flags & OSTEON_AUGMENTATION_EDITS_LABELS) != 0;
}

Augmentation::Warp Augmentation::sample_warp(const Call& call, const osteon_random_key& key, std::int64_t height,
                                             std::int64_t width) const {
  osteon_warp_request request{};
  request.struct_size = sizeof request;
  request.height = height;
  request.width = width;
  osteon_warp raw{};
  raw.struct_size = sizeof raw;
  raw.kind = OSTEON_WARP_IDENTITY;
  raw.border = OSTEON_BORDER_REFLECT_101;
  raw.height = height;
  raw.width = width;
  raw.matrix[0] = raw.matrix[4] = 1;
  check_call(component_, "sample_warp", [&](osteon_error* error) {
    return api().sample_warp(call.raw(), augmentation_, &key, &request, &raw, error);
  });
  Warp warp(this, raw);
  if (raw.height < 1 || raw.width < 1) misbehaved(component_, "sample_warp", "gave an empty output");
  if (raw.kind > OSTEON_WARP_FREE || (raw.kind == OSTEON_WARP_FREE && api().map_points == nullptr))
    misbehaved(component_, "sample_warp", "gave a kind of warp that it has no functions for");
  if (raw.border != OSTEON_BORDER_REFLECT_101 && raw.border != OSTEON_BORDER_CONSTANT)
    misbehaved(component_, "sample_warp", "gave an unknown border");
  return warp;
}

void Augmentation::apply(const Call& call, const osteon_random_key& key, const osteon_pixels& pixels) const {
  check_call(component_, "apply",
             [&](osteon_error* error) { return api().apply(call.raw(), augmentation_, &key, &pixels, error); });
}

Augmentation::Warp::~Warp() {
  if (owner_ != nullptr && owner_->api().end_warp != nullptr) owner_->api().end_warp(owner_->augmentation_, &warp_);
}

void Augmentation::Warp::map_points(std::uint64_t count, float* xy) const {
  check_call(owner_->component_, "map_points", [&](osteon_error* error) {
    return owner_->api().map_points(owner_->augmentation_, &warp_, count, xy, error);
  });
}

}  // namespace osteon::plugin
