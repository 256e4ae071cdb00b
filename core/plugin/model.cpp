// SPDX-License-Identifier: Apache-2.0
#include "plugin/model.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include <osteon/abi/draft/inference_plan.h>

#include "plugin/handle_support.hpp"

namespace osteon::plugin {
namespace {

osteon_forward_options abi_options(const Model::ForwardOptions& options, std::uint32_t mode) {
  auto raw = sdk::sized<osteon_forward_options>();
  raw.mode = mode;
  raw.precision = options.precision;
  raw.flags = (options.input_gradient ? std::uint32_t{OSTEON_FORWARD_INPUT_GRADIENT} : 0u) |
              (options.plain ? std::uint32_t{OSTEON_FORWARD_PLAIN} : 0u);
  raw.seed = options.seed;
  return raw;
}

/// What logits of a forward in `precision` may be.
std::vector<osteon_dtype> logit_types(std::uint32_t precision) {
  std::vector<osteon_dtype> types = {sdk::dtype_of<float>()};
  if (precision == OSTEON_PRECISION_FLOAT16) types.push_back({OSTEON_DTYPE_FLOAT, 16, 1});
  if (precision == OSTEON_PRECISION_BFLOAT16) types.push_back({OSTEON_DTYPE_BFLOAT, 16, 1});
  return types;
}

ModelOutput read_output(const LoadedComponent& component, const osteon_model_output* given, bool first,
                        std::int64_t n_classes) {
  const osteon_model_output output =
      known_of(component, "info", given, "an output", std::uint32_t{OSTEON_OUTPUT_ALIGN_CORNERS});
  if (output.name == nullptr || output.name[0] == '\0') misbehaved(component, "info", "an output has no name");
  const std::string who = std::string("output '") + output.name + "'";
  const bool presence = output.role == OSTEON_OUTPUT_PRESENCE;
  if (!presence && output.role != OSTEON_OUTPUT_MAIN && output.role != OSTEON_OUTPUT_AUXILIARY)
    misbehaved(component, "info", who + " has the role " + std::to_string(output.role) + ", which is unknown here");
  if (first != (output.role == OSTEON_OUTPUT_MAIN))
    misbehaved(component, "info", who + ": the first output is the main one, and no other is");
  if (output.stride < 0 || presence != (output.stride == 0))
    misbehaved(component, "info",
               who + " has stride " + std::to_string(output.stride) + ", which is 0 for presence and positive else");
  if (output.channels != n_classes)
    misbehaved(
        component, "info",
        who + " has " + std::to_string(output.channels) + " channels for " + std::to_string(n_classes) + " classes");
  return {output.name, output.loss_weight, output.stride, (output.flags & OSTEON_OUTPUT_ALIGN_CORNERS) != 0,
          output.role, output.channels};
}

/// Takes reports of gradients in a plugin's call, through which nothing may be thrown.
struct ReadyReceiver {
  const GradientReady& ready;
  std::uint64_t n_tensors;
  std::mutex mutex;
  std::exception_ptr failure;
  bool beyond = false;

  static void take(void* user, std::uint64_t index, void* stream) noexcept {
    auto& self = *static_cast<ReadyReceiver*>(user);
    try {
      if (index < self.n_tensors) return self.ready(index, stream);
      const std::lock_guard<std::mutex> lock(self.mutex);
      self.beyond = true;
    } catch (...) {
      const std::lock_guard<std::mutex> lock(self.mutex);
      if (!self.failure) self.failure = std::current_exception();
    }
  }
};

}  // namespace

std::vector<std::int64_t> ModelOutput::shape_of(const osteon_tensor_view& input) const {
  const auto size = [&](int side) { return stride == 0 ? 1 : (input.shape[side] + stride - 1) / stride; };
  return {input.shape[0], channels, size(2), size(3)};
}

Model::Model(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
             std::int64_t in_channels, std::uint64_t seed, const Call& call)
    : component_(std::move(component)), api_(component_.api<osteon_model_api>()) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  auto request = sdk::sized<osteon_model_request>();
  request.in_channels = in_channels;
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  request.seed = seed;
  check_call(
      component_, "create",
      [&](osteon_error* error) { return api_.create(call.raw(), values.get(), &request, &model_, error); }, call.raw());
  if (model_ == nullptr) misbehaved(component_, "create", "returned OK without a model");
  try {
    read_info(in_channels, request.n_classes);
  } catch (...) {
    api_.destroy(model_);
    throw;
  }
}

