// SPDX-License-Identifier: Apache-2.0
#include "plugin/model.hpp"

#include <algorithm>

#include <osteon/abi/draft/inference_plan.h>

#include "plugin/handle_support.hpp"

namespace osteon::plugin {
namespace {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

const std::vector<osteon_dtype> kLogitTypes = {
    sdk::dtype_of<float>(), {OSTEON_DTYPE_FLOAT, 16, 1}, {OSTEON_DTYPE_BFLOAT, 16, 1}};

osteon_forward_options abi_options(const Model::ForwardOptions& options, std::uint32_t mode) {
  osteon_forward_options raw{};
  raw.struct_size = sizeof raw;
  raw.mode = mode;
  raw.precision = options.precision;
  raw.flags = (options.input_gradient ? std::uint32_t{OSTEON_FORWARD_INPUT_GRADIENT} : 0u) |
              (options.plain ? std::uint32_t{OSTEON_FORWARD_PLAIN} : 0u);
  raw.seed = options.seed;
  return raw;
}

}  // namespace

Model::Model(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
             std::int64_t in_channels, std::uint64_t seed, const Call& call)
    : component_(std::move(component)) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  osteon_model_request request{};
  request.struct_size = sizeof request;
  request.in_channels = in_channels;
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  request.seed = seed;
  check_call(component_, "create",
             [&](osteon_error* error) { return api().create(call.raw(), values.get(), &request, &model_, error); });
  try {
    if (model_ == nullptr) misbehaved(component_, "create", "returned OK without a model");
    const osteon_model_info* info = api().info(model_);
    if (info == nullptr || info->n_outputs < 1 || info->size_multiple < 1)
      misbehaved(component_, "info", "needs at least one output and a size multiple of at least 1");
    if (info->in_channels != in_channels || info->n_classes != request.n_classes)
      misbehaved(component_, "info", "has other channels or classes than were asked for");
    for (std::uint64_t i = 0; i < info->n_outputs; ++i) {
      if (info->outputs == nullptr || info->outputs[i] == nullptr) misbehaved(component_, "info", "an output is null");
      const osteon_model_output& output = *info->outputs[i];
      if (output.name == nullptr || output.stride < 1)
        misbehaved(component_, "info", "an output has no name or no stride");
      outputs_.push_back(
          {output.name, output.loss_weight, output.stride, (output.flags & OSTEON_OUTPUT_ALIGN_CORNERS) != 0});
    }
  } catch (...) {
    api().destroy(model_);
    throw;
  }
}

Model::~Model() { api().destroy(model_); }

std::int64_t Model::in_channels() const noexcept { return api().info(model_)->in_channels; }
std::int64_t Model::n_classes() const noexcept { return api().info(model_)->n_classes; }
std::int64_t Model::size_multiple() const noexcept { return api().info(model_)->size_multiple; }

const std::vector<NamedTensor>& Model::tensors() {
  if (!tensors_.empty()) return tensors_;
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  check_call(component_, "tensors", [&](osteon_error* error) { return api().tensors(model_, &count, &list, error); });
  check_named(component_, count, list);
  for (std::uint64_t i = 0; i < count; ++i) {
    const osteon_named_tensor& tensor = *list[i];
    const bool parameter = tensor.role == OSTEON_TENSOR_PARAMETER;
    if (parameter && (tensor.value.dtype.code != OSTEON_DTYPE_FLOAT || tensor.value.dtype.bits != 32))
      misbehaved(component_, "tensors", std::string("parameter '") + tensor.name + "' is not float32");
    if (parameter && (tensor.grad.dtype != sdk::dtype_of<float>() || tensor.grad.ndim != tensor.value.ndim ||
                      (tensor.grad.ndim > 0 && (tensor.grad.shape == nullptr || tensor.grad.strides == nullptr)) ||
                      !std::equal(tensor.grad.shape, tensor.grad.shape + tensor.grad.ndim, tensor.value.shape) ||
                      (tensor.grad.data == nullptr && sdk::element_count(tensor.value) > 0)))
      misbehaved(component_, "tensors",
                 std::string("parameter '") + tensor.name + "' has no gradient of its own shape in float32");
    tensors_.push_back({tensor.name, parameter, &tensor.value, parameter ? &tensor.grad : nullptr});
  }
  return tensors_;
}

