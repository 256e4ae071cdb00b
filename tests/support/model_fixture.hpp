// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <osteon/abi/all.h>
#include <osteon/sdk/testing.hpp>
#include <osteon/sdk/torch/tensor.hpp>

/// What tests of a model plugin need: it is linked in and driven through its C entry, as a host would.
namespace osteon::test {

using RecordingCall = sdk::testing::TestCall;

/// A model of the library under test. Parameters that are not given have their defaults.
class ModelUnderTest {
 public:
  struct Values {
    std::map<std::string, std::string> strings;
    std::map<std::string, std::vector<std::int64_t>> ints;
    std::map<std::string, double> floats;
  };

  ModelUnderTest(const Values& given, std::int64_t in_channels, std::int64_t n_classes, std::uint64_t seed = 1)
      : ModelUnderTest(*osteon_get_plugin(OSTEON_ABI_VERSION)->components[0], given, in_channels, n_classes, seed) {}

  ModelUnderTest(const osteon_component& component, const Values& given, std::int64_t in_channels,
                 std::int64_t n_classes, std::uint64_t seed)
      : component_(component), api_(*static_cast<const osteon_model_api*>(component.api)) {
    std::vector<osteon_value> storage(component.n_params);
    std::vector<const char*> texts(component.n_params);
    std::vector<const osteon_value*> values;
    for (std::uint64_t p = 0; p < component.n_params; ++p) {
      const osteon_param_spec& spec = *component.params[p];
      osteon_value& value = storage[p];
      if (spec.default_value != nullptr) {
        value = *spec.default_value;
      } else {
        value = sdk::sized<osteon_value>();
        value.type = spec.type;
        value.count = 1;
      }
      if (const auto s = given.strings.find(spec.name); s != given.strings.end()) {
        texts[p] = s->second.c_str();
        value.strings = &texts[p];
      }
      if (const auto i = given.ints.find(spec.name); i != given.ints.end()) {
        value.ints = i->second.data();
        value.count = i->second.size();
      }
      if (const auto f = given.floats.find(spec.name); f != given.floats.end()) value.floats = &f->second;
      values.push_back(&value);
    }
    const std::vector<const char*> names(static_cast<std::size_t>(n_classes), "class");
    auto request = sdk::sized<osteon_model_request>();
    request.in_channels = in_channels;
    request.n_classes = n_classes;
    request.class_names = names.data();
    request.seed = seed;
    const RecordingCall call;
    // Sums depend on how many threads share them: what a test computes beside the model takes as many as its calls
    // grant.
    at::set_num_threads(static_cast<int>(call.raw()->threads));
    sdk::check([&](osteon_error* e) { return api_.create(call.raw(), values.data(), &request, &model_, e); });
    read_tensors();
  }
  ~ModelUnderTest() { api_.destroy(model_); }
  ModelUnderTest(const ModelUnderTest&) = delete;
  ModelUnderTest& operator=(const ModelUnderTest&) = delete;

  osteon_model* get() const { return model_; }
  const osteon_model_api& api() const { return api_; }
  const osteon_component& component() const { return component_; }
  const osteon_model_info& info() const { return *api_.info(model_); }
  const std::vector<const osteon_named_tensor*>& tensors() const { return tensors_; }

  std::size_t index_of(const std::string& name) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (tensors_[i]->name == name) return i;
    throw std::out_of_range(name);
  }
  at::Tensor value(const std::string& name) const { return sdk::borrow(tensors_[index_of(name)]->value); }
  bool is_trained(std::size_t index) const { return tensors_[index]->grad.data != nullptr; }
  at::Tensor grad(const std::string& name) const { return sdk::borrow(tensors_[index_of(name)]->grad); }
  std::vector<at::Tensor> parameters() const {
    std::vector<at::Tensor> values;
    for (const auto* t : tensors_)
      if (t->role == OSTEON_TENSOR_PARAMETER) values.push_back(sdk::borrow(t->value));
    return values;
  }
  /// Gradients of all that is trained, one after the other.
  at::Tensor all_grads() const {
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (is_trained(i)) parts.push_back(sdk::borrow(tensors_[i]->grad).flatten());
    return at::cat(parts);
  }
  void zero_grads() const {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (is_trained(i)) sdk::borrow(tensors_[i]->grad).zero_();
  }
  void set_trainable(const std::vector<std::uint64_t>& indices) {
    const RecordingCall call;
    sdk::check(
        [&](osteon_error* e) { return api_.set_trainable(call.raw(), model_, indices.size(), indices.data(), e); });
    chosen_ = true;
    read_tensors();
  }
  void train_all() {
    std::vector<std::uint64_t> parameters;
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (tensors_[i]->role == OSTEON_TENSOR_PARAMETER) parameters.push_back(i);
    set_trainable(parameters);
  }
  /// What is bound must outlive the model, or another bind. nullptr in either list: as it was.
  void bind(const std::vector<std::uint64_t>& indices, const std::vector<const osteon_tensor_view*>& values,
            const std::vector<const osteon_tensor_view*>& grads) {
    const RecordingCall call;
    sdk::check([&](osteon_error* e) {
      return api_.bind(call.raw(), model_, indices.size(), indices.data(), values.empty() ? nullptr : values.data(),
                       grads.empty() ? nullptr : grads.data(), e);
    });
    read_tensors();
  }
  void move(osteon_device device) {
    const RecordingCall call;
    sdk::check([&](osteon_error* e) { return api_.move(call.raw(), model_, device, e); });
    read_tensors();
  }

