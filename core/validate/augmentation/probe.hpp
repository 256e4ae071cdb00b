// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "validate/harness/probe.hpp"

// An augmentation as checks see it.
namespace osteon::validate {

/// What a photometric augmentation is given, in any of the types of pixels. The content is smooth random texture of
/// `low`..`high` of the full range, the same in all types up to rounding.
struct PixelBatch {
  PixelBatch(osteon_dtype type, std::int64_t h, std::int64_t w, std::int64_t c, double low = 0, double high = 1);

  ProbeTensor image;  ///< [h, w, c]
  double maximum;
  std::unique_ptr<ProbeTensor> labels;  ///< [planes, h, w]; null unless they were added
  std::unique_ptr<ProbeTensor> valid;   ///< [h, w]

  std::int64_t height() const { return image.view().shape[0]; }
  std::int64_t width() const { return image.view().shape[1]; }
  std::int64_t channels() const { return image.view().shape[2]; }
  /// Blobs of `n_classes` classes, with a valid plane of ones.
  void add_labels(std::int64_t n_classes);
  /// Sample i as a share of the greatest intensity.
  double value(std::int64_t i) const;
  void set_value(std::int64_t i, double share);
  std::vector<float> values() const;
  osteon_pixels raw() const;
};

/// What sample_warp is asked for, beside a key.
struct WarpAsk {
  WarpAsk(std::int64_t h, std::int64_t w) : height(h), width(w), view_height(h), view_width(w) {}
  std::int64_t height, width, view_height, view_width, view_index = 0;
  std::vector<double> boxes;  ///< [n_classes, 4]; empty: of the whole input, for instances that want boxes
};

class AugmentationProbe {
 public:
  /// @param mirrored  tells it that classes 1 and 2 are each other's mirror images
  explicit AugmentationProbe(const Subject& subject, std::int64_t n_classes = 3, bool mirrored = true);
  ~AugmentationProbe();
  AugmentationProbe(const AugmentationProbe&) = delete;
  AugmentationProbe& operator=(const AugmentationProbe&) = delete;

  const osteon_augmentation_api& api() const noexcept { return api_; }
  const osteon_augmentation* get() const noexcept { return augmentation_; }
  osteon_augmentation_info info() const;
  bool geometric() const { return info().way == OSTEON_AUGMENTATION_GEOMETRIC; }
  bool edits_labels() const { return (info().flags & OSTEON_AUGMENTATION_EDITS_LABELS) != 0; }
  bool wants_boxes() const { return (info().flags & OSTEON_AUGMENTATION_WANTS_BOXES) != 0; }
  std::int64_t n_classes() const noexcept { return n_classes_; }
  /// Of the types of pixels that there are, those that the component lists.
  const std::vector<osteon_dtype>& types() const noexcept { return types_; }

  /// A warp that was drawn, whatever came of it. Ended when it dies.
  class Warp {
   public:
    Warp(const AugmentationProbe& owner, const osteon_random_key& key, const WarpAsk& ask, const osteon_call* call);
    Warp(Warp&& other) noexcept;
    Warp& operator=(Warp&&) = delete;
    ~Warp();
    /// Itself; fails unless it was drawn and its output has a size.
    Warp checked() &&;
    const Outcome& outcome() const noexcept { return outcome_; }
    const osteon_warp& get() const noexcept { return warp_; }
    /// Where output points (x, y interleaved) come from, by the matrix or by map_points.
    std::vector<float> map(std::vector<float> xy) const;
    /// Where the pixel centres of the output come from, row by row.
    std::vector<float> map_grid() const;

   private:
    const AugmentationProbe& owner_;
    Outcome outcome_;
    osteon_warp warp_{};
  };
  Warp try_sample(const osteon_random_key& key, const WarpAsk& ask, const osteon_call* call = nullptr) const {
    return Warp(*this, key, ask, call);
  }
  /// Fails unless it is drawn.
  Warp sample(const osteon_random_key& key, const WarpAsk& ask, const osteon_call* call = nullptr) const;

  Outcome try_apply(const osteon_random_key& key, const PixelBatch& batch, const osteon_call* call = nullptr) const;
  /// Fails unless it returns OK.
  void apply(const osteon_random_key& key, const PixelBatch& batch) const;
  /// A batch in the first of its types, with labels when it edits them.
  PixelBatch batch(std::int64_t h, std::int64_t w, std::int64_t c = 1) const;

  /// All that one draw decides, bit by bit: the warp with where its pixels come from, or the changed pixels and labels.
  /// The input is the same at each call, h x w.
  std::vector<std::uint8_t> draw(const osteon_random_key& key, std::int64_t h, std::int64_t w,
                                 const osteon_call* call = nullptr) const;

 private:
  const osteon_augmentation_api api_;
  std::int64_t n_classes_;
  std::vector<osteon_dtype> types_;
  osteon_augmentation* augmentation_ = nullptr;
};

/// A request, preset as the host presets it, with what it points at.
class WarpRequest {
 public:
  WarpRequest(const AugmentationProbe& augmentation, const WarpAsk& ask);
  const osteon_warp_request& raw() const noexcept { return raw_; }
  /// The identity on the input's size.
  osteon_warp preset() const noexcept;

 private:
  std::vector<double> boxes_;
  osteon_warp_request raw_{};
};

/// Key number i of those that checks draw with.
osteon_random_key key_of(std::uint64_t i);

/// The promises by topic; augmentation_checks() is all of them.
const std::vector<Check>& augmentation_key_checks();    ///< what it says of itself, and that the key decides all
const std::vector<Check>& augmentation_warp_checks();   ///< geometric ones
const std::vector<Check>& augmentation_pixel_checks();  ///< photometric ones
const std::vector<Check>& augmentation_host_checks();   ///< refusals, memory, cancellation, speed

}  // namespace osteon::validate
