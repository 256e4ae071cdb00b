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
#include <osteon/sdk/known.hpp>

namespace osteon::sdk {

/// What the data asks of a model.
struct ModelRequest {
  std::int64_t in_channels = 3;
  std::int64_t n_classes = 1;
  std::vector<std::string> class_names;
  std::uint64_t seed = 0;  ///< LibTorch's default generator has been seeded with it when the constructor runs
};

/// What the logits of an output say.
enum class OutputRole {
  kClasses,  ///< of each pixel, how much it is of each class: the main output, and those of deep supervision
  kPresence  ///< of the whole image, whether each class is anywhere in it: [N, n_classes, 1, 1], stride 0
};

/// One output of a model; see osteon_model_output. The first one of a model is the main one.
struct OutputTraits {
  std::string name = "main";
  double loss_weight = 1;
  std::int64_t stride = 1;  ///< input pixels per logit; 0: one logit for the whole image
  bool align_corners = false;
  OutputRole role = OutputRole::kClasses;
};

/// What a model says of itself. The default: any size, one output at the input's resolution.
struct ModelTraits {
  std::int64_t size_multiple = 1;
  std::vector<OutputTraits> outputs = std::vector<OutputTraits>(1);
  /// forward has kernels of its own for float32 inference on the CPU: it runs as it is, and no other way is tried
  /// there.
  bool own_kernels = false;
};

/// Which outputs a forward is to give. In training all are wanted.
enum class Outputs { kMain, kAll };

/// Part of a network, so that a recipe can freeze it or let it learn at a rate of its own.
enum class Part : std::uint32_t {
  kUnknown = OSTEON_PART_UNKNOWN,
  kEncoder = OSTEON_PART_ENCODER,
  kDecoder = OSTEON_PART_DECODER,
  kHead = OSTEON_PART_HEAD
};

/// What a model says of one of its parameters or buffers; see osteon_named_tensor.
struct TensorTraits {
  Part part = Part::kUnknown;
  std::int64_t depth = -1;  ///< stages between it and the input, from 0 on; -1: unknown
  bool decays = true;       ///< false: weight decay leaves it alone
};

/// What is said of a tensor where the author's class says nothing: its part by the first component of its name
/// ("encoder", "backbone"; "decoder", "neck"; "head", "classifier" and whatever ends in those); vectors and scalars,
/// which are biases and scales, do not decay.
inline TensorTraits usual_traits(const std::string& name, std::int64_t dimensions) {
  const std::string first = name.substr(0, name.find('.'));
  const auto ends_in = [&first](const std::string& end) {
    return first.size() >= end.size() && first.compare(first.size() - end.size(), end.size(), end) == 0;
  };
  TensorTraits traits;
  if (first == "encoder" || first == "backbone")
    traits.part = Part::kEncoder;
  else if (first == "decoder" || first == "neck")
    traits.part = Part::kDecoder;
  else if (ends_in("head") || ends_in("heads") || ends_in("classifier"))
    traits.part = Part::kHead;
  traits.decays = dimensions > 1;
  return traits;
}

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
struct LooksAtOutputs : std::false_type {};
template <class M>
struct LooksAtOutputs<
    M, std::void_t<decltype(std::declval<M&>().forward(std::declval<const at::Tensor&>(), Outputs::kAll))>>
    : std::true_type {};

template <class M, class = void>
struct HasTensorTraits : std::false_type {};
template <class M>
struct HasTensorTraits<M, std::void_t<decltype(std::declval<const M&>().tensor_traits(std::string(), TensorTraits()))>>
    : std::true_type {};

template <class M, class = void>
struct HasParametersChanged : std::false_type {};
template <class M>
struct HasParametersChanged<M, std::void_t<decltype(std::declval<M&>().parameters_changed())>> : std::true_type {};

template <class M, class = void>
struct HasRemark : std::false_type {};
template <class M>
struct HasRemark<M, std::void_t<decltype(std::declval<const M&>().remark())>> : std::true_type {};

/// Any author's module, so that all but its creation and its forward is compiled without templates.
class Network {
 public:
  virtual ~Network() = default;
  virtual torch::nn::Module& module() = 0;
  virtual ModelTraits traits() const = 0;
  virtual TensorTraits tensor_traits(const std::string& name, TensorTraits usual) const = 0;
  /// The outputs, the main one first; those behind it may be missing where they are not wanted.
  virtual std::vector<at::Tensor> forward(const at::Tensor& input, Outputs wanted) = 0;
  /// Weights or buffers are not what they were. Not while forward() runs.
  virtual void parameters_changed() = 0;
  /// What is to be said of the network once it is made; may be empty.
  virtual std::string remark() const = 0;
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
  TensorTraits tensor_traits(const std::string& name, TensorTraits usual) const override {
    if constexpr (HasTensorTraits<M>::value)
      return module_->tensor_traits(name, usual);
    else
      return usual;
  }
  std::vector<at::Tensor> forward(const at::Tensor& input, Outputs wanted) override {
    const auto run = [&] {
      if constexpr (LooksAtOutputs<M>::value)
        return module_->forward(input, wanted);
      else
        return module_->forward(input);
    };
    if constexpr (std::is_convertible_v<decltype(run()), at::Tensor>)
      return {run()};
    else
      return run();
  }
  void parameters_changed() override {
    if constexpr (HasParametersChanged<M>::value) module_->parameters_changed();
  }
  std::string remark() const override {
    if constexpr (HasRemark<M>::value)
      return module_->remark();
    else
      return {};
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
    outputs_.reserve(traits_.outputs.size());
    for (const OutputTraits& output : traits_.outputs) {
      outputs_.push_back(abi_output(output, outputs_.empty(), request.n_classes));
      pointers_.push_back(&outputs_.back());
    }
    info_.in_channels = request.in_channels;
    info_.n_classes = request.n_classes;
    info_.size_multiple = traits_.size_multiple;
    info_.n_outputs = pointers_.size();
    info_.outputs = pointers_.data();
  }
  ModelInfo(const ModelInfo&) = delete;
  ModelInfo& operator=(const ModelInfo&) = delete;

