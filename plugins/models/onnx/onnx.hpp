// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <osteon/abi/model.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/output_activation.hpp>
#include <osteon/sdk/params.hpp>

#include "net_pool.hpp"
#include "onnx_file.hpp"

namespace osteon::models {

/// Any network that another program exported to ONNX, for prediction alone, through OpenCV's DNN module.
///
/// It has no parameters that the host could see or train: train in the program that the network came from, or save it
/// there as TorchScript. A recipe with `train.epochs = 0` makes a run of it.
///
/// Height and width that the file leaves free may be anything that its operators can do. A network is imported anew for
/// each size of image, for OpenCV knows shapes only of what is fixed. What the file fixes is the only size there is.
/// Images of a batch run one after the other, so a fixed batch is 1.
///
/// OpenCV 4.6 runs convolutional networks: transposed convolutions, batch and group normalization, GELU, bilinear and
/// nearest resizing, adaptive pooling. It refuses layer normalization (so transformers and ConvNeXt), bicubic resizing,
/// `Einsum`, `GridSample`, `If`, `Loop`, and weights that are exported as `Identity` of a constant.
///
///     [model]
///     plugin = "onnx"
///     file = "network.onnx"
class Onnx {
 public:
  struct Params {
    std::filesystem::path file;
    std::string output_name;
    std::string activation = "auto";
    std::int64_t stride = 0;
    std::int64_t size_multiple = 0;
    bool align_corners = false;

    static void schema(sdk::Schema<Params>& s) {
      s.add("file", &Params::file, "the ONNX file").required();
      s.add("output_name", &Params::output_name, "the output that holds the logits; empty: the first");
      s.add("activation", &Params::activation,
            "what the output went through and is undone: a sigmoid, a softmax (for data where one class holds for a "
            "pixel) "
            "or none; auto: none, and refused where it looks otherwise")
          .choices(sdk::output_activations());
      s.add("stride", &Params::stride, "input pixels per logit; 0: found by a trial").unit("px").between(0, 1024);
      s.add("size_multiple", &Params::size_multiple,
            "height and width that the network takes are multiples of it, where the file leaves them free; 0: found by "
            "a trial")
          .unit("px")
          .between(0, 2048);
      s.add("align_corners", &Params::align_corners, "logits are resized to the image with aligned corners");
    }
  };

  /// Throws InvalidArgument when the file, the parameters and the request do not go together.
  Onnx(const sdk::Call& call, const Params& params, std::int64_t in_channels, std::int64_t n_classes);
  Onnx(const Onnx&) = delete;
  Onnx& operator=(const Onnx&) = delete;

  const osteon_model_info& info() const noexcept { return info_; }

  /// Logits [N, n_classes, ceil(H / stride), ceil(W / stride)], float32, of the host's memory. Throws InvalidArgument
  /// for images that the network does not take. [any-thread]
  sdk::OwnedTensor infer(const sdk::Call& call, const osteon_tensor_view& images);

 private:
  sdk::ActivationTrial try_activation(const sdk::Call& call, std::int64_t height, std::int64_t width);
  void check_images(const osteon_tensor_view& images) const;

  OnnxFile file_;
  NetPool pool_;
  sdk::OutputActivation activation_ = sdk::OutputActivation::kNone;
  osteon_model_output output_ = sdk::sized<osteon_model_output>();
  const osteon_model_output* outputs_[1] = {&output_};
  osteon_model_info info_ = sdk::sized<osteon_model_info>();
};

}  // namespace osteon::models