Model::~Model() { api_.destroy(model_); }

void Model::read_info(std::int64_t in_channels, std::int64_t n_classes) {
  info_ = known_of(component_, "info", api_.info(model_), "what it says");
  if (info_.n_outputs < 1 || info_.outputs == nullptr || info_.size_multiple < 1)
    misbehaved(component_, "info", "needs at least one output and a size multiple of at least 1");
  if (info_.in_channels != in_channels || info_.n_classes != n_classes)
    misbehaved(component_, "info", "has other channels or classes than were asked for");
  for (std::uint64_t i = 0; i < info_.n_outputs; ++i) {
    ModelOutput output = read_output(component_, info_.outputs[i], i == 0, n_classes);
    for (const ModelOutput& other : outputs_)
      if (other.name == output.name) misbehaved(component_, "info", "two outputs are called '" + output.name + "'");
    outputs_.push_back(std::move(output));
  }
}

const std::vector<NamedTensor>& Model::tensors(const Call& call) {
  if (tensors_.empty()) read_tensors(call);
  return tensors_;
}

void Model::read_tensors(const Call& call) {
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  check_call(
      component_, "tensors",
      [&](osteon_error* error) { return api_.tensors(call.raw(), model_, &count, &list, error); }, call.raw());
  raw_tensors_ = named_tensors(component_, count, list);
  tensors_.clear();
  for (const osteon_named_tensor& tensor : raw_tensors_) {
    const bool parameter = tensor.role == OSTEON_TENSOR_PARAMETER;
    if (parameter && tensor.value.dtype != sdk::dtype_of<float>())
      misbehaved(component_, "tensors", std::string("parameter '") + tensor.name + "' is not float32");
    if (tensor.part > OSTEON_PART_HEAD)
      misbehaved(
          component_, "tensors",
          std::string("'") + tensor.name + "' is of part " + std::to_string(tensor.part) + ", which is unknown here");
    tensors_.push_back({tensor.name, parameter, &tensor.value, tensor.grad.data != nullptr ? &tensor.grad : nullptr,
                        tensor.part, tensor.depth, (tensor.flags & OSTEON_TENSOR_NO_DECAY) == 0});
  }
  check_gradients();
}

void Model::check_gradients() const {
  for (std::uint64_t i = 0; i < tensors_.size(); ++i) {
    const NamedTensor& tensor = tensors_[i];
    const bool trained = trained_.count(i) != 0;
    if (trained && tensor.grad == nullptr && sdk::element_count(*tensor.value) > 0)
      misbehaved(component_, "tensors", "parameter '" + tensor.name + "' is trained and has no gradient");
    if (!trained && tensor.grad != nullptr)
      misbehaved(component_, "tensors", "'" + tensor.name + "' has a gradient and is not trained");
  }
}

void Model::set_trainable(const Call& call, const std::vector<std::uint64_t>& indices) {
  check_call(
      component_, "set_trainable",
      [&](osteon_error* error) {
        return api_.set_trainable(call.raw(), model_, indices.size(), indices.data(), error);
      },
      call.raw());
  trained_ = {indices.begin(), indices.end()};
  read_tensors(call);
}

void Model::bind(const Call& call, const std::vector<std::uint64_t>& indices,
                 const std::vector<const osteon_tensor_view*>& values,
                 const std::vector<const osteon_tensor_view*>& grads) {
  check_call(
      component_, "bind",
      [&](osteon_error* error) {
        return api_.bind(call.raw(), model_, indices.size(), indices.data(), values.empty() ? nullptr : values.data(),
                         grads.empty() ? nullptr : grads.data(), error);
      },
      call.raw());
  read_tensors(call);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const NamedTensor& tensor = tensors_.at(indices[i]);
    if (sdk::element_count(*tensor.value) == 0) continue;
    const bool value_moved = !values.empty() && values[i] != nullptr && tensor.value->data != values[i]->data;
    const bool grad_moved = !grads.empty() && grads[i] != nullptr && tensor.grad->data != grads[i]->data;
    if (value_moved || grad_moved)
      misbehaved(component_, "bind", "'" + tensor.name + "' does not lie in the memory that it was given");
  }
}

