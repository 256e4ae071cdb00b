// SPDX-License-Identifier: Apache-2.0
#include "validate/model/probe.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <osteon/sdk/random.hpp>

#include "plugin/handle_support.hpp"

namespace osteon::validate {
namespace {

osteon_model* create(const Subject& subject, const ModelAsk& ask, Outcome* outcome) {
  const auto api = subject.component.api<osteon_model_api>();
  const plugin::ClassContext classes = classes_of(ask.n_classes);
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes);
  const auto names = plugin::name_pointers(classes.names);
  auto request = sdk::sized<osteon_model_request>();
  request.in_channels = ask.in_channels;
  request.n_classes = ask.n_classes;
  request.class_names = names.data();
  request.seed = ask.seed;
  const SteeredCall call;
  osteon_model* model = nullptr;
  *outcome = attempt([&](osteon_error* e) { return api.create(call.raw(), values.get(), &request, &model, e); });
  expect(outcome->ok() == (model != nullptr), "create returned {} {} a model", outcome->describe(),
         model != nullptr ? "with" : "without");
  return model;
}

std::size_t byte_count(const osteon_tensor_view& view) {
  return static_cast<std::size_t>(sdk::element_count(view)) * view.dtype.bits / 8;
}

}  // namespace

ModelProbe::ModelProbe(const Subject& subject, const ModelAsk& ask) : api_(subject.component.api<osteon_model_api>()) {
  Outcome outcome;
  model_ = create(subject, ask, &outcome);
  expect_ok(outcome, fmt::format("create with {} channels and {} classes", ask.in_channels, ask.n_classes));
}

std::unique_ptr<ModelProbe> ModelProbe::make(const Subject& subject, const ModelAsk& ask, Outcome* why) {
  osteon_model* model = create(subject, ask, why);
  if (model == nullptr) return nullptr;
  return std::unique_ptr<ModelProbe>(new ModelProbe(subject.component.api<osteon_model_api>(), model));
}

ModelProbe::~ModelProbe() { api_.destroy(model_); }

osteon_model_info ModelProbe::info() const {
  const osteon_model_info info = sdk::known(api_.info(model_), "what info gave");
  expect(info.size_multiple >= 1 && info.n_outputs >= 1 && info.outputs != nullptr,
         "info has size_multiple {} and {} outputs; at least 1 of each is expected", info.size_multiple,
         info.n_outputs);
  return info;
}

osteon_model_output ModelProbe::output(std::size_t index) const {
  return sdk::known(info().outputs[index], "an output of info", OSTEON_OUTPUT_ALIGN_CORNERS);
}

std::vector<std::int64_t> ModelProbe::shape_of(std::size_t index, const osteon_tensor_view& input) const {
  const osteon_model_output head = output(index);
  const auto cells = [&head](std::int64_t pixels) {
    return head.stride == 0 ? 1 : (pixels + head.stride - 1) / head.stride;
  };
  return {input.shape[0], head.channels, cells(input.shape[2]), cells(input.shape[3])};
}

std::vector<osteon_named_tensor> ModelProbe::tensors(const osteon_call* call) const {
  const SteeredCall own;
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  expect_ok(attempt([&](osteon_error* e) {
              return api_.tensors(call != nullptr ? call : own.raw(), model_, &count, &list, e);
            }),
            "tensors");
  expect(count == 0 || list != nullptr, "tensors says {} and gives no list", count);
  std::vector<osteon_named_tensor> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(sdk::known(list[i], "a tensor"));
  return all;
}

std::vector<osteon_named_tensor> ModelProbe::parameters() const {
  std::vector<osteon_named_tensor> found;
  for (const osteon_named_tensor& tensor : tensors())
    if (tensor.role == OSTEON_TENSOR_PARAMETER) found.push_back(tensor);
  return found;
}

std::int64_t ModelProbe::weight_count() const {
  std::int64_t count = 0;
  for (const osteon_named_tensor& parameter : parameters()) count += sdk::element_count(parameter.value);
  return count;
}

std::vector<std::uint64_t> ModelProbe::parameter_indices() const {
  std::vector<std::uint64_t> found;
  const auto all = tensors();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].role == OSTEON_TENSOR_PARAMETER) found.push_back(i);
  return found;
}

std::int64_t ModelProbe::side(std::int64_t least) const {
  const std::int64_t multiple = info().size_multiple;
  return (least + multiple - 1) / multiple * multiple;
}

ProbeTensor ModelProbe::input(std::int64_t n, std::uint64_t seed, std::int64_t least) const {
  return ProbeTensor::random({n, info().in_channels, side(least), side(least)}, seed);
}

ForwardResult ModelProbe::forward(const osteon_tensor_view& input, const Options& options, const osteon_call* call) {
  const SteeredCall own;
  const bool training = options.mode == OSTEON_MODE_TRAINING;
  auto raw = sdk::sized<osteon_forward_options>();
  raw.flags = options.flags;
  raw.mode = options.mode;
  raw.precision = options.precision;
  raw.seed = options.seed;
  ForwardResult result;
  result.outputs.resize(training || (options.flags & OSTEON_FORWARD_ALL_OUTPUTS) != 0 ? n_outputs() : 1);
  std::vector<osteon_tensor*> outputs;
  for (sdk::OwnedTensor& output : result.outputs) outputs.push_back(output.out());
  result.outcome = attempt([&](osteon_error* e) {
    return api_.forward(call != nullptr ? call : own.raw(), model_, Sent(raw), &input, outputs.size(), outputs.data(),
                        training ? &result.tape : nullptr, e);
  });
  expect(result.outcome.ok() || result.tape == nullptr, "a forward that failed left a tape");
  return result;
}

