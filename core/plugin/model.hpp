// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
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
  std::int64_t stride = 1;
  bool align_corners = false;
};

/// A parameter or buffer of a model. Views are stable until move().
struct NamedTensor {
  std::string name;
  bool parameter = false;  ///< false: a buffer
  const osteon_tensor_view* value = nullptr;
  const osteon_tensor_view* grad = nullptr;  ///< nullptr for buffers
};

/// A model instance. Not for two threads at once, but for inference forwards.
class Model {
 public:
  Model(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, std::int64_t in_channels,
        std::uint64_t seed, const Call& call);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  std::int64_t in_channels() const noexcept;
  std::int64_t n_classes() const noexcept;
  std::int64_t size_multiple() const noexcept;
  const std::vector<ModelOutput>& outputs() const noexcept { return outputs_; }

  /// All parameters and buffers in the plugin's order.
  const std::vector<NamedTensor>& tensors();
  /// By index of tensors().
  void set_trainable(const std::vector<std::uint64_t>& indices);
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
    Tape(Model* model, osteon_tape* tape) : model_(model), tape_(tape) {}
    Tape(Tape&& other) noexcept : model_(other.model_), tape_(other.tape_) { other.tape_ = nullptr; }
    Tape& operator=(Tape&& other) noexcept;
    ~Tape() { reset(); }
    void reset() noexcept;
    osteon_tape* get() const noexcept { return tape_; }

   private:
    Model* model_ = nullptr;
    osteon_tape* tape_ = nullptr;
  };

  struct TrainingResult {
    std::vector<sdk::OwnedTensor> outputs;  ///< one per output of outputs()
    Tape tape;
  };

  /// Main output's logits [N, K, ceil(H / stride), ceil(W / stride)]. Thread-safe among itself.
  sdk::OwnedTensor infer(const osteon_call* call, const osteon_tensor_view& input, const ForwardOptions& options) const;
  /// `input` stays valid and unchanged until the tape is gone.
  TrainingResult forward(const Call& call, const osteon_tensor_view& input, const ForwardOptions& options);
  /// Adds to the gradients. A null entry of `grad_outputs` does not count. Uses the tape up.
  void backward(const Call& call, Tape tape, const std::vector<const osteon_tensor_view*>& grad_outputs,
                osteon_tensor* grad_input = nullptr);

 private:
  const osteon_model_api& api() const noexcept { return component_.api<osteon_model_api>(); }
  LoadedComponent component_;
  osteon_model* model_ = nullptr;
  std::vector<ModelOutput> outputs_;
  std::vector<NamedTensor> tensors_;
  std::uint64_t generation_ = 0;
};

}  // namespace osteon::plugin
