// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/intensity.hpp"
#include "plugin/model.hpp"
#include "predict/model_device.hpp"
#include "predict/predictor.hpp"
#include "recipe/recipe.hpp"

namespace osteon::predict {

/// How the leaf runs its model.
struct LeafOptions {
  std::uint32_t precision = OSTEON_PRECISION_FLOAT32;
  bool plain = false;  ///< the reference path only: predict.path = "plain", and validation in training
  std::shared_ptr<const ModelDevice> device;  ///< where the model is; empty: on the CPU
  std::string who;                            ///< what the model's notes and log lines are named by
  /// While it is true, images are resized to smallest_size() instead of the recipe's, and the model runs plain: so
  /// chains are tried before anything starts. Null: never.
  std::shared_ptr<const std::atomic<bool>> trial;
};

/// Gives the model for one request. Thread-safe.
using ModelSource = std::function<std::shared_ptr<const plugin::Model>()>;
/// A small image for a model that takes multiples of `multiple`, of whose size no layer should be left with one pixel:
/// twice the multiple, at least 32 px, and at most `image_size`, [height, width].
cv::Size smallest_size(std::int64_t multiple, const std::vector<int>& image_size);

/// The innermost predictor: a model. Here and only here an image becomes what the model sees: channels, resize, mean
/// and standard deviation, padding to the model's multiple. Gives any form but bits, on both grids; logits of half
/// precision as the model gave them, to who takes them. An image without pixels, or with one that is not finite, is bad
/// input. Logits that are not finite are an error of the model, found here or, where they are handed on as the model
/// gave them, by who reads them (predict/finite.hpp).
///
/// Images of one call whose inputs have one size are run together, as many as `predict.batch_size` says.
class Leaf final : public Predictor {
 public:
  Leaf(std::shared_ptr<const plugin::Model> model, const recipe::Recipe& recipe, const plugin::ClassContext& classes,
       LeafOptions options = {});
  /// The same of a model that need not be open before it is predicted with; `plugin` is its component's name.
  Leaf(ModelSource source, std::string plugin, const recipe::Recipe& recipe, const plugin::ClassContext& classes,
       LeafOptions options);

  std::string name() const override { return "model '" + plugin_ + "'"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;

 private:
  struct Input;
  bool in_trial() const noexcept { return options_.trial != nullptr && *options_.trial; }
  Input prepare(const plugin::Model& model, const osteon_image& image, std::uint32_t scale) const;
  std::vector<Input> prepare_all(const plugin::Model& model, const std::vector<const osteon_image*>& images,
                                 const osteon_predict_request& request,
                                 std::vector<OwnedPrediction>& predictions) const;
  void run_batch(const osteon_call* call, const plugin::Model& model, const std::vector<const Input*>& inputs,
                 const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const;

  ModelSource source_;
  std::string plugin_;
  recipe::DataSection data_;
  data::Intensity intensity_;
  std::size_t batch_size_;
  LeafOptions options_;
};

}  // namespace osteon::predict
