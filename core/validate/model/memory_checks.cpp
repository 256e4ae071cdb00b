// SPDX-License-Identifier: Apache-2.0
// Where the values and gradients of a model lie: when there are gradients, that they stay, and that a host can give
// them memory of its own.
#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>

#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

std::string addresses_stable(const Subject& subject) {
  ModelProbe model(subject);
  model.trains();
  struct Place {
    std::string name;
    const void *value, *grad;
  };
  const auto places = [&model] {
    std::vector<Place> list;
    for (const osteon_named_tensor& tensor : model.tensors())
      list.push_back({tensor.name, tensor.value.data, tensor.grad.data});
    return list;
  };
  const std::vector<Place> before = places();
  const auto compare = [&](const char* after) {
    const std::vector<Place> now = places();
    expect(now.size() == before.size(), "there were {} tensors, after {} there are {}", before.size(), after,
           now.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      expect(now[i].name == before[i].name, "tensor {} was '{}', after {} it is '{}'", i, before[i].name, after,
             now[i].name);
      expect(now[i].value == before[i].value && now[i].grad == before[i].grad,
             "the {} of '{}' moved after {}; hosts keep the addresses until set_trainable, bind and move",
             now[i].value != before[i].value ? "value" : "gradient", now[i].name, after);
    }
  };
  compare("tensors");
  const ProbeTensor input = model.input(2, 1, 64);
  model.infer(input.view());
  compare("an inference forward");
  if (model.trains()) {
    ForwardResult result = model.train(input.view());
    compare("a training forward");
    model.release(result);
    model.step(input.view());
    compare("backward");
  }
  model.changed();
  model.infer(input.view(), 0);
  compare("parameters_changed");
  return {};
}

// Fails unless exactly these parameters have gradients.
void expect_gradients_of(const ModelProbe& model, const std::vector<std::uint64_t>& trained, const char* when) {
  const auto tensors = model.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool wanted = std::count(trained.begin(), trained.end(), i) > 0;
    const bool has = tensors[i].grad.data != nullptr;
    expect(has == (wanted && sdk::element_count(tensors[i].value) > 0), "{} '{}' has {} gradient, expected {}", when,
           tensors[i].name, has ? "a" : "no", wanted ? "one: it is trained" : "none: it is not trained");
  }
}

std::string gradients_on_demand(const Subject& subject) {
  ModelProbe model(subject);
  expect_gradients_of(model, {}, "before set_trainable");
  const ProbeTensor input = model.input(2, 1, 64);
  model.infer(input.view());
  expect_gradients_of(model, {}, "after an inference forward");
  const std::vector<std::uint64_t> all = model.parameter_indices();
  if (!model.trains()) skip("the model is there for prediction alone");
  if (all.empty()) skip("the model has no parameters");
  expect_gradients_of(model, all, "after set_trainable of all parameters");
  for (const std::vector<float>& gradient : model.gradients())
    expect(greatest(gradient) == 0, "a gradient begins as {}, expected 0", greatest(gradient));

  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  const std::vector<std::uint64_t> head(all.begin(), middle), tail(middle, all.end());
  model.step(input.view());
  const auto stepped = model.gradients();
  model.set_trainable(tail);
  expect_gradients_of(model, tail, "after set_trainable of the last half");
  const auto kept = model.gradients();
  for (std::size_t i = head.size(); i < all.size(); ++i)
    expect(difference(stepped[i], kept[i]).worst == 0,
           "a gradient that was there changed in set_trainable; it begins at 0 only where there was none");
  model.set_trainable(all);
  const auto again = model.gradients();
  for (std::size_t i = 0; i < head.size(); ++i)
    expect(greatest(again[i]) == 0, "a gradient that was freed begins as {}, expected 0", greatest(again[i]));
  model.set_trainable({});
  expect_gradients_of(model, {}, "after set_trainable of nothing");
  return {};
}

