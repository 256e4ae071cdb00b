// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "validate/harness/probe.hpp"

// A model as checks see it: the functions of its ABI one by one, none of the host's own care between.
namespace osteon::validate {

/// What a model is asked for.
struct ModelAsk {
  /// One channel and three classes, unless the model is known to take others alone.
  explicit ModelAsk(const Subject& subject)
      : in_channels(subject.channels.value_or(1)), n_classes(subject.classes.value_or(3)) {}
  std::int64_t in_channels;
  std::int64_t n_classes;
  std::uint64_t seed = 7;
};

/// What one forward gave. Outputs may be kept beyond it.
struct ForwardResult {
  Outcome outcome;
  std::vector<sdk::OwnedTensor> outputs;
  osteon_tape* tape = nullptr;  ///< to be given to ModelProbe::release
};

class ModelProbe {
 public:
  /// Makes one; fails when that is refused, or when what it says of itself cannot be worked with.
  explicit ModelProbe(const Subject& subject) : ModelProbe(subject, ModelAsk(subject)) {}
  ModelProbe(const Subject& subject, const ModelAsk& ask);
  /// Makes one where the model takes what is asked; null where it refuses, with the reason in `why`.
  static std::unique_ptr<ModelProbe> make(const Subject& subject, const ModelAsk& ask, Outcome* why);
  ~ModelProbe();
  ModelProbe(const ModelProbe&) = delete;
  ModelProbe& operator=(const ModelProbe&) = delete;

  osteon_model* raw() const noexcept { return model_; }
  const osteon_model_api& api() const noexcept { return api_; }
  osteon_model_info info() const;
  osteon_model_output output(std::size_t index) const;
  std::size_t n_outputs() const { return static_cast<std::size_t>(info().n_outputs); }
  /// [n, channels, height, width] of an output's logits for such an input.
  std::vector<std::int64_t> shape_of(std::size_t output, const osteon_tensor_view& input) const;

  /// Fetched anew each time, for addresses hold until set_trainable, bind and move.
  std::vector<osteon_named_tensor> tensors(const osteon_call* call = nullptr) const;
  /// Those with the role of a parameter, and where they are among tensors().
  std::vector<osteon_named_tensor> parameters() const;
  std::vector<std::uint64_t> parameter_indices() const;
  std::int64_t weight_count() const;  ///< elements of parameters()

  /// The least side of an image that the model takes and that is at least `least`, in pixels.
  std::int64_t side(std::int64_t least = 32) const;
  /// [n, channels, side(least), side(least)], uniform in -1..1.
  ProbeTensor input(std::int64_t n, std::uint64_t seed = 1, std::int64_t least = 32) const;

  struct Options {
    std::uint32_t mode = OSTEON_MODE_INFERENCE;
    std::uint32_t precision = OSTEON_PRECISION_FLOAT32;
    std::uint32_t flags = 0;
    std::uint64_t seed = 0;
  };
  /// One forward, whatever it returns. A tape that comes with a failure fails the check.
  ForwardResult forward(const osteon_tensor_view& input, const Options& options, const osteon_call* call = nullptr);
  /// The main output's logits in inference, row-major; fails when the forward does.
  std::vector<float> infer(const osteon_tensor_view& input, std::uint32_t flags = OSTEON_FORWARD_PLAIN);
  /// Whether it can be trained; the first time it is asked, all parameters are made trainable. A model that is there
  /// for prediction alone says UNSUPPORTED to that, and to training forwards.
  bool trains();
  Outcome try_set_trainable(const std::vector<std::uint64_t>& indices, const osteon_call* call = nullptr) const;
  /// Fails unless it returns OK.
  void set_trainable(const std::vector<std::uint64_t>& indices);
  Outcome try_bind(const std::vector<std::uint64_t>& indices, const std::vector<const osteon_tensor_view*>& values,
                   const std::vector<const osteon_tensor_view*>& grads, const osteon_call* call = nullptr) const;
  /// A training forward; fails when it does, and skips where the model does not train.
  ForwardResult train(const osteon_tensor_view& input, std::uint64_t seed = 3, std::uint32_t flags = 0);
  /// backward with these gradients, one per output, null: does not count.
  Outcome backward(osteon_tape* tape, const std::vector<const osteon_tensor_view*>& grads,
                   osteon_gradient_ready ready = nullptr, void* user = nullptr, osteon_tensor* grad_input = nullptr,
                   const osteon_call* call = nullptr);
  void release(ForwardResult& result);

  /// One training step: forward, backward with random gradients, release. Gradients are zeroed first unless `add`.
  void step(const osteon_tensor_view& input, std::uint64_t seed = 3, bool add = false);

  void zero_gradients() const;
  /// Of each parameter, in the order of parameters(); empty where there is none.
  std::vector<std::vector<float>> gradients() const;
  /// The bytes of all tensors, parameters and buffers.
  std::vector<std::vector<std::uint8_t>> state() const;
  void load_state(const std::vector<std::vector<std::uint8_t>>& state);
  void changed() { api_.parameters_changed(model_, ++generation_); }

 private:
  ModelProbe(const osteon_model_api& api, osteon_model* model) : api_(api), model_(model) {}
  const osteon_model_api api_;
  osteon_model* model_ = nullptr;
  std::uint64_t generation_ = 0;
  std::optional<bool> trains_;
};

/// Random gradients of the outputs of a training forward, of their shapes and dtype float32, scaled so that their sum
/// with outputs of size 1 is of size 1. Always the same for the same shapes.
std::vector<ProbeTensor> cotangents(const std::vector<sdk::OwnedTensor>& outputs);
std::vector<const osteon_tensor_view*> views_of(const std::vector<ProbeTensor>& tensors);

/// The promises by topic; model_checks() is all of them.
const std::vector<Check>& model_description_checks();  ///< what it says of itself, its tensors, its weights
const std::vector<Check>& model_memory_checks();       ///< where values and gradients lie, and when
const std::vector<Check>& model_output_checks();       ///< what inference gives
const std::vector<Check>& model_input_checks();        ///< which inputs it takes, refuses and survives
const std::vector<Check>& model_gradient_checks();     ///< derivatives
const std::vector<Check>& model_training_checks();     ///< tapes, freezing, changed weights
const std::vector<Check>& model_host_checks();         ///< threads, memory, cancellation, speed

}  // namespace osteon::validate
