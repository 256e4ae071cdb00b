// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <osteon/sdk/predictor.hpp>

#include "data/intensity.hpp"
#include "plugin/component.hpp"
#include "plugin/postprocessor.hpp"
#include "predict/chain_type.hpp"

namespace osteon::predict {

/// A prediction that is owned; gives its memory back when it dies.
using OwnedPrediction = sdk::Prediction;
using sdk::make_request;

class Reading;

/// A predictor of the host: a leaf, a post-processor over another, or an ensemble. Thread-safe.
class Predictor {
 public:
  /// @param thresholds  on probabilities, in force for each class; empty where nobody said any. Of multiclass data,
  ///                    where the greatest value wins, nobody is told.
  /// @param batch_size  images that a model beneath runs together
  Predictor(const plugin::ClassContext& classes, const Gives& gives, std::vector<double> thresholds = {},
            std::int64_t batch_size = 1);
  virtual ~Predictor() = default;
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  /// The same as plugins see it; lives as long as this.
  const osteon_predictor& raw() const noexcept { return raw_; }
  const plugin::ClassContext& classes() const noexcept { return classes_; }
  const std::vector<double>& thresholds() const noexcept { return thresholds_; }

  std::uint32_t gives_forms() const noexcept { return raw_.gives_forms; }
  std::uint32_t gives_grids() const noexcept { return raw_.gives_grids; }
  /// What error messages call it: "model 'unet'", "post-processor 'tta'".
  virtual std::string name() const = 0;

  /// As osteon_predictor.predict, with a request that is in order and predictions that own nothing. Throws Error or
  /// sdk::Error; an image that cannot be worked on is Error(kData) or sdk::BadInput, or, with OSTEON_PREDICT_EACH, a
  /// prediction that is refused().
  virtual void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                       const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const = 0;

  /// As osteon_predictor.open, with a request that is in order and whose classes need not outlive the call. Here:
  /// predicted at once and held in the form that takes the least room, of which bands are made as they are read.
  virtual std::unique_ptr<Reading> open(const osteon_call* call, const osteon_image& image,
                                        const osteon_predict_request& request) const;

  std::int64_t batch_size() const noexcept { return raw_.batch_size; }

 private:
  static osteon_status predict_raw(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                   const osteon_image* const* images, const osteon_predict_request* request,
                                   osteon_prediction* const* predictions, osteon_error* error);
  static osteon_status open_raw(const osteon_call* call, const osteon_predictor* self, const osteon_image* image,
                                const osteon_predict_request* request, osteon_reading** out, osteon_error* error);
  osteon_predict_request checked(const osteon_predict_request* request, std::uint32_t flags) const;
  void predict_regions(const osteon_call* call, const std::vector<const osteon_image*>& images,
                       const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const;
  plugin::ClassContext classes_;
  std::vector<const char*> names_;
  std::vector<double> thresholds_;
  osteon_predictor raw_{};
};

inline Gives gives_of(const Predictor& predictor) noexcept {
  return {predictor.gives_forms(), predictor.gives_grids()};
}

/// What is known of a root image beside its pixels.
struct RootFacts {
  std::optional<std::array<std::uint8_t, 32>> digest;  ///< of its pixels; none: what is made of it is not kept
  double spacing[2] = {0, 0};                          ///< mm per pixel, of rows and of columns; 0: unknown
};

/// A root image: float32 0..1, H x W x C, as predictors take it. Borrows `pixels` (CV_32F, 1 or 3 channels), which must
/// be continuous and outlive it.
class RootImage {
 public:
  RootImage(const cv::Mat& pixels, std::string name, const RootFacts& facts = {});
  RootImage(const RootImage&) = delete;
  RootImage& operator=(const RootImage&) = delete;
  const osteon_image* get() const noexcept { return &image_; }

 private:
  std::string name_;
  RootFacts facts_;
  data::GreyStatistics greys_;
  std::vector<std::int64_t> shape_, strides_;
  osteon_image image_{};
};

/// An image's pixels as a header over its memory. Throws sdk::InvalidArgument for what is no image, sdk::BadInput for
/// one without pixels.
cv::Mat pixels_of(const osteon_image& image);

/// "image 'name'", for messages.
std::string name_of(const osteon_image& image);

}  // namespace osteon::predict
