// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

#include <osteon/abi/model.h>
#include <osteon/sdk/error.hpp>

namespace osteon::sdk {

/// What the data asks of a model.
struct ModelRequest {
  std::int64_t in_channels = 3;
  std::int64_t n_classes = 1;
  std::vector<std::string> class_names;
  std::uint64_t seed = 0;  ///< LibTorch's default generator has been seeded with it when the constructor runs
};

/// One output of a model; see osteon_model_output.
struct OutputTraits {
  std::string name = "main";
  double loss_weight = 1;
  std::int64_t stride = 1;  ///< input pixels per logit
  bool align_corners = false;
};

/// What a model says of itself. The default: any size, one output at the input's resolution.
struct ModelTraits {
  std::int64_t size_multiple = 1;
  std::vector<OutputTraits> outputs = std::vector<OutputTraits>(1);
  /// forward has kernels of its own for float32 inference on the CPU: it runs as it is, and no other way is tried
  /// there.
  bool own_kernels = false;
};

namespace detail {

template <class M, class = void>
struct HasTraits : std::false_type {};
template <class M>
struct HasTraits<M, std::void_t<decltype(std::declval<const M&>().traits())>> : std::true_type {};

template <class M, class = void>
struct HasWeightNames : std::false_type {};
template <class M>
struct HasWeightNames<M, std::void_t<decltype(M::weight_names())>> : std::true_type {};

template <class M, class = void>
struct HasParametersChanged : std::false_type {};
template <class M>
struct HasParametersChanged<M, std::void_t<decltype(std::declval<M&>().parameters_changed())>> : std::true_type {};

/// Any author's module, so that all but its creation and its forward is compiled without templates.
class Network {
 public:
  virtual ~Network() = default;
  virtual torch::nn::Module& module() = 0;
  virtual ModelTraits traits() const = 0;
  /// The outputs, the main one first.
  virtual std::vector<at::Tensor> forward(const at::Tensor& input) = 0;
  /// Weights or buffers are not what they were. Not while forward() runs.
  virtual void parameters_changed() = 0;
};

template <class M>
class NetworkOf final : public Network {
 public:
  NetworkOf(const typename M::Params& params, const ModelRequest& request)
      : module_(std::make_shared<M>(params, request)) {}

  torch::nn::Module& module() override { return *module_; }
  ModelTraits traits() const override {
    if constexpr (HasTraits<M>::value)
      return module_->traits();
    else
      return {};
  }
  std::vector<at::Tensor> forward(const at::Tensor& input) override {
    if constexpr (std::is_convertible_v<decltype(module_->forward(input)), at::Tensor>)
      return {module_->forward(input)};
    else
      return module_->forward(input);
  }
  void parameters_changed() override {
    if constexpr (HasParametersChanged<M>::value) module_->parameters_changed();
  }

 private:
  std::shared_ptr<M> module_;
};

/// Puts all of `module` into training or inference mode. In training, layers that keep running statistics and whose own
/// parameters are all frozen stay in inference mode: they use their statistics and do not change them.
inline void set_mode(torch::nn::Module& module, bool training) {
  module.train(training);
  if (!training) return;
  for (const auto& child : module.modules(/*include_self=*/true)) {
    if (!child->named_buffers(/*recurse=*/false).contains("running_mean")) continue;
    const auto parameters = child->parameters(/*recurse=*/false);
    bool frozen = !parameters.empty();
    for (const at::Tensor& parameter : parameters) frozen = frozen && !parameter.requires_grad();
    if (frozen) child->eval();
  }
}

/// What osteon_model_api.info gives, with what it points at. Does not move.
class ModelInfo {
 public:
  ModelInfo(const ModelTraits& traits, const ModelRequest& request) : traits_(traits) {
    if (traits_.outputs.empty()) throw Error(OSTEON_FAILED, "the model says that it has no output");
    for (const OutputTraits& output : traits_.outputs)
      outputs_.push_back({sizeof(osteon_model_output),
                          output.align_corners ? std::uint32_t{OSTEON_OUTPUT_ALIGN_CORNERS} : 0, output.name.c_str(),
                          output.loss_weight, output.stride});
    for (const osteon_model_output& output : outputs_) pointers_.push_back(&output);
    info_ = {sizeof info_,    0, request.in_channels, request.n_classes, traits_.size_multiple, pointers_.size(),
             pointers_.data()};
  }
  ModelInfo(const ModelInfo&) = delete;
  ModelInfo& operator=(const ModelInfo&) = delete;

  const osteon_model_info& get() const noexcept { return info_; }

 private:
  ModelTraits traits_;
  std::vector<osteon_model_output> outputs_;
  std::vector<const osteon_model_output*> pointers_;
  osteon_model_info info_{};
};

/// Throws InvalidArgument unless `input` is what a model of this `info` takes.
inline void check_input(const osteon_model_info& info, const at::Tensor& input) {
  const auto refuse = [&](const std::string& expected) {
    throw InvalidArgument("the input is " + std::string(at::toString(input.scalar_type())) + " " +
                          c10::str(input.sizes()) + ", expected " + expected);
  };
  if (input.dim() != 4 || input.scalar_type() != at::kFloat) refuse("float32 [N, C, H, W]");
  if (input.size(1) != info.in_channels) refuse(std::to_string(info.in_channels) + " channels");
  if (input.numel() == 0) refuse("at least one image and one pixel");
  const auto multiple = info.size_multiple;
  if (input.size(2) % multiple != 0 || input.size(3) % multiple != 0)
    refuse("height and width in multiples of " + std::to_string(multiple) + ", such as " +
           std::to_string((input.size(2) / multiple + 1) * multiple) + " x " +
           std::to_string((input.size(3) / multiple + 1) * multiple));
}

/// Throws when the author's forward gave another shape than its traits say: better here than as somebody else's bug.
inline void check_output(const osteon_model_info& info, std::size_t index, const at::Tensor& input,
                         const at::Tensor& output) {
  const osteon_model_output& head = *info.outputs[index];
  const auto size = [&](int dim) { return (input.size(dim) + head.stride - 1) / head.stride; };
  const std::vector<std::int64_t> expected = {input.size(0), info.n_classes, size(2), size(3)};
  if (!output.defined() || output.sizes() != at::IntArrayRef(expected) || !output.is_floating_point())
    throw Error(OSTEON_FAILED, std::string("the model's output '") + head.name + "' is " +
                                   (output.defined() ? c10::str(output.sizes()) : std::string("undefined")) +
                                   ", its traits say " + c10::str(at::IntArrayRef(expected)));
}

}  // namespace detail
}  // namespace osteon::sdk
