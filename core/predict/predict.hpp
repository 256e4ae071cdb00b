// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "data/image.hpp"
#include "predict/decide.hpp"
#include "predict/predictor.hpp"
#include "recipe/recipe.hpp"

namespace osteon::predict {

/// The decision that a recipe asks for.
Decision decision_of(const recipe::Recipe& recipe);

/// A root image of a file's pixels, at its own size and with its own channels, and what is known of it.
class FileImage {
 public:
  FileImage(const data::Image& image, const std::string& name);
  const osteon_image* get() const noexcept { return root_.get(); }
  std::int64_t height() const noexcept { return pixels_.rows; }
  std::int64_t width() const noexcept { return pixels_.cols; }

 private:
  cv::Mat pixels_;
  RootImage root_;
};

/// SHA-256 of an image's size, depth and pixels, as its file holds them: images of one digest have the same pixels at
/// the root. Of 2048 x 2048 grey bytes it takes 3 ms, a quarter of what float32 would take.
std::array<std::uint8_t, 32> digest_of(const data::Image& image);

/// Told a prediction's probabilities, float32 [K, rows, W], band by band from the top to the bottom.
using ProbabilitySink = std::function<void(const osteon_tensor_view& band, std::int64_t first_row)>;

/// Masks of an image at its own size. Takes the predictor's cheapest form: logits on the model's grid where it gives
/// them, then probabilities, then bits. With a sink its probabilities too, of the same one run of the model; the masks
/// are the same with it and without. Throws Interrupted when the call is cancelled.
data::Labels predict_labels(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                            const std::string& name, const Decision& decision, const ProbabilitySink& sink = {});

/// Has a made-up image of 64 x 64 predicted and decided, for what goes wrong with it: all that predict_labels() throws
/// but errors of the data, for an image that cannot be predicted says nothing of the predictor. Nothing is kept of it.
/// @param channels  of the image, 1 or 3
void try_out(const osteon_call* call, const Predictor& predictor, int channels, const Decision& decision);

/// Probabilities [K, H, W] of an image at its own size, at once. Throws Error(kUsage) when the predictor gives bits
/// alone.
OwnedPrediction predict_probabilities(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                                      const std::string& name);

}  // namespace osteon::predict