  const osteon_model_info& get() const noexcept { return info_; }

 private:
  /// `output` and what it points at must stay where they are.
  static osteon_model_output abi_output(const OutputTraits& output, bool first, std::int64_t n_classes) {
    const bool presence = output.role == OutputRole::kPresence;
    if (presence != (output.stride == 0) || output.stride < 0 || (presence && first))
      throw Error(OSTEON_FAILED, "the traits of output '" + output.name +
                                     "' do not fit together: presence, which no main output says, has stride 0, and "
                                     "nothing else has");
    auto raw = sized<osteon_model_output>();
    raw.flags = output.align_corners ? std::uint32_t{OSTEON_OUTPUT_ALIGN_CORNERS} : 0;
    raw.role = presence ? OSTEON_OUTPUT_PRESENCE : first ? OSTEON_OUTPUT_MAIN : OSTEON_OUTPUT_AUXILIARY;
    raw.name = output.name.c_str();
    raw.loss_weight = output.loss_weight;
    raw.stride = output.stride;
    raw.channels = n_classes;
    return raw;
  }

  ModelTraits traits_;
  std::vector<osteon_model_output> outputs_;
  std::vector<const osteon_model_output*> pointers_;
  osteon_model_info info_ = sized<osteon_model_info>();
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

/// Throws when the author's forward gave something else than its traits say: better here than as somebody else's bug.
/// @param precision  of the forward: half precisions may show in an output, but need not
inline void check_output(const osteon_model_info& info, std::size_t index, const at::Tensor& input,
                         const at::Tensor& output, std::uint32_t precision) {
  const osteon_model_output& head = *info.outputs[index];
  const auto size = [&](int dim) { return head.stride == 0 ? 1 : (input.size(dim) + head.stride - 1) / head.stride; };
  const std::vector<std::int64_t> expected = {input.size(0), head.channels, size(2), size(3)};
  const auto refuse = [&](const std::string& what, const std::string& wanted) {
    throw Error(OSTEON_FAILED, std::string("the model's output '") + head.name + "' is " + what + ", " + wanted);
  };
  if (!output.defined() || output.sizes() != at::IntArrayRef(expected))
    refuse(output.defined() ? c10::str(output.sizes()) : "undefined",
           "its traits say " + c10::str(at::IntArrayRef(expected)));
  const at::ScalarType type = output.scalar_type();
  const bool fits = type == at::kFloat || (precision == OSTEON_PRECISION_FLOAT16 && type == at::kHalf) ||
                    (precision == OSTEON_PRECISION_BFLOAT16 && type == at::kBFloat16);
  if (!fits) refuse(at::toString(type), "logits are float32, or of the half precision that the forward runs in");
}

/// Throws Unsupported when a forward in inference left out outputs that were wanted, FAILED when one in training did.
inline void check_count(const osteon_model_info& info, std::size_t count, bool training) {
  if (count == info.n_outputs) return;
  const std::string text = std::to_string(count) + " outputs, its traits say " + std::to_string(info.n_outputs);
  if (training) throw Error(OSTEON_FAILED, "in training the model gave " + text);
  throw Unsupported("in inference the model gives " + text +
                    "; to give all of them its forward takes a second argument, osteon::sdk::Outputs");
}

}  // namespace detail
}  // namespace osteon::sdk
