// SPDX-License-Identifier: Apache-2.0
#include "torchscript.hpp"

#include <algorithm>

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <osteon/sdk/grid_trial.hpp>

#include "heads.hpp"
#include "script_error.hpp"

namespace osteon::models {
namespace {

std::vector<torch::Tensor> run(torch::jit::Module& script, const torch::Tensor& x,
                               const std::vector<std::string>& outputs, bool all) {
  // The executor would profile the first runs and compile the next ones, which then differ in their last bits, and
  // whose derivatives come from rules of its own instead of autograd's.
  const torch::jit::GraphOptimizerEnabledGuard as_it_is(false);
  return heads_of(script.forward({x}), outputs, all);
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
      throw sdk::InvalidArgument("the network cannot see an image " + c10::str(images.sizes()) + ": " +
                                 script_error(e) +
                                 "; does data.channels fit? A network for one size alone is given by size_multiple");
    }
    return shapes;
  };
  return sdk::find_grid(trial, wish);
}

}  // namespace

TorchScriptImpl::TorchScriptImpl(const Params& params, const sdk::ModelRequest& request)
    : ScriptTree(load_script(params.file)), outputs_(params.outputs), unlisted_(script(), *this) {
  sdk::TrialWish wish;
  wish.n_classes = request.n_classes;
  wish.stride = params.stride;
  wish.size_multiple = params.size_multiple;
  wish.n_outputs = std::max<std::size_t>(outputs_.size(), 1);
  const sdk::Grid grid = try_script(script(), outputs_, request.in_channels, wish);
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
    return run(script(), x, outputs_, all);
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
