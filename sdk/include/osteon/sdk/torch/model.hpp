// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The layer for authors of models: a torch::nn::Module becomes a component.
///
///     struct TinyImpl : torch::nn::Module {
///       struct Params {
///         std::int64_t width = 8;
///         static void schema(osteon::sdk::Schema<Params>& s) {
///           s.add("width", &Params::width, "channels of the hidden layer").between(1, 1024);
///         }
///       };
///       TinyImpl(const Params& p, const osteon::sdk::ModelRequest& request)
///           : hidden(torch::nn::Conv2dOptions(request.in_channels, p.width, 3).padding(1)),
///             head(torch::nn::Conv2dOptions(p.width, request.n_classes, 1)) {
///         register_module("hidden", hidden);
///         register_module("head", head);
///       }
///       torch::Tensor forward(const torch::Tensor& x) { return head(torch::relu(hidden(x))); }
///       torch::nn::Conv2d hidden, head;
///     };
///     OSTEON_PLUGIN("tiny", "1.0.0", osteon::sdk::torch_model<TinyImpl>({"tiny", "1.0.0", "Two convolutions."}))
///
/// What the class may add:
///  - `ModelTraits traits() const`: size multiple, auxiliary heads, strides, align_corners, whether an output says of
///  each class that it is in the image at all;
///  - a forward that returns std::vector<torch::Tensor>: all outputs of traits() in training, at least the main one,
///  first, in inference (is_training() tells). One that takes a second argument, `osteon::sdk::Outputs wanted`, can be
///  asked for all of them in inference too;
///  - `TensorTraits tensor_traits(const std::string& name, TensorTraits usual) const`: part, depth and weight decay of
///  a tensor, where names do not tell; `usual` is what they tell (usual_traits());
///  - its own initialisation in the constructor, from LibTorch's default generator, which has been seeded with the
///  request's;
///  - `void parameters_changed()`: told that weights or buffers are not what they were, where inference keeps something
///  that it derived from them; never during a forward;
///  - `std::string remark() const`: what its user should know of how it understood what it was given; logged when it is
///  made;
///  - `static std::vector<WeightDialect> weight_names()`: how other implementations call its weights
///  (weight_names.hpp).
/// Logits are returned as they are, without sigmoid or softmax. The rest of model.h is this layer's: views of weights
/// and gradients, tape, mixed precision, frozen normalisation, devices, and the fastest way to predict (inference.hpp).
///
/// The usual modules of torch::nn come with this header (modules.hpp); include <torch/nn.h> for all of them.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <osteon/abi/draft/inference_plan.h>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/torch/inference.hpp>
#include <osteon/sdk/torch/modules.hpp>
#include <osteon/sdk/torch/tape.hpp>
#include <osteon/sdk/weight_names.hpp>

namespace osteon::sdk {
namespace detail {

/// An instance behind osteon_model: a network and all that the ABI asks of it.
class TorchModel {
 public:
  TorchModel(std::unique_ptr<Network> network, const ModelRequest& request)
      : network_(std::move(network)),
        info_(network_->traits(), request),
        parameters_(*network_),
        plan_(*network_, parameters_) {}

  const osteon_model_info& info() const noexcept { return info_.get(); }
  ParameterTable& parameters() noexcept { return parameters_; }
  InferencePlan& plan() noexcept { return plan_; }
  at::Device device() const noexcept { return device_; }

  void set_trainable(std::uint64_t count, const std::uint64_t* indices) {
    expect_no_tape();
    parameters_.set_trainable(count, indices);
    mode_ = Mode::kUnknown;  // which normalisation layers are frozen may have changed
  }

  void bind(std::uint64_t count, const std::uint64_t* indices, const osteon_tensor_view* const* values,
            const osteon_tensor_view* const* grads) {
    expect_no_tape();
    parameters_.bind(count, indices, values, grads);
    plan_.parameters_changed();  // graphs hold the memory that the values lay in
  }

