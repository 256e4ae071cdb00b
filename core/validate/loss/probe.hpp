// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "validate/harness/probe.hpp"

// A loss as checks see it.
namespace osteon::validate {

/// A batch with random logits and labels. The gradient's buffer is filled with `fill` before each evaluation.
struct LossBatch {
  /// [n, k, h, w]; in multiclass data exactly one class per pixel.
  LossBatch(std::int64_t n, std::int64_t k, std::int64_t h, std::int64_t w, bool multiclass, std::uint64_t seed = 1);

  std::int64_t n, k, h, w;
  bool multiclass;
  ProbeTensor logits;
  ProbeTensor target;
  std::unique_ptr<ProbeTensor> valid;                                   ///< null: all valid
  std::unique_ptr<ProbeTensor> weight;                                  ///< null: all 1
  std::unique_ptr<ProbeTensor> pixel_weight, class_valid, soft_target;  ///< null: the input has no such flag
  double grad_scale = 1;
  std::uint32_t flags = 0;
  bool wants_gradient = true;
  float fill = 0;

  std::int64_t pixels() const { return h * w; }
  /// Every third pixel or so becomes invalid; the valid ones hold 1 or 255.
  void punch_holes(std::uint64_t seed = 5);
  bool is_valid(std::int64_t image, std::int64_t pixel) const {
    return valid == nullptr || valid->data<std::uint8_t>()[image * pixels() + pixel] != 0;
  }
  void set_weights(const std::vector<float>& weights);
  /// Every pixel has just the classes for which `wanted` is true.
  void set_targets(const std::vector<bool>& wanted);
  /// Every pixel counts 1, or something between 0 and 2, and every third or so nothing.
  void weigh_pixels(bool all_one, std::uint64_t seed = 6);
  /// All classes are known in all images.
  void know_all_classes();
  /// Nobody knows whether class `c` is in the image; in multiclass data no pixel of it has that class.
  void forget_class(std::int64_t image, std::int64_t c);
  /// What pixels are of each class: as the bits say, or something between.
  void soften(bool as_bits, std::uint64_t seed = 7);
  bool bit(std::int64_t image, std::int64_t c, std::int64_t pixel) const;
};

struct LossResult {
  Outcome outcome;
  double value = 0;
  std::vector<float> gradient;  ///< [n, k, h, w]; empty when none was wanted
};

class LossProbe {
 public:
  LossProbe(const Subject& subject, std::int64_t n_classes, bool multiclass);
  /// Null where the loss refuses such labels, with the reason in `why`.
  static std::unique_ptr<LossProbe> make(const Subject& subject, std::int64_t n_classes, bool multiclass, Outcome* why);
  ~LossProbe();
  LossProbe(const LossProbe&) = delete;
  LossProbe& operator=(const LossProbe&) = delete;

  /// Whatever it returns.
  LossResult try_evaluate(const LossBatch& batch, const osteon_call* call = nullptr) const;
  /// Fails unless it returns OK.
  LossResult evaluate(const LossBatch& batch, const osteon_call* call = nullptr) const;
  /// On tensors of any kind, sent in the manner of now.
  Outcome evaluate_raw(const osteon_loss_input& input, double* value, const osteon_call* call = nullptr) const;

 private:
  LossProbe(const osteon_loss_api& api, osteon_loss* loss) : api_(api), loss_(loss) {}
  const osteon_loss_api api_;
  osteon_loss* loss_ = nullptr;
};

/// What a loss is given, from a batch and where its gradient goes (may be null).
osteon_loss_input input_of(const LossBatch& batch, const osteon_tensor_view* gradient);

/// Runs `body(multiclass)` for each kind of labels that the loss takes; fails when it takes none.
void for_each_labels(const Subject& subject, const std::function<void(bool multiclass)>& body);

/// Fails unless the gradient agrees with finite differences along random signs of all logits and of single classes.
/// Gives how many derivatives that were.
int expect_loss_gradient(const LossProbe& loss, LossBatch& batch, const std::string& what);

/// The promises by topic; loss_checks() is all of them.
const std::vector<Check>& loss_value_checks();   ///< values and gradients
const std::vector<Check>& loss_weight_checks();  ///< weights of pixels, unknown classes, soft targets
const std::vector<Check>& loss_input_checks();   ///< types, layouts, values that it takes, refuses and survives
const std::vector<Check>& loss_host_checks();    ///< threads, memory, cancellation, speed

}  // namespace osteon::validate