std::string training_asked_for_first(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  ModelProbe::Options options;
  options.mode = OSTEON_MODE_TRAINING;
  ForwardResult result = model.forward(input.view(), options);
  model.release(result);
  const bool trains = model.trains();
  if (trains)
    expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT}, "a training forward before set_trainable");
  else
    expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED},
                   "a training forward of a model that is there for prediction alone");
  if (trains) model.step(input.view());
  model.infer(input.view());
  return {};
}

/// One block of the host's, with a view for each tensor's value and for each trained parameter's gradient.
class Block {
 public:
  explicit Block(const ModelProbe& model) {
    const auto tensors = model.tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      indices.push_back(i);
      values_.push_back(place(tensors[i].value));
      grads_.push_back(tensors[i].grad.data != nullptr ? std::optional(place(tensors[i].grad)) : std::nullopt);
    }
    // Filled with what shows: the model copies its values, and it takes the gradients as they are.
    memory_ = std::make_unique<ProbeTensor>(sdk::dtype_of<std::uint8_t>(), std::vector<std::int64_t>{size_});
    std::memset(memory_->data<std::uint8_t>(), 0, static_cast<std::size_t>(size_));
    for (osteon_tensor_view& view : values_) settle(view);
    for (auto& view : grads_)
      if (view) settle(*view);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      values.push_back(&values_[i]);
      grads.push_back(grads_[i] ? &*grads_[i] : nullptr);
    }
  }
  std::vector<std::uint64_t> indices;
  std::vector<const osteon_tensor_view*> values, grads;

 private:
  // Remembers the offset where the address will be.
  osteon_tensor_view place(osteon_tensor_view view) {
    view.data = reinterpret_cast<void*>(static_cast<std::uintptr_t>(size_));
    size_ += (sdk::element_count(view) * view.dtype.bits / 8 + 63) / 64 * 64;
    shapes_.emplace_back(view.shape, view.shape + view.ndim);
    shapes_.emplace_back(view.strides, view.strides + view.ndim);
    view.shape = shapes_[shapes_.size() - 2].data();
    view.strides = shapes_.back().data();
    return view;
  }
  void settle(osteon_tensor_view& view) const {
    view.data = memory_->data<std::uint8_t>() + reinterpret_cast<std::uintptr_t>(view.data);
  }
  std::deque<std::vector<std::int64_t>> shapes_;  // the model's own are gone after bind
  std::vector<osteon_tensor_view> values_;
  std::vector<std::optional<osteon_tensor_view>> grads_;
  std::int64_t size_ = 0;
  std::unique_ptr<ProbeTensor> memory_;
};

void expect_bound(const ModelProbe& model, const Block& block, bool gradients, const char* when) {
  const auto tensors = model.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (sdk::element_count(tensors[i].value) == 0) continue;
    expect(tensors[i].value.data == block.values[i]->data, "{} '{}' lies at {} and not where it was bound, {}", when,
           tensors[i].name, tensors[i].value.data, block.values[i]->data);
    if (gradients && block.grads[i] != nullptr)
      expect(tensors[i].grad.data == block.grads[i]->data, "{} the gradient of '{}' does not lie where it was bound",
             when, tensors[i].name);
  }
}

// Views that do not fit are refused, and nothing has changed then.
void expect_unfit_refused(const Subject& subject) {
  ModelProbe model(subject);
  const bool trains = model.trains();
  const Block block(model);
  const auto before = model.tensors();
  const auto refuse = [&](const std::string& what, const std::vector<std::uint64_t>& indices,
                          const std::vector<const osteon_tensor_view*>& values,
                          const std::vector<const osteon_tensor_view*>& grads) {
    expect_refused(model.try_bind(indices, values, grads), {OSTEON_INVALID_ARGUMENT}, "bind of " + what);
    const auto after = model.tensors();
    for (std::size_t i = 0; i < before.size(); ++i)
      expect(after[i].value.data == before[i].value.data && after[i].grad.data == before[i].grad.data,
             "bind refused {} and moved '{}' all the same", what, before[i].name);
  };
  const ProbeTensor odd({3, 1, 4, 1, 5});
  refuse("a tensor that there is not", {before.size()}, {block.values[0]}, {});
  refuse("a value of another shape", {block.indices[1], block.indices[0]}, {block.values[1], odd}, {});
  if (!trains) return;
  model.set_trainable({});
  for (const std::uint64_t i : model.parameter_indices())
    if (block.grads[i] != nullptr)
      return expect_refused(model.try_bind({i}, {}, {block.grads[i]}), {OSTEON_INVALID_ARGUMENT},
                            "bind of a gradient of what is not trained");
}

