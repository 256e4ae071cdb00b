// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <osteon/abi/model.h>

#include "plugin/component.hpp"
#include "plugin/weight_names.hpp"

namespace osteon::plugin {

/// One output of a model; see osteon_model_output.
struct ModelOutput {
  std::string name;
  double loss_weight = 1;
  std::int64_t stride = 1;  ///< 0: one logit for the whole image
  bool align_corners = false;
  std::uint32_t role = OSTEON_OUTPUT_MAIN;  ///< OSTEON_OUTPUT_*
  std::int64_t channels = 0;

  /// Shape of its logits for an input of [N, C, H, W].
  std::vector<std::int64_t> shape_of(const osteon_tensor_view& input) const;
};

/// A parameter or buffer of a model. Views are stable until set_trainable(), bind() or move().
struct NamedTensor {
  std::string name;
  bool parameter = false;  ///< false: a buffer
  const osteon_tensor_view* value = nullptr;
  const osteon_tensor_view* grad = nullptr;  ///< nullptr for buffers and for what is not trained
  std::uint32_t part = OSTEON_PART_UNKNOWN;  ///< OSTEON_PART_*
  std::int64_t depth = -1;                   ///< stages between it and the input; -1: unknown
  bool decays = true;                        ///< false: weight decay leaves it alone
};

/// What an index of tensors() and a stream are given to as gradients become complete; see osteon_gradient_ready. From
/// any thread, also from several at once; what it throws ends the backward that it came from.
using GradientReady = std::function<void(std::uint64_t index, void* stream)>;

/// A model instance. Not for two threads at once, but for inference forwards.
class Model {
 public:
  Model(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, std::int64_t in_channels,
        std::uint64_t seed, const Call& call);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  std::int64_t in_channels() const noexcept { return info_.in_channels; }
  std::int64_t n_classes() const noexcept { return info_.n_classes; }
  std::int64_t size_multiple() const noexcept { return info_.size_multiple; }
  const std::vector<ModelOutput>& outputs() const noexcept { return outputs_; }

  /// All parameters and buffers in the plugin's order. The list itself is new after set_trainable(), bind() and move().
  const std::vector<NamedTensor>& tensors(const Call& call);
  /// Trains the parameters at these indices of tensors() and no others: they have gradients from here on.
  void set_trainable(const Call& call, const std::vector<std::uint64_t>& indices);
  /// Lets tensors live in the caller's memory; see osteon_model_api.bind. `values` and `grads` are empty, or as long as
  /// `indices` with a nullptr where nothing changes. What they point at stays valid until move(), another bind() or the
  /// model's end. Throws Error(kPlugin) from a model that keeps its memory.
  void bind(const Call& call, const std::vector<std::uint64_t>& indices,
            const std::vector<const osteon_tensor_view*>& values, const std::vector<const osteon_tensor_view*>& grads);
  /// To be called after values were written.
  void parameters_changed();
  void move(const Call& call, osteon_device device);

  struct ForwardOptions {
    std::uint32_t precision = OSTEON_PRECISION_FLOAT32;
    std::uint64_t seed = 0;
    bool input_gradient = false;
    bool plain = false;  ///< inference on the reference path
  };

  /// How the plugin runs predictions and what it measured, a line per input shape; empty when it does not say (draft
  /// extension "osteon.inference-plan/1").
  std::vector<std::string> inference_plan() const;

  /// Whose names of weights the plugin knows beside its own, for people; empty when it does not say (draft extension
  /// "osteon.weight-names/1").
  std::vector<std::string> weight_dialects() const;
  /// What the entries of a file are when they are read as names of a dialect, by its index; an entry without a part
  /// keeps its name. Rows are within the entries; whether a target is a tensor of this model is not looked at.
  std::vector<WeightPart> translate_weights(std::size_t dialect, const std::vector<WeightEntry>& entries) const;

  /// What one training forward keeps. Released when it dies, before its model.
  class Tape {
   public:
    Tape() = default;
    Tape(const Model* model, osteon_tape* tape) : model_(model), tape_(tape) {}
    Tape(Tape&& other) noexcept : model_(other.model_), tape_(other.tape_) { other.tape_ = nullptr; }
    Tape& operator=(Tape&& other) noexcept;
    ~Tape() { reset(); }
    void reset() noexcept;
    osteon_tape* get() const noexcept { return tape_; }

   private:
    const Model* model_ = nullptr;
    osteon_tape* tape_ = nullptr;
  };

  struct TrainingResult {
    std::vector<sdk::OwnedTensor> outputs;  ///< one per output of outputs()
    Tape tape;
  };

  /// Main output's logits [N, K, ceil(H / stride), ceil(W / stride)]. Thread-safe among itself.
  sdk::OwnedTensor infer(const osteon_call* call, const osteon_tensor_view& input, const ForwardOptions& options) const;
  /// All outputs in the order of outputs(). Thread-safe among itself and with infer().
  std::vector<sdk::OwnedTensor> infer_all(const osteon_call* call, const osteon_tensor_view& input,
                                          const ForwardOptions& options) const;
  /// `input` stays valid and unchanged until the tape is gone.
  TrainingResult forward(const Call& call, const osteon_tensor_view& input, const ForwardOptions& options);
  /// Adds to the gradients. A null entry of `grad_outputs` does not count. Uses the tape up.
  /// @param grad_input  nullptr, or gets the gradient of the input
  /// @param ready       empty, or told of each parameter whose gradient is complete
  void backward(const Call& call, Tape tape, const std::vector<const osteon_tensor_view*>& grad_outputs,
                osteon_tensor* grad_input = nullptr, const GradientReady& ready = {});

 private:
  void read_info(std::int64_t in_channels, std::int64_t n_classes);
  void read_tensors(const Call& call);
  void check_gradients() const;
  /// A forward whose outputs are looked at; the tape is empty in inference.
  TrainingResult run(const osteon_call* call, const osteon_tensor_view& input, const osteon_forward_options& options,
                     std::size_t n_outputs) const;

  LoadedComponent component_;
  osteon_model_api api_;
  osteon_model* model_ = nullptr;
  osteon_model_info info_{};
  std::vector<ModelOutput> outputs_;
  std::vector<osteon_named_tensor> raw_tensors_;  ///< what views of tensors_ lie in
  std::vector<NamedTensor> tensors_;
  std::set<std::uint64_t> trained_;  ///< indices of tensors_
  std::uint64_t generation_ = 0;
};

}  // namespace osteon::plugin
