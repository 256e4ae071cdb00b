// SPDX-License-Identifier: Apache-2.0
#include "torchscript.hpp"

#include <algorithm>
#include <limits>

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <osteon/sdk/grid_trial.hpp>

#include "heads.hpp"
#include "script_ending.hpp"
#include "script_error.hpp"

namespace osteon::models {
namespace {

// Of the images that show what an output looks like, where the network does not want larger ones.
constexpr std::int64_t kTrialSide = 64;

c10::IValue returned_by(torch::jit::Module& script, const torch::Tensor& x) {
  // The executor would profile the first runs and compile the next ones, which then differ in their last bits, and
  // whose derivatives come from rules of its own instead of autograd's.
  const torch::jit::GraphOptimizerEnabledGuard as_it_is(false);
  return script.forward({x});
}

std::vector<torch::Tensor> run(torch::jit::Module& script, const torch::Tensor& x,
                               const std::vector<std::string>& outputs, bool all) {
  return heads_of(returned_by(script, x), outputs, all);
}

sdk::Grid try_script(const torch::jit::Module& script, const std::vector<std::string>& outputs, std::int64_t channels,
                     const sdk::TrialWish& wish) {
  // A copy, for a forward in training changes running statistics, and a script may keep what else it likes.
  torch::jit::Module copy = script.deepcopy();
  const torch::NoGradGuard no_grad;
  const sdk::TrialRun trial = [&](std::int64_t n, std::int64_t height, std::int64_t width, bool training) {
    copy.train(training);
    const torch::Tensor images = torch::zeros({n, channels, height, width});
    std::vector<std::vector<std::int64_t>> shapes;
    try {
      for (const torch::Tensor& head : run(copy, images, outputs, training)) shapes.push_back(head.sizes().vec());
    } catch (const sdk::Error&) {
      throw;
    } catch (const std::exception& e) {
      const std::string line = script_error(e);
      throw sdk::InvalidArgument("the network cannot see an image " + c10::str(images.sizes()) + ": " + line +
                                 size_hint(line));
    }
    return shapes;
  };
  return sdk::find_grid(trial, wish);
}

/// What the script gives for two unlike images. One that does not bear their values is not judged by them.
struct Outputs {
  sdk::ActivationTrial main;
  std::string names;  // of several
};
Outputs look_at_outputs(const torch::jit::Module& script, const std::vector<std::string>& names, std::int64_t channels,
                        std::int64_t side) {
  torch::jit::Module copy = script.deepcopy();
  copy.train(false);
  const torch::NoGradGuard no_grad;
  Outputs seen;
  for (const int which : {0, 1}) {
    std::vector<float> probe = sdk::activation_probe(channels * side * side, which);
    c10::IValue returned;
    try {
      returned = returned_by(copy, torch::from_blob(probe.data(), {1, channels, side, side}));
    } catch (const std::exception&) {
      return {};
    }
    seen.names = head_names(returned);
    const torch::Tensor main = heads_of(returned, names, false).at(0).to(at::kFloat).contiguous();
    seen.main.add(main.data_ptr<float>(), main.size(1), main.size(2) * main.size(3));
  }
  return seen;
}

/// What of an archive is not finite, as messages name it; empty: all is. Infinities may mask and are taken, but not in
/// parameters and running statistics.
std::string not_finite(const torch::nn::Module& module, const Unlisted& unlisted) {
  std::string text;
  std::size_t count = 0;
  const auto look = [&](const std::string& name, const at::Tensor& tensor, bool weights) {
    if (!at::isFloatingType(tensor.scalar_type()) || tensor.is_quantized()) return;
    const at::Tensor values = tensor.detach();
    const std::int64_t bad = (weights ? values.isfinite().logical_not() : values.isnan()).sum().item<std::int64_t>();
    constexpr std::size_t kNamed = 5;
    if (bad > 0 && ++count <= kNamed)
      text += c10::str(text.empty() ? "" : ", ", "'", name, "' (", bad, " of ", tensor.numel(), " values)");
    if (bad > 0 && count == kNamed + 1) text += " and more";
  };
  for (const auto& each : module.named_parameters()) look(each.key(), each.value(), true);
  for (const auto& each : module.named_buffers())
    look(each.key(), each.value(), each.key().find("running_") != std::string::npos);
  unlisted.for_each([&](const std::string& name, const at::Tensor& tensor) { look(name, tensor, false); });
  return text;
}

// As sdk::undone, with derivatives.
torch::Tensor undo(sdk::OutputActivation activation, const torch::Tensor& output) {
  if (activation == sdk::OutputActivation::kNone) return output;
  const torch::Tensor p = output.to(at::kFloat);
  const torch::Tensor log = p.clamp_min(std::numeric_limits<float>::min()).log();
  if (activation == sdk::OutputActivation::kSoftmax) return log;
  return log - (1 - p).clamp_min(std::numeric_limits<float>::epsilon() / 2).log();
}

}  // namespace

TorchScriptImpl::TorchScriptImpl(const Params& params, const sdk::ModelRequest& request)
    : ScriptTree(load_script(params.file)), outputs_(params.outputs), unlisted_(script(), *this) {
  if (const std::string bad = not_finite(*this, unlisted_); !bad.empty())
    throw sdk::BadInput(params.file.string() +
                        " has weights that are not finite, with which nothing can be predicted: " + bad);
  sdk::TrialWish wish;
  wish.n_classes = request.n_classes;
  wish.stride = params.stride;
  wish.size_multiple = params.size_multiple;
  wish.n_outputs = std::max<std::size_t>(outputs_.size(), 1);
  const sdk::Grid grid = try_script(script(), outputs_, request.in_channels, wish);
  const std::string main = outputs_.empty() ? "" : outputs_.front();
  const std::int64_t side = std::max<std::int64_t>(1, kTrialSide / grid.size_multiple) * grid.size_multiple;
  const Outputs seen = look_at_outputs(script(), outputs_, request.in_channels, side);
  if (main.empty() && !seen.names.empty())
    remark_ = "the script gives " + seen.names + "; " +
              (seen.names.find("'out'") != std::string::npos ? "'out'" : "the first") +
              " is taken, `outputs` names another";
  activation_ =
      sdk::resolve_activation(params.activation,
                              (main.empty() ? std::string("the output") : "the output '" + main + "'") +
                                  (seen.names.empty() ? "" : " (of " + seen.names + ", which `outputs` chooses among)"),
                              last_operation(script(), main), seen.main);
  traits_.size_multiple = grid.size_multiple;
  traits_.outputs.clear();
  for (std::size_t i = 0; i < grid.strides.size(); ++i)
    traits_.outputs.push_back(
        {i == 0 ? "main" : outputs_[i], i == 0 ? 1 : params.auxiliary, grid.strides[i], params.align_corners});
}

std::vector<torch::Tensor> TorchScriptImpl::forward(const torch::Tensor& x, sdk::Outputs wanted) {
  const bool all = wanted == sdk::Outputs::kAll;
  try {
    unlisted_.follow(x.device());
    std::vector<torch::Tensor> heads = run(script(), x, outputs_, all);
    for (torch::Tensor& head : heads) head = undo(activation_, head);
    return heads;
  } catch (const sdk::InvalidArgument& e) {
    if (all && !is_training()) throw sdk::Unsupported(std::string("when it predicts, ") + e.what());
    throw;
  } catch (const sdk::Error&) {
    throw;
  } catch (const std::exception& e) {
    throw_script_error(e);
  }
}

}  // namespace osteon::models

OSTEON_PLUGIN(
    "torchscript", "1.0.0",
    osteon::sdk::torch_model<osteon::models::TorchScriptImpl>(
        {"torchscript", "1.0.0",
         "Any network that torch.jit.save wrote: predicts, and goes on training. Its archive is code: trust it "
         "as you would a plugin."}))