  /// Throws Unsupported when there is no such device.
  static void expect_device(osteon_device device) {
    const at::Device target = to_torch_device(device);
    if (target.is_cuda() && device.id >= static_cast<std::int32_t>(torch::cuda::device_count()))
      throw Unsupported(torch::cuda::is_available()
                            ? "there is no CUDA device " + std::to_string(device.id)
                            : std::string("this LibTorch sees no CUDA device; the model can work on the CPU"));
  }

  void move(osteon_device device) {
    expect_no_tape();
    const at::Device target = to_torch_device(device);
    parameters_.move(target);
    device_ = target;
    plan_.parameters_changed();
  }

  void infer(const Call& call, const osteon_forward_options& options, const osteon_tensor_view& view,
             std::uint64_t n_outputs, osteon_tensor* const* outputs) {
    const bool all = (options.flags & OSTEON_FORWARD_ALL_OUTPUTS) != 0;
    if (n_outputs != (all ? info().n_outputs : 1))
      throw InvalidArgument("inference gives " + (all ? std::to_string(info().n_outputs) : std::string("one")) +
                            " of the model's outputs here, and " + std::to_string(n_outputs) + " were asked for");
    const at::Tensor input = take_input(view);
    enter(Mode::kInference);
    // On the CPU TF32 is float32, and shares its plan.
    const bool same = device_.is_cpu() && options.precision == OSTEON_PRECISION_TF32;
    const std::uint32_t precision = same ? std::uint32_t{OSTEON_PRECISION_FLOAT32} : options.precision;
    std::vector<at::Tensor> results;
    if (n_outputs > 1) {
      results = plan_.run_all(input, precision);
      check_count(info(), results.size(), /*training=*/false);
    } else {
      results.push_back(plan_.run(call, input, precision, (options.flags & OSTEON_FORWARD_PLAIN) != 0));
    }
    std::vector<OwnedTensor> given(results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      check_output(info(), i, input, results[i], precision);
      give(unshared(results[i]), given[i].out());
      results[i].reset();
    }
    call.stop_if_cancelled();
    for (std::size_t i = 0; i < given.size(); ++i) given[i].move_to(outputs[i]);
  }

  std::unique_ptr<Tape> train(const Call& call, const osteon_forward_options& options, const osteon_tensor_view& view,
                              std::uint64_t n_outputs, osteon_tensor* const* outputs) {
    if (n_outputs != info().n_outputs)
      throw InvalidArgument("in training this model gives " + std::to_string(info().n_outputs) + " outputs");
    if (!parameters_.is_chosen())
      throw InvalidArgument("training begins with set_trainable, which says what is trained");
    at::Tensor input = take_input(view);
    enter(Mode::kTraining);
    const SeedGuard seed(device_, options.seed);
    const PrecisionGuard precision(device_, options.precision);
    auto tape = std::make_unique<Tape>(call, *network_, info(), std::move(input), options, outputs);
    ++live_tapes_;
    return tape;
  }

  void release(Tape* tape) noexcept {
    if (tape == nullptr) return;
    delete tape;
    --live_tapes_;
  }

 private:
  enum class Mode { kUnknown, kInference, kTraining };

  /// Inference forwards may come at once, so the one that finds another mode changes it while the others wait.
  void enter(Mode mode) {
    const std::lock_guard<std::mutex> lock(mode_mutex_);
    if (mode_ == mode) return;
    set_mode(network_->module(), mode == Mode::kTraining);
    mode_ = mode;
  }

  at::Tensor take_input(const osteon_tensor_view& view) const {
    at::Tensor input = borrow(view, "the input");
    check_input(info(), input);
    if (input.device() != device_)
      throw InvalidArgument("the input is on " + input.device().str() + ", the model on " + device_.str());
    return input;
  }

  void expect_no_tape() const {
    if (live_tapes_ != 0)
      throw InvalidArgument(std::to_string(live_tapes_) + " tapes of the model are alive; release them first");
  }

