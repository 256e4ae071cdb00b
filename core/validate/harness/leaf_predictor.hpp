// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "predict/predictor.hpp"
#include "validate/harness/probe.hpp"

// What post-processors are put over in checks: a model that is none.
namespace osteon::validate {

/// An image to predict: texture, [h, w, c]. Of a root image of its own, whose digest and spacing are known.
class ProbeImage {
 public:
  ProbeImage(std::int64_t h, std::int64_t w, std::int64_t c = 1);
  ProbeImage(ProbeImage&&) = default;
  const osteon_image* get() const noexcept { return &raw_; }
  operator const osteon_image*() const noexcept { return &raw_; }
  osteon_image& raw() noexcept { return raw_; }
  ProbeTensor& pixels() noexcept { return pixels_; }
  const ProbeTensor& pixels() const noexcept { return pixels_; }

 private:
  ProbeTensor pixels_;
  std::unique_ptr<std::uint8_t[]> digest_;
  osteon_image raw_{};
};

/// What LeafPredictor calls bad input: an image whose root has this name.
inline constexpr const char* kBadRoot = "a bad probe";

/// Class k's logit is the brightness of a pixel, times a factor of k's. On the recipe's scale its grid has 24 x 24
/// pixels, at the native scale half the image's. Gives half precision to who takes it. Writes down whatever a caller
/// asks that it may not. Thread-safe.
class LeafPredictor final : public predict::Predictor {
 public:
  LeafPredictor(const plugin::ClassContext& classes, const predict::Gives& gives);

  std::string name() const override { return "the checks' model"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request,
               std::vector<predict::OwnedPrediction>& predictions) const override;

  /// To be handed to what is checked: looks at requests and out-structs before it predicts.
  const osteon_predictor* checked() const noexcept { return &checked_; }

  /// From now on every call returns this; OSTEON_OK: as usual.
  void fail_with(osteon_status status) noexcept { status_ = status; }
  /// From now on class 0 has this value at every fifth pixel of its grid.
  void spoil_with(float value) noexcept {
    spoilt_ = true;
    spoil_ = value;
  }

  int calls() const noexcept { return calls_; }
  /// Of the last call: where the pixels of its images are.
  std::vector<const void*> last_pixels() const;
  /// Fails with the first thing that was wrong with a call, if there was one.
  void expect_well_used() const;

 private:
  static osteon_status predict_checked(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                       const osteon_image* const* images, const osteon_predict_request* request,
                                       osteon_prediction* const* predictions, osteon_error* error);
  std::string fault_of(std::uint64_t n, const osteon_image* const* images, const osteon_predict_request* request,
                       osteon_prediction* const* predictions) const;
  /// Logits of one image, as they are before anything is converted.
  void look_at(const osteon_call* call, const osteon_image& image, bool native, osteon_prediction& prediction) const;

  osteon_predictor checked_;
  std::atomic<osteon_status> status_{OSTEON_OK};
  bool spoilt_ = false;
  float spoil_ = 0;
  mutable std::atomic<int> calls_{0};
  mutable std::mutex mutex_;
  mutable std::string fault_;
  mutable std::vector<const void*> last_pixels_;
};

}  // namespace osteon::validate