std::vector<float> ModelProbe::infer(const osteon_tensor_view& input, std::uint32_t flags) {
  Options options;
  options.flags = flags;
  const ForwardResult result = forward(input, options);
  expect_ok(result.outcome, "inference forward at " + sdk::shape_text(input));
  return values_of(result.outputs[0].view());
}

Outcome ModelProbe::try_set_trainable(const std::vector<std::uint64_t>& indices, const osteon_call* call) const {
  const SteeredCall own;
  return attempt([&](osteon_error* e) {
    return api_.set_trainable(call != nullptr ? call : own.raw(), model_, indices.size(), indices.data(), e);
  });
}

void ModelProbe::set_trainable(const std::vector<std::uint64_t>& indices) {
  expect_ok(try_set_trainable(indices), fmt::format("set_trainable of {} parameters", indices.size()));
  trains_ = true;
}

bool ModelProbe::trains() {
  if (trains_) return *trains_;
  const Outcome outcome = try_set_trainable(parameter_indices());
  if (!outcome.ok()) expect_refused(outcome, {OSTEON_UNSUPPORTED}, "set_trainable of all parameters");
  trains_ = outcome.ok();
  return *trains_;
}

Outcome ModelProbe::try_bind(const std::vector<std::uint64_t>& indices,
                             const std::vector<const osteon_tensor_view*>& values,
                             const std::vector<const osteon_tensor_view*>& grads, const osteon_call* call) const {
  const SteeredCall own;
  return attempt([&](osteon_error* e) {
    return api_.bind(call != nullptr ? call : own.raw(), model_, indices.size(), indices.data(),
                     values.empty() ? nullptr : values.data(), grads.empty() ? nullptr : grads.data(), e);
  });
}

ForwardResult ModelProbe::train(const osteon_tensor_view& input, std::uint64_t seed, std::uint32_t flags) {
  if (!trains()) skip("the model is there for prediction alone");
  Options options;
  options.mode = OSTEON_MODE_TRAINING;
  options.seed = seed;
  options.flags = flags;
  ForwardResult result = forward(input, options);
  expect_ok(result.outcome, "training forward at " + sdk::shape_text(input));
  expect(result.tape != nullptr, "a training forward returned OK without a tape");
  return result;
}

Outcome ModelProbe::backward(osteon_tape* tape, const std::vector<const osteon_tensor_view*>& grads,
                             osteon_gradient_ready ready, void* user, osteon_tensor* grad_input,
                             const osteon_call* call) {
  const SteeredCall own;
  return attempt([&](osteon_error* e) {
    return api_.backward(call != nullptr ? call : own.raw(), model_, tape, grads.size(), grads.data(), ready, user,
                         grad_input, e);
  });
}

void ModelProbe::release(ForwardResult& result) {
  if (result.tape != nullptr) api_.release_tape(model_, result.tape);
  result.tape = nullptr;
}

void ModelProbe::step(const osteon_tensor_view& input, std::uint64_t seed, bool add) {
  if (!add) zero_gradients();
  ForwardResult result = train(input, seed);
  const auto grads = cotangents(result.outputs);
  const Outcome outcome = backward(result.tape, views_of(grads));
  release(result);
  expect_ok(outcome, "backward");
}

void ModelProbe::zero_gradients() const {
  for (const osteon_named_tensor& tensor : parameters())
    if (tensor.grad.data != nullptr) std::memset(tensor.grad.data, 0, byte_count(tensor.grad));
}

std::vector<std::vector<float>> ModelProbe::gradients() const {
  std::vector<std::vector<float>> all;
  for (const osteon_named_tensor& tensor : parameters())
    all.push_back(tensor.grad.data != nullptr ? values_of(tensor.grad) : std::vector<float>());
  return all;
}

std::vector<std::vector<std::uint8_t>> ModelProbe::state() const {
  std::vector<std::vector<std::uint8_t>> all;
  for (const osteon_named_tensor& tensor : tensors()) {
    const auto* bytes = static_cast<const std::uint8_t*>(tensor.value.data);
    all.emplace_back(bytes, bytes + byte_count(tensor.value));
  }
  return all;
}

void ModelProbe::load_state(const std::vector<std::vector<std::uint8_t>>& state) {
  const auto list = tensors();
  expect(list.size() == state.size(), "one instance has {} tensors, another of the same request {}", state.size(),
         list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    expect(byte_count(list[i].value) == state[i].size(), "tensor '{}' has {} bytes in one instance, {} in another",
           list[i].name, state[i].size(), byte_count(list[i].value));
    if (!state[i].empty()) std::memcpy(list[i].value.data, state[i].data(), state[i].size());
  }
  changed();
}

std::vector<ProbeTensor> cotangents(const std::vector<sdk::OwnedTensor>& outputs) {
  std::vector<ProbeTensor> grads;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const osteon_tensor_view& view = outputs[i].view();
    const auto count = static_cast<double>(std::max<std::int64_t>(1, sdk::element_count(view)));
    const double range = std::sqrt(3 / count);  // a uniform number of variance 1 / count
    grads.push_back(ProbeTensor::random({view.shape, view.shape + view.ndim}, 100 + i, -range, range));
  }
  return grads;
}

std::vector<const osteon_tensor_view*> views_of(const std::vector<ProbeTensor>& tensors) {
  std::vector<const osteon_tensor_view*> views;
  for (const ProbeTensor& tensor : tensors) views.push_back(&tensor.view());
  return views;
}

const std::vector<Check>& model_checks() {
  static const std::vector<Check> checks = [] {
    std::vector<Check> all;
    for (const auto* topic :
         {&model_description_checks(), &model_memory_checks(), &model_output_checks(), &model_input_checks(),
          &model_gradient_checks(), &model_training_checks(), &model_host_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