  std::unique_ptr<Network> network_;
  ModelInfo info_;
  ParameterTable parameters_;
  InferencePlan plan_;
  at::Device device_{at::kCPU};
  std::mutex mode_mutex_;
  Mode mode_ = Mode::kUnknown;
  int live_tapes_ = 0;
};

// What does not depend on the author's class (model_functions.hpp). It is compiled where it is used or, where
// OSTEON_TORCH_LAYER_APART is defined, once for a library, by torch_layer.cpp beside osteon_add_plugin, so that a
// change in the author's file does not compile it again.
#ifdef OSTEON_TORCH_LAYER_APART
#define OSTEON_TORCH_LAYER_INLINE
#else
#define OSTEON_TORCH_LAYER_INLINE inline
#endif

/// An instance; its network has been made.
OSTEON_TORCH_LAYER_INLINE osteon_model* make_torch_model(std::unique_ptr<Network> network, const ModelRequest& request);
/// The functions of every torch model, all but `create`.
OSTEON_TORCH_LAYER_INLINE const osteon_model_api& torch_model_api();
OSTEON_TORCH_LAYER_INLINE const osteon_inference_plan& torch_inference_plan();

/// The functions of osteon_model_api over TorchModel, and create over the author's class.
struct TorchModelApi {
  static TorchModel& of(osteon_model* model) { return *reinterpret_cast<TorchModel*>(model); }
  static const TorchModel& of(const osteon_model* model) { return *reinterpret_cast<const TorchModel*>(model); }

  template <class M>
  static osteon_status create(const osteon_call* raw, const osteon_value* const* values,
                              const osteon_model_request* request, osteon_model** out, osteon_error* error) {
    return torch_guard(error, [&] {
      const Call call(raw);
      const ThreadsGuard threads(call.threads());
      const ModelRequest wanted = read(known(request, "the request for a model"));
      const auto params = schema_of<typename M::Params>().read(values);
      const c10::InferenceMode differentiable(false);
      const SeedGuard seed(at::kCPU, wanted.seed);
      auto network = std::make_unique<NetworkOf<M>>(params, wanted);
      if (const std::string remark = network->remark(); !remark.empty()) call.info(remark);
      osteon_model* model = make_torch_model(std::move(network), wanted);
      if (call.cancelled()) {
        torch_model_api().destroy(model);
        throw Cancelled();
      }
      *out = model;
    });
  }

  static void destroy(osteon_model* model) { delete reinterpret_cast<TorchModel*>(model); }

  static const osteon_model_info* info(const osteon_model* model) { return &of(model).info(); }

  static osteon_status tensors(const osteon_call* raw, osteon_model* model, std::uint64_t* count,
                               const osteon_named_tensor* const** out, osteon_error* error) {
    return torch_guard(error, [&] {
      const Call call(raw);
      of(model).parameters().list(count, out);
    });
  }

  static osteon_status set_trainable(const osteon_call* raw, osteon_model* model, std::uint64_t count,
                                     const std::uint64_t* indices, osteon_error* error) {
    return work(raw, of(model).device(), error, [&](const Call&) { of(model).set_trainable(count, indices); });
  }

  static osteon_status bind(const osteon_call* raw, osteon_model* model, std::uint64_t count,
                            const std::uint64_t* indices, const osteon_tensor_view* const* values,
                            const osteon_tensor_view* const* grads, osteon_error* error) {
    return work(raw, of(model).device(), error, [&](const Call&) { of(model).bind(count, indices, values, grads); });
  }

  static void parameters_changed(osteon_model* model, std::uint64_t) { of(model).plan().parameters_changed(); }

  static osteon_status move(const osteon_call* raw, osteon_model* model, osteon_device device, osteon_error* error) {
    return torch_guard(error, [&] {
      TorchModel::expect_device(device);
      run(raw, to_torch_device(device), [&](const Call&) { of(model).move(device); });
    });
  }

