// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <osteon/sdk/output_activation.hpp>
#include <osteon/sdk/torch/model.hpp>

#include "script_tree.hpp"
#include "unlisted.hpp"

namespace osteon::models {

/// Any network that torch.jit.save wrote, scripted or traced: predicts, and goes on training.
///
/// Its parameters and buffers have the names of its state dict, so weights, checkpoints and `strict` work as
/// everywhere. The weights are the archive's; the recipe's seed decides nothing but dropout. The script runs as its
/// author wrote it, operation by operation, which is what eager Python does; for prediction the SDK compiles it like
/// any other model.
///
/// A *traced* module does in both modes what it did when it was traced: script what has dropout or batch normalization
/// and is to be trained further. A *frozen* one (torch.jit.freeze) has no parameters and predicts alone.
///
/// Number of classes, stride and size multiple are found by running small images of zeros through a copy
/// (osteon/sdk/grid_trial.hpp).
///
/// On CUDA constants in the code move along; code that makes tensors on a device by its name (a trace does, of the
/// device it was made on) works there alone.
///
/// Trust an archive as you would a plugin. Reading one runs no code but `__setstate__` methods that it may define; its
/// forward is code, and TorchScript has operations that read and write files (aten::from_file, aten::save). An archive
/// that was cut or changed on its way is refused by its checksums; one that was made to do harm is not recognised.
///
///     [model]
///     plugin = "torchscript"
///     file = "network.pt"
class TorchScriptImpl : public ScriptTree {
 public:
  struct Params {
    std::filesystem::path file;
    std::vector<std::string> outputs;
    std::string activation = "auto";
    double auxiliary = 0.4;
    std::int64_t stride = 0;
    std::int64_t size_multiple = 0;
    bool align_corners = false;

    static void schema(sdk::Schema<Params>& s) {
      s.add("file", &Params::file, "archive of torch.jit.save").required();
      s.add("outputs", &Params::outputs,
            "where the logits are in what the script returns, the main ones first: keys of a dict, positions in a "
            "tuple; empty: the tensor, the first of a tuple, 'out' of a dict");
      s.add("activation", &Params::activation,
            "what the outputs went through and is undone: a sigmoid, a softmax (for data where one class holds for a "
            "pixel) or none; auto: none, and refused where it looks otherwise")
          .choices(sdk::output_activations());
      s.add("auxiliary", &Params::auxiliary, "weight of the loss on each output but the main one").between(0, 10);
      s.add("stride", &Params::stride, "input pixels per logit of the main output; 0: found by a trial")
          .unit("px")
          .between(0, 1024);
      s.add("size_multiple", &Params::size_multiple,
            "height and width that the network takes are multiples of it; 0: found by a trial")
          .unit("px")
          .between(0, 2048);
      s.add("align_corners", &Params::align_corners, "logits are resized to the image with aligned corners");
    }
  };

  TorchScriptImpl(const Params& params, const sdk::ModelRequest& request);

  sdk::ModelTraits traits() const { return traits_; }
  /// Which of several outputs is taken, where the recipe does not say.
  std::string remark() const { return remark_; }
  /// @param x  [N, C, H, W]
  /// @return logits of the main output, and of the others where they are wanted. A script that leaves those out when it
  ///         predicts, as is usual, cannot be asked for them then.
  std::vector<torch::Tensor> forward(const torch::Tensor& x, sdk::Outputs wanted);

 private:
  std::vector<std::string> outputs_;
  sdk::OutputActivation activation_ = sdk::OutputActivation::kNone;
  sdk::ModelTraits traits_;
  std::string remark_;
  Unlisted unlisted_;
};

}  // namespace osteon::models
