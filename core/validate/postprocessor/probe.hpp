// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "validate/fit/probe.hpp"
#include "validate/harness/leaf_predictor.hpp"

// A post-processor as checks see it.
namespace osteon::validate {

/// What came of one call.
struct ProcessResult {
  Outcome outcome;
  std::vector<sdk::Prediction> predictions;  ///< one per image; empty ones after a failure
};

class PostprocessorProbe {
 public:
  /// Null where the post-processor refuses such labels. Fitted on sayings of its own when it has to be, unless `raw`.
  static std::unique_ptr<PostprocessorProbe> make(const Subject& subject, bool multiclass, std::int64_t n_classes = 3,
                                                  bool raw = false);
  ~PostprocessorProbe();
  PostprocessorProbe(const PostprocessorProbe&) = delete;
  PostprocessorProbe& operator=(const PostprocessorProbe&) = delete;

  const osteon_postprocessor_api& api() const noexcept { return api_; }
  const osteon_postprocessor* get() const noexcept { return post_; }
  osteon_postprocessor_info info() const;
  bool must_fit() const { return (info().flags & OSTEON_POSTPROCESSOR_FITS) != 0; }
  /// Null where it has nothing to fit.
  const FitProbe* fit() const noexcept { return fit_.get(); }
  FitPlan plan() const;
  const plugin::ClassContext& classes() const noexcept { return classes_; }

  /// A model below that gives all that this one can work with, or just the forms and grids given.
  std::unique_ptr<LeafPredictor> leaf() const { return leaf({info().needs_forms, info().needs_grids}); }
  std::unique_ptr<LeafPredictor> leaf(const predict::Gives& gives) const;

  /// Each form with each grid that it gives, at the recipe's scale.
  std::vector<osteon_predict_request> requests() const;
  /// The richest of them: floats rather than bits, on the image's grid rather than the model's.
  osteon_predict_request usual_request() const;

  /// Whatever it returns; texts of single images are in their predictions.
  ProcessResult try_process(const LeafPredictor& inner, const std::vector<const osteon_image*>& images,
                            const osteon_predict_request& request, const osteon_call* call = nullptr) const;
  /// Fails unless it returns OK and used `inner` well.
  std::vector<sdk::Prediction> process(const LeafPredictor& inner, const std::vector<const osteon_image*>& images,
                                       const osteon_predict_request& request, const osteon_call* call = nullptr) const;
  /// The values of one image's prediction, as floats whatever the form.
  std::vector<float> values(const LeafPredictor& inner, const osteon_image* image,
                            const osteon_predict_request& request, const osteon_call* call = nullptr) const;
  /// The same, read in bands of `rows`; nothing where it does not work by bands. Fails unless each band is one.
  std::optional<std::vector<float>> values_by_bands(const LeafPredictor& inner, const osteon_image* image,
                                                    const osteon_predict_request& request, std::int64_t rows) const;

 private:
  PostprocessorProbe(const Subject& subject, bool multiclass, std::int64_t n_classes, Outcome* outcome);
  const osteon_postprocessor_api api_;
  plugin::ClassContext classes_;
  std::vector<std::unique_ptr<LeafPredictor>> others_;  ///< what parameters that are predictors get
  osteon_postprocessor* post_ = nullptr;
  std::unique_ptr<FitProbe> fit_;
};

/// "probabilities on the image's grid".
std::string describe(const osteon_predict_request& request);
/// The values of a prediction, as floats whatever its form.
inline std::vector<float> floats_of(const sdk::Prediction& prediction) { return floats_of(prediction.view()); }

/// Runs `body` with a probe for each kind of labels that the post-processor takes; fails when it takes none.
void for_each_labels(const Subject& subject, const std::function<void(const PostprocessorProbe& post)>& body);

/// The promises by topic; postprocessor_checks() is all of them.
const std::vector<Check>& postprocessor_result_checks();  ///< what it says, asks and gives
const std::vector<Check>& postprocessor_input_checks();   ///< images, requests and failures from below
const std::vector<Check>& postprocessor_host_checks();    ///< threads, memory, cancellation, speed

}  // namespace osteon::validate