  at::Tensor infer(const RecordingCall& call, const at::Tensor& input, std::uint32_t flags = OSTEON_FORWARD_PLAIN,
                   std::uint32_t precision = OSTEON_PRECISION_FLOAT32) const {
    return run(call, input, flags, precision, 1)[0];
  }
  std::vector<at::Tensor> infer_all(const RecordingCall& call, const at::Tensor& input,
                                    std::uint32_t precision = OSTEON_PRECISION_FLOAT32) const {
    return run(call, input, OSTEON_FORWARD_ALL_OUTPUTS, precision, info().n_outputs);
  }

  /// A training forward that is still to go back. Trains all parameters unless the test chose. Holds the input; must
  /// die before its model.
  class Step {
   public:
    Step(ModelUnderTest& model, const at::Tensor& input, std::uint64_t seed = 0, std::uint32_t flags = 0,
         std::uint32_t precision = OSTEON_PRECISION_FLOAT32)
        : model_(model), input_(input.contiguous()), outputs_(model.info().n_outputs) {
      if (!model.chosen_) model.train_all();
      auto options = sdk::sized<osteon_forward_options>();
      options.flags = flags;
      options.mode = OSTEON_MODE_TRAINING;
      options.precision = precision;
      options.seed = seed;
      std::vector<osteon_tensor*> outs;
      for (sdk::OwnedTensor& output : outputs_) outs.push_back(output.out());
      sdk::check([&](osteon_error* e) {
        return model.api().forward(call_.raw(), model.get(), &options, input_, outs.size(), outs.data(), &tape_, e);
      });
    }
    ~Step() { model_.api().release_tape(model_.get(), tape_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

    at::Tensor output(std::size_t i = 0) const { return sdk::borrow(outputs_[i].view()); }
    void free_output(std::size_t i) { outputs_[i].reset(); }

    /// Undefined tensors stand for outputs that do not count. Gives the gradient of the input when that was asked for.
    at::Tensor backward(const std::vector<at::Tensor>& grads, osteon_gradient_ready ready = nullptr,
                        void* user = nullptr, bool input_gradient = false) {
      std::vector<sdk::TorchView> views;
      for (const at::Tensor& g : grads)
        views.push_back(g.defined() ? sdk::TorchView(g.clone(at::MemoryFormat::Contiguous)) : sdk::TorchView());
      std::vector<const osteon_tensor_view*> pointers;
      for (std::size_t i = 0; i < grads.size(); ++i)
        pointers.push_back(grads[i].defined() ? &views[i].view() : nullptr);
      sdk::OwnedTensor grad_input;
      sdk::check([&](osteon_error* e) {
        return model_.api().backward(call_.raw(), model_.get(), tape_, pointers.size(), pointers.data(), ready, user,
                                     input_gradient ? grad_input.out() : nullptr, e);
      });
      // Borrowed for the call, so a host may use these buffers again at once.
      for (const sdk::TorchView& view : views)
        if (view.tensor().defined()) at::Tensor(view.tensor()).fill_(std::numeric_limits<float>::quiet_NaN());
      return input_gradient ? sdk::borrow(grad_input.view()).clone() : at::Tensor();
    }

   private:
    ModelUnderTest& model_;
    RecordingCall call_;
    sdk::TorchView input_;
    std::vector<sdk::OwnedTensor> outputs_;
    osteon_tape* tape_ = nullptr;
  };

 private:
  void read_tensors() {
    const RecordingCall call;
    std::uint64_t count = 0;
    const osteon_named_tensor* const* list = nullptr;
    sdk::check([&](osteon_error* e) { return api_.tensors(call.raw(), model_, &count, &list, e); });
    tensors_.assign(list, list + count);
  }

  std::vector<at::Tensor> run(const RecordingCall& call, const at::Tensor& input, std::uint32_t flags,
                              std::uint32_t precision, std::size_t n_outputs) const {
    auto options = sdk::sized<osteon_forward_options>();
    options.flags = flags;
    options.precision = precision;
    const sdk::TorchView view(input.contiguous());
    std::vector<sdk::OwnedTensor> outputs(n_outputs);
    std::vector<osteon_tensor*> outs;
    for (sdk::OwnedTensor& output : outputs) outs.push_back(output.out());
    sdk::check([&](osteon_error* e) {
      return api_.forward(call.raw(), model_, &options, view, n_outputs, outs.data(), nullptr, e);
    });
    std::vector<at::Tensor> copies;
    for (const sdk::OwnedTensor& output : outputs) copies.push_back(sdk::borrow(output.view()).clone());
    return copies;
  }

  const osteon_component& component_;
  const osteon_model_api& api_;
  osteon_model* model_ = nullptr;
  std::vector<const osteon_named_tensor*> tensors_;
  bool chosen_ = false;  ///< what is trained
};

}  // namespace osteon::test