void Model::parameters_changed() { api_.parameters_changed(model_, ++generation_); }

void Model::move(const Call& call, osteon_device device) {
  tensors_.clear();
  check_call(
      component_, "move", [&](osteon_error* error) { return api_.move(call.raw(), model_, device, error); },
      call.raw());
}

Model::TrainingResult Model::run(const osteon_call* call, const osteon_tensor_view& input,
                                 const osteon_forward_options& options, std::size_t n_outputs) const {
  const bool training = options.mode == OSTEON_MODE_TRAINING;
  TrainingResult result;
  result.outputs.resize(n_outputs);
  std::vector<osteon_tensor*> outputs;
  for (sdk::OwnedTensor& output : result.outputs) outputs.push_back(output.out());
  osteon_tape* tape = nullptr;
  check_call(
      component_, "forward",
      [&](osteon_error* error) {
        return api_.forward(call, model_, &options, &input, n_outputs, outputs.data(), training ? &tape : nullptr,
                            error);
      },
      call);
  result.tape = Tape(this, tape);
  if (training && tape == nullptr) misbehaved(component_, "forward", "gave no tape in training");
  for (std::size_t i = 0; i < n_outputs; ++i)
    check_owned(component_, "forward", *outputs[i], outputs_[i].shape_of(input), logit_types(options.precision),
                input.device);
  return result;
}

sdk::OwnedTensor Model::infer(const osteon_call* call, const osteon_tensor_view& input,
                              const ForwardOptions& options) const {
  return std::move(run(call, input, abi_options(options, OSTEON_MODE_INFERENCE), /*n_outputs=*/1).outputs[0]);
}

std::vector<sdk::OwnedTensor> Model::infer_all(const osteon_call* call, const osteon_tensor_view& input,
                                               const ForwardOptions& options) const {
  osteon_forward_options raw = abi_options(options, OSTEON_MODE_INFERENCE);
  raw.flags |= OSTEON_FORWARD_ALL_OUTPUTS;
  return std::move(run(call, input, raw, outputs_.size()).outputs);
}

Model::TrainingResult Model::forward(const Call& call, const osteon_tensor_view& input, const ForwardOptions& options) {
  return run(call.raw(), input, abi_options(options, OSTEON_MODE_TRAINING), outputs_.size());
}

void Model::backward(const Call& call, Tape tape, const std::vector<const osteon_tensor_view*>& grad_outputs,
                     osteon_tensor* grad_input, const GradientReady& ready) {
  ReadyReceiver receiver{ready, ready ? tensors(call).size() : 0, {}, nullptr};
  check_call(
      component_, "backward",
      [&](osteon_error* error) {
        return api_.backward(call.raw(), model_, tape.get(), grad_outputs.size(), grad_outputs.data(),
                             ready ? &ReadyReceiver::take : nullptr, &receiver, grad_input, error);
      },
      call.raw());
  if (receiver.failure) std::rethrow_exception(receiver.failure);
  if (receiver.beyond)
    misbehaved(component_, "backward", "says that the gradient of a tensor that there is not is ready");
}

std::vector<std::string> Model::inference_plan() const {
  std::vector<std::string> lines;
  const auto* given = component_.extension<osteon_inference_plan>(OSTEON_EXTENSION_INFERENCE_PLAN);
  if (given == nullptr) return lines;
  const osteon_inference_plan plan = known_of(component_, "inference_plan", given, "its extension");
  const auto add = [](void* user, const char* text) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(text);
  };
  check_call(component_, "inference_plan",
             [&](osteon_error* error) { return plan.describe(model_, add, &lines, error); });
  return lines;
}

Model::Tape& Model::Tape::operator=(Tape&& other) noexcept {
  if (this != &other) {
    reset();
    model_ = other.model_;
    tape_ = other.tape_;
    other.tape_ = nullptr;
  }
  return *this;
}

void Model::Tape::reset() noexcept {
  if (tape_ != nullptr) model_->api_.release_tape(model_->model_, tape_);
  tape_ = nullptr;
}

}  // namespace osteon::plugin