void Model::set_trainable(const std::vector<std::uint64_t>& indices) {
  check_call(component_, "set_trainable",
             [&](osteon_error* error) { return api().set_trainable(model_, indices.size(), indices.data(), error); });
}

void Model::parameters_changed() { api().parameters_changed(model_, ++generation_); }

void Model::move(const Call& call, osteon_device device) {
  tensors_.clear();
  check_call(component_, "move", [&](osteon_error* error) { return api().move(call.raw(), model_, device, error); });
}

sdk::OwnedTensor Model::infer(const osteon_call* call, const osteon_tensor_view& input,
                              const ForwardOptions& options) const {
  const osteon_forward_options raw = abi_options(options, OSTEON_MODE_INFERENCE);
  sdk::OwnedTensor output;
  osteon_tensor* outputs[] = {output.out()};
  check_call(component_, "forward", [&](osteon_error* error) {
    return api().forward(call, model_, &raw, &input, 1, outputs, nullptr, error);
  });
  check_owned(component_, "forward", *outputs[0],
              {input.shape[0], n_classes(), ceil_div(input.shape[2], outputs_[0].stride),
               ceil_div(input.shape[3], outputs_[0].stride)},
              kLogitTypes, input.device);
  return output;
}

Model::TrainingResult Model::forward(const Call& call, const osteon_tensor_view& input, const ForwardOptions& options) {
  const osteon_forward_options raw = abi_options(options, OSTEON_MODE_TRAINING);
  TrainingResult result;
  result.outputs.resize(outputs_.size());
  std::vector<osteon_tensor*> outputs;
  for (sdk::OwnedTensor& output : result.outputs) outputs.push_back(output.out());
  osteon_tape* tape = nullptr;
  check_call(component_, "forward", [&](osteon_error* error) {
    return api().forward(call.raw(), model_, &raw, &input, outputs.size(), outputs.data(), &tape, error);
  });
  result.tape = Tape(this, tape);
  if (tape == nullptr) misbehaved(component_, "forward", "gave no tape in training");
  for (std::size_t i = 0; i < outputs.size(); ++i)
    check_owned(component_, "forward", *outputs[i],
                {input.shape[0], n_classes(), ceil_div(input.shape[2], outputs_[i].stride),
                 ceil_div(input.shape[3], outputs_[i].stride)},
                kLogitTypes, input.device);
  return result;
}

void Model::backward(const Call& call, Tape tape, const std::vector<const osteon_tensor_view*>& grad_outputs,
                     osteon_tensor* grad_input) {
  check_call(component_, "backward", [&](osteon_error* error) {
    return api().backward(call.raw(), model_, tape.get(), grad_outputs.size(), grad_outputs.data(), nullptr, nullptr,
                          grad_input, error);
  });
}

std::vector<std::string> Model::inference_plan() const {
  std::vector<std::string> lines;
  if (component_.component->extension == nullptr) return lines;
  const auto* plan =
      static_cast<const osteon_inference_plan*>(component_.component->extension(OSTEON_EXTENSION_INFERENCE_PLAN));
  if (plan == nullptr) return lines;
  const auto add = [](void* user, const char* text) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(text);
  };
  check_call(component_, "inference_plan",
             [&](osteon_error* error) { return plan->describe(model_, add, &lines, error); });
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
  if (tape_ != nullptr) model_->api().release_tape(model_->model_, tape_);
  tape_ = nullptr;
}

}  // namespace osteon::plugin
