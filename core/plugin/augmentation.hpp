// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/abi/augmentation.h>

#include "plugin/component.hpp"

namespace osteon::plugin {

/// An augmentation instance. Thread-safe.
class Augmentation {
 public:
  Augmentation(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, const Call& call);
  ~Augmentation();
  Augmentation(const Augmentation&) = delete;
  Augmentation& operator=(const Augmentation&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  bool geometric() const noexcept { return info_.way == OSTEON_AUGMENTATION_GEOMETRIC; }
  bool edits_labels() const noexcept { return (info_.flags & OSTEON_AUGMENTATION_EDITS_LABELS) != 0; }
  bool wants_boxes() const noexcept { return (info_.flags & OSTEON_AUGMENTATION_WANTS_BOXES) != 0; }

  /// A drawn warp; ended when it dies. Copies of `class_source` are not needed: it lives as long as this.
  class Warp {
   public:
    Warp(const Augmentation* owner, const osteon_warp& warp) : owner_(owner), warp_(warp) {}
    Warp(Warp&& other) noexcept : owner_(other.owner_), warp_(other.warp_) { other.owner_ = nullptr; }
    Warp& operator=(Warp&&) = delete;
    ~Warp();
    const osteon_warp& get() const noexcept { return warp_; }
    /// Free warps: output points (x, y interleaved) become input points. Thread-safe.
    void map_points(std::uint64_t count, float* xy) const;

   private:
    const Augmentation* owner_;
    osteon_warp warp_;
  };

  /// What a warp is drawn for, beside the size of its input; see osteon_warp_request.
  struct View {
    std::int64_t height = 0, width = 0;  ///< that it ends at; 0: the input's
    std::int64_t index = 0;
    const double* class_boxes = nullptr;  ///< where wants_boxes()
  };
  /// Geometric augmentations only.
  Warp sample_warp(const Call& call, const osteon_random_key& key, std::int64_t height, std::int64_t width,
                   const View& view) const;
  Warp sample_warp(const Call& call, const osteon_random_key& key, std::int64_t height, std::int64_t width) const {
    return sample_warp(call, key, height, width, View());
  }
  /// Photometric augmentations only.
  void apply(const Call& call, const osteon_random_key& key, const osteon_pixels& pixels) const;

 private:
  void read_info();
  void check_warp(const osteon_warp& warp) const;

  LoadedComponent component_;
  osteon_augmentation_api api_;
  osteon_augmentation* augmentation_ = nullptr;
  osteon_augmentation_info info_{};
  std::int64_t n_classes_;
};

}  // namespace osteon::plugin