std::string binds_to_host_memory(const Subject& subject) {
  std::unique_ptr<const Block> block;  // outlives what is bound to it
  ModelProbe model(subject);
  const bool trains = model.trains();
  const ProbeTensor input = model.input(2, 1, 64);
  const auto state = model.state();
  if (state.size() < 2) skip("the model has fewer than two tensors");
  const auto logits = model.infer(input.view());
  std::vector<std::vector<float>> gradients;
  if (trains) {
    model.step(input.view());
    gradients = model.gradients();
    model.load_state(state);
  }
  block = std::make_unique<const Block>(model);
  const Outcome bound = model.try_bind(block->indices, block->values, block->grads);
  if (!bound.ok()) {
    expect_refused(bound, {OSTEON_UNSUPPORTED}, "bind");
    model.infer(input.view());
    return "keeps its memory";
  }
  expect_bound(model, *block, true, "after bind");
  expect(model.state() == state, "values are others after bind; the model copies them");
  const auto allowed = [](const std::vector<float>& values) { return 1e-5 * (1e-3 + greatest(values)); };
  const auto expect_logits = [&](const char* when) {
    const Difference apart = difference(logits, model.infer(input.view()));
    expect(apart.worst <= allowed(logits), "{} inference gives other logits, {}", when, apart.describe());
  };
  expect_logits("after bind");
  const auto expect_step = [&](const char* when) {
    model.load_state(state);
    model.step(input.view());
    const auto got = model.gradients();
    for (std::size_t i = 0; i < got.size(); ++i) {
      const Difference apart = difference(gradients[i], got[i]);
      expect(apart.worst <= 1e-4 * (1e-3 + greatest(gradients[i])), "{} a step gives other gradients, {}", when,
             apart.describe());
    }
    model.load_state(state);
  };
  if (trains) {
    expect_step("after bind");
    expect_bound(model, *block, true, "after a step");
    const std::vector<std::uint64_t> all = model.parameter_indices();
    model.set_trainable({all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end()});
    expect_bound(model, *block, false, "after set_trainable");
    model.set_trainable(all);
    expect_step("after set_trainable of bound parameters");
  }
  expect_unfit_refused(subject);
  const SteeredCall call;
  expect_ok(attempt([&](osteon_error* e) {
              return model.api().move(call.raw(), model.raw(), {OSTEON_DEVICE_CPU, 0}, e);
            }),
            "move to the CPU");
  for (const osteon_named_tensor& tensor : model.tensors())
    for (const osteon_tensor_view* value : block->values)
      expect(sdk::element_count(tensor.value) == 0 || tensor.value.data != value->data,
             "after move '{}' is still in the host's memory", tensor.name);
  expect_logits("after move");
  return fmt::format("{} tensors", block->indices.size());
}

}  // namespace

const std::vector<Check>& model_memory_checks() {
  static const std::vector<Check> checks = {
      {"addresses-stable", "values and gradients stay where they are through forward, backward and tensors",
       addresses_stable},
      {"gradients-on-demand", "what is trained has a gradient, zero at first, and nothing else has one",
       gradients_on_demand},
      {"training-asked-for-first", "a training forward before set_trainable is refused", training_asked_for_first},
      {"binds-to-host-memory", "bind moves values and gradients into the host's memory, or is UNSUPPORTED",
       binds_to_host_memory},
  };
  return checks;
}

}  // namespace osteon::validate
