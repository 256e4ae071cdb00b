// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/torch/guards.hpp>
#include <osteon/sdk/torch/network.hpp>
#include <osteon/sdk/torch/parameters.hpp>

namespace osteon::sdk::detail {

/// Whom backward tells that a gradient is complete; see osteon_gradient_ready.
struct GradientReceiver {
  osteon_gradient_ready ready = nullptr;  ///< may be null
  void* user = nullptr;
};

/// Calls the host back as the gradient of each trainable parameter is complete, with the stream that it was added on;
/// for parameters that the graph did not reach, when the scope ends without an exception through finish().
class GradientReports {
 public:
  GradientReports(const ParameterTable& parameters, GradientReceiver receiver)
      : parameters_(parameters), receiver_(receiver), reported_(receiver.ready != nullptr ? parameters.size() : 0) {
    for (std::size_t i = 0; i < reported_.size(); ++i) {
      if (!parameters.is_parameter(i) || !parameters.value(i).requires_grad()) {
        reported_[i] = true;
        continue;
      }
      auto node = torch::autograd::impl::grad_accumulator(parameters.value(i));
      const auto key = node->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
          [this, i](const torch::autograd::variable_list& outputs, const torch::autograd::variable_list&) {
            report(i);
            return outputs;
          }));
      hooks_.emplace_back(std::move(node), key);
    }
  }
  ~GradientReports() {
    for (auto& [node, key] : hooks_) node->del_post_hook(key);
  }
  GradientReports(const GradientReports&) = delete;
  GradientReports& operator=(const GradientReports&) = delete;

  void finish() {
    for (std::size_t i = 0; i < reported_.size(); ++i) report(i);
  }

 private:
  /// LibTorch runs a node on the stream of its forward and makes that the current one of its thread; on the thread that
  /// went back the current one is the call's.
  void report(std::size_t i) {
    if (reported_[i].exchange(true)) return;
    receiver_.ready(receiver_.user, i, compat::current_stream(parameters_.value(i).device()));
  }

  const ParameterTable& parameters_;
  GradientReceiver receiver_;
  std::vector<std::atomic<bool>> reported_;
  // The accumulators are kept: a parameter holds its own only weakly.
  std::vector<std::pair<compat::NodePointer, std::uintptr_t>> hooks_;
};

/// One training forward's graph. Holds the ends of the graph and not the outputs, so that the host can free each head's
/// logits as soon as its loss is done.
class Tape {
 public:
  /// Runs `network` on `input` and gives the outputs; mode and precision have been set, and seeds planted.
  Tape(const Call& call, Network& network, const osteon_model_info& info, at::Tensor input,
       const osteon_forward_options& options, osteon_tensor* const* outputs)
      : input_(std::move(input)), precision_(options.precision) {
    const torch::AutoGradMode grad_mode(true);
    input_.set_requires_grad((options.flags & OSTEON_FORWARD_INPUT_GRADIENT) != 0);
    std::vector<at::Tensor> results = network.forward(input_, Outputs::kAll);
    check_count(info, results.size(), /*training=*/true);
    std::vector<OwnedTensor> given(results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      check_output(info, i, input_, results[i], precision_);
      ends_.push_back(
          {results[i].requires_grad() ? torch::autograd::impl::gradient_edge(results[i]) : torch::autograd::Edge(),
           results[i].sizes().vec(), results[i].scalar_type()});
      give(unshared(results[i]), given[i].out());
      results[i].reset();
    }
    call.stop_if_cancelled();
    for (std::size_t i = 0; i < given.size(); ++i) given[i].move_to(outputs[i]);
  }

  /// As osteon_model_api.backward; `grad_input` may be null.
  void backward(const Call& call, const ParameterTable& parameters, std::uint64_t n_outputs,
                const osteon_tensor_view* const* grad_outputs, GradientReceiver receiver, osteon_tensor* grad_input) {
    if (std::exchange(used_, true)) throw InvalidArgument("this tape has been used; it serves one backward");
    if (n_outputs != ends_.size())
      throw InvalidArgument(std::to_string(n_outputs) + " gradients for " + std::to_string(ends_.size()) + " outputs");
    if (grad_input != nullptr && !input_.requires_grad())
      throw InvalidArgument("the gradient of the input was not announced in forward (OSTEON_FORWARD_INPUT_GRADIENT)");
    torch::autograd::edge_list roots;
    torch::autograd::variable_list grads;
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      End end = std::move(ends_[i]);
      if (grad_outputs[i] == nullptr) continue;
      at::Tensor grad = borrow(*grad_outputs[i], "the gradient of an output");
      if (grad.sizes() != at::IntArrayRef(end.shape) || grad.scalar_type() != end.type)
        throw InvalidArgument("the gradient of output " + std::to_string(i) + " is " +
                              at::toString(grad.scalar_type()) + " " + c10::str(grad.sizes()) + ", the output was " +
                              at::toString(end.type) + " " + c10::str(at::IntArrayRef(end.shape)));
      if (!end.edge.is_valid()) continue;  // everything that this output depends on is frozen
      roots.push_back(std::move(end.edge));
      grads.push_back(std::move(grad));
    }
    {
      const PrecisionGuard precision(input_.device(), backward_precision(precision_));
      GradientReports reports(parameters, receiver);
      compat::run_backward(roots, grads);
      reports.finish();
    }
    parameters.verify();
    call.stop_if_cancelled();
    if (grad_input == nullptr) return;
    // A clone: LibTorch may have taken the host's own grad_output over as the gradient of the input.
    give(input_.grad().defined() ? input_.grad().clone() : at::zeros_like(input_).detach(), grad_input);
  }

 private:
  struct End {
    torch::autograd::Edge edge;
    std::vector<std::int64_t> shape;
    at::ScalarType type;
  };

  at::Tensor input_;
  std::uint32_t precision_;
  std::vector<End> ends_;
  bool used_ = false;
};

}  // namespace osteon::sdk::detail