  static osteon_status forward(const osteon_call* raw, osteon_model* model, const osteon_forward_options* given,
                               const osteon_tensor_view* input, std::uint64_t n_outputs, osteon_tensor* const* outputs,
                               osteon_tape** tape, osteon_error* error) {
    TorchModel& self = of(model);
    return work(raw, self.device(), error, [&](const Call& call) {
      const osteon_forward_options options =
          known(given, "the options of a forward",
                OSTEON_FORWARD_INPUT_GRADIENT | OSTEON_FORWARD_PLAIN | OSTEON_FORWARD_ALL_OUTPUTS);
      if (options.mode > OSTEON_MODE_TRAINING)
        throw Unsupported("mode " + std::to_string(options.mode) + " is unknown");
      if (options.precision > OSTEON_PRECISION_TF32)
        throw Unsupported("precision " + std::to_string(options.precision) + " is unknown");
      if ((options.mode == OSTEON_MODE_TRAINING) != (tape != nullptr))
        throw InvalidArgument("training wants a place for the tape, inference wants none");
      if (options.mode == OSTEON_MODE_INFERENCE)
        self.infer(call, options, *input, n_outputs, outputs);
      else
        *tape = reinterpret_cast<osteon_tape*>(self.train(call, options, *input, n_outputs, outputs).release());
    });
  }

  static osteon_status backward(const osteon_call* raw, osteon_model* model, osteon_tape* tape, std::uint64_t n_outputs,
                                const osteon_tensor_view* const* grad_outputs, osteon_gradient_ready ready, void* user,
                                osteon_tensor* grad_input, osteon_error* error) {
    TorchModel& self = of(model);
    return work(raw, self.device(), error, [&](const Call& call) {
      reinterpret_cast<Tape*>(tape)->backward(call, self.parameters(), n_outputs, grad_outputs, {ready, user},
                                              grad_input);
    });
  }

  static void release_tape(osteon_model* model, osteon_tape* tape) { of(model).release(reinterpret_cast<Tape*>(tape)); }

  static osteon_status describe_plan(osteon_model* model, void (*line)(void*, const char*), void* user,
                                     osteon_error* error) {
    return torch_guard(error, [&] {
      for (const std::string& text : of(model).plan().describe()) line(user, text.c_str());
    });
  }

  template <class M>
  static const void* extension(const char* id) {
    if (std::string_view(id) == OSTEON_EXTENSION_INFERENCE_PLAN) return &torch_inference_plan();
    if constexpr (HasWeightNames<M>::value)
      if (std::string_view(id) == OSTEON_EXTENSION_WEIGHT_NAMES) return WeightNamesOf<M>::get();
    return nullptr;
  }

 private:
  /// Runs `body` with what the call brings, threads and stream; not at all where it is cancelled already. The host's
  /// thread may be in LibTorch's inference mode; what is made here is for training too.
  template <class Body>
  static void run(const osteon_call* raw, at::Device device, const Body& body) {
    const Call call(raw);
    call.stop_if_cancelled();
    const ThreadsGuard threads(call.threads());
    const compat::StreamGuard stream(device, call.stream());
    const c10::InferenceMode differentiable(false);
    body(call);
  }

  /// run() behind the wall.
  template <class Body>
  static osteon_status work(const osteon_call* raw, at::Device device, osteon_error* error, const Body& body) {
    return torch_guard(error, [&] { run(raw, device, body); });
  }

  static ModelRequest read(const osteon_model_request& request) {
    if (request.in_channels < 1 || request.n_classes < 1)
      throw InvalidArgument("a model has at least one channel and one class");
    ModelRequest wanted{request.in_channels, request.n_classes, {}, request.seed};
    if (request.class_names != nullptr)
      wanted.class_names.assign(request.class_names, request.class_names + request.n_classes);
    return wanted;
  }
};

}  // namespace detail

/// The component of an author's class M, for OSTEON_PLUGIN.
template <class M>
osteon_component torch_model(const About& about) {
  using Api = detail::TorchModelApi;
  static const osteon_model_api api = [] {
    osteon_model_api functions = detail::torch_model_api();
    functions.create = &Api::create<M>;
    return functions;
  }();
  return detail::component<typename M::Params>(
      OSTEON_KIND_MODEL, about, &api, {OSTEON_DEVICE_CPU, OSTEON_DEVICE_CUDA},
      {{OSTEON_DTYPE_FLOAT, 32, 1}, {OSTEON_DTYPE_BFLOAT, 16, 1}, {OSTEON_DTYPE_FLOAT, 16, 1}}, &Api::extension<M>);
}

}  // namespace osteon::sdk

#ifndef OSTEON_TORCH_LAYER_APART
#include <osteon/sdk/torch/model_functions.hpp>
#endif
