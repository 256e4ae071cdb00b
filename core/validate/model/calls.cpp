// SPDX-License-Identifier: Apache-2.0
// The working calls of a model.
#include <cmath>

#include "validate/harness/working_call.hpp"
#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

/// A model at rest, and what it is brought back to where a call has moved it.
struct Rested {
  Rested(const Subject& subject, std::int64_t most_weights) : model(subject), input(model.input(2, 1, 64)) {
    weights = model.weight_count();
    if (weights > most_weights) skip("it has more than {} weights", most_weights);
    trains = model.trains();
    state = model.state();
  }
  void rest() {
    if (moved) model.load_state(state);
    moved = false;
  }
  ModelProbe model;
  ProbeTensor input;
  std::int64_t weights = 0;
  bool trains = false, moved = false;
  std::vector<std::vector<std::uint8_t>> state;
};
using Model = std::shared_ptr<Rested>;

/// Three numbers of each gradient: many models have tens of millions of them.
std::vector<float> digest_of_gradients(const ModelProbe& model) {
  std::vector<float> digest;
  for (const osteon_named_tensor& parameter : model.parameters()) {
    const auto* grad = static_cast<const float*>(parameter.grad.data);
    double sum = 0, squares = 0, alternating = 0;
    for (std::int64_t i = 0; grad != nullptr && i < sdk::element_count(parameter.grad); ++i) {
      const double value = grad[i];
      sum += value;
      squares += value * value;
      alternating += i % 3 == 0 ? value : -value;
    }
    for (const double number : {sum, std::sqrt(squares), alternating}) digest.push_back(static_cast<float>(number));
  }
  return digest;
}

std::vector<float> logits_of(const ForwardResult& result) {
  std::vector<float> all;
  for (const sdk::OwnedTensor& output : result.outputs) {
    if (output.empty()) continue;
    const auto values = values_of(output.view());
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

WorkingCall forward_call(const Model& model, const char* name, const ModelProbe::Options& options) {
  WorkingCall call;
  call.name = name;
  call.tolerance = 2e-4;
  call.cost = model->weights;
  call.make = [model, options](const Manner& manner, const osteon_call* given) {
    model->rest();
    model->moved = options.mode == OSTEON_MODE_TRAINING;
    const InManner in(manner);
    ForwardResult result = model->model.forward(model->input.view(), options, given);
    model->model.release(result);
    return Answered{result.outcome, logits_of(result)};
  };
  return call;
}

WorkingCall unfit_forward(const Model& model) {
  WorkingCall call;
  call.name = "forward of one channel too many";
  call.unfit = true;
  call.make = [model](const Manner& manner, const osteon_call* given) {
    const std::int64_t side = model->model.side();
    const ProbeTensor wrong({1, model->model.info().in_channels + 1, side, side});
    const InManner in(manner);
    return Answered{model->model.forward(wrong.view(), {}, given).outcome, {}};
  };
  return call;
}

WorkingCall backward_call(const Model& model) {
  WorkingCall call;
  call.name = "backward";
  call.tolerance = 1e-3;
  call.cost = model->weights;
  call.make = [model](const Manner& manner, const osteon_call* given) {
    model->rest();
    model->moved = true;
    model->model.zero_gradients();
    ForwardResult result = model->model.train(model->input.view());
    const auto grads = cotangents(result.outputs);
    Answered answered;
    {
      const InManner in(manner);
      answered.outcome = model->model.backward(result.tape, views_of(grads), nullptr, nullptr, nullptr, given);
    }
    model->model.release(result);
    if (answered.outcome.ok()) answered.values = digest_of_gradients(model->model);
    return answered;
  };
  return call;
}

/// A call whose one argument of interest is the osteon_call.
WorkingCall plain_call(const Model& model, const char* name,
                       const std::function<Outcome(ModelProbe& model, const osteon_call* call)>& function) {
  WorkingCall call;
  call.name = name;
  call.make = [model, function](const Manner& manner, const osteon_call* given) {
    model->rest();
    const InManner in(manner);
    const SteeredCall own;
    return Answered{function(model->model, given != nullptr ? given : own.raw()), {}};
  };
  return call;
}

}  // namespace

std::vector<WorkingCall> model_calls(const Subject& subject, std::int64_t most_weights) {
  const auto model = std::make_shared<Rested>(subject, most_weights);
  ModelProbe::Options options;
  options.flags = OSTEON_FORWARD_PLAIN;
  std::vector<WorkingCall> calls = {forward_call(model, "forward in inference", options), unfit_forward(model)};
  calls.front().main = true;
  options.flags |= OSTEON_FORWARD_ALL_OUTPUTS;
  calls.push_back(forward_call(model, "forward to all outputs", options));
  calls.push_back(plain_call(model, "tensors", [](ModelProbe& probe, const osteon_call* call) {
    std::uint64_t count = 0;
    const osteon_named_tensor* const* list = nullptr;
    return attempt([&](osteon_error* e) { return probe.api().tensors(call, probe.raw(), &count, &list, e); });
  }));
  calls.push_back(plain_call(model, "bind of nothing", [](ModelProbe& probe, const osteon_call* call) {
    return probe.try_bind({}, {}, {}, call);
  }));
  calls.push_back(plain_call(model, "move to the CPU", [](ModelProbe& probe, const osteon_call* call) {
    return attempt([&](osteon_error* e) { return probe.api().move(call, probe.raw(), {OSTEON_DEVICE_CPU, 0}, e); });
  }));
  if (!model->trains) return calls;
  calls.push_back(plain_call(model, "set_trainable",
                             [indices = model->model.parameter_indices()](ModelProbe& probe, const osteon_call* call) {
                               return probe.try_set_trainable(indices, call);
                             }));
  options.flags = 0;
  options.mode = OSTEON_MODE_TRAINING;
  calls.push_back(forward_call(model, "forward in training", options));
  calls.push_back(backward_call(model));
  calls.back().main = true;
  return calls;
}

}  // namespace osteon::validate
