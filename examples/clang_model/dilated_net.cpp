// SPDX-License-Identifier: Apache-2.0
// A network that looks far without ever shrinking the image: 3 x 3 convolutions whose taps lie 1, 2, 4, 8, ... pixels
// apart, each added to what it was made from. After Yu and Koltun, "Multi-scale context aggregation by dilated
// convolutions", arXiv:1511.07122, with the residual sums of arXiv:1705.09914.
//
//     [model]
//     plugin = "dilated_net"
//     width  = 16
//     depth  = 4          # a pixel sees 2^4 pixels to every side
#include <cmath>
#include <string>
#include <vector>

#include <osteon/sdk/torch/model.hpp>

namespace {

struct DilatedNet : torch::nn::Module {
  struct Params {
    std::int64_t width = 16;
    std::int64_t depth = 4;
    double prior = 0.5;

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("width", &Params::width, "channels of the hidden layers").between(1, 512);
      s.add("depth", &Params::depth, "layers, each with taps twice as far apart as the one before").between(1, 6);
      s.add("prior", &Params::prior, "probability of a class in a pixel that the head begins with")
          .between(1e-6, 0.999999);
    }
  };

  DilatedNet(const Params& params, const osteon::sdk::ModelRequest& request) {
    stem = convolution("stem", request.in_channels, params.width, 1);
    for (std::int64_t layer = 0; layer < params.depth; ++layer) {
      const std::string number = std::to_string(layer);
      layers.push_back(convolution("layer" + number, params.width, params.width, std::int64_t{1} << layer));
      norms.push_back(register_module("norm" + number, torch::nn::BatchNorm2d(params.width)));
    }
    head = register_module("head", torch::nn::Conv2d(torch::nn::Conv2dOptions(params.width, request.n_classes, 1)));
    torch::nn::init::constant_(head->bias, std::log(params.prior / (1 - params.prior)));
  }

  torch::Tensor forward(const torch::Tensor& image) {
    torch::Tensor x = torch::relu(stem(image));
    for (std::size_t i = 0; i < layers.size(); ++i) x = x + torch::relu(norms[i](layers[i](x)));
    return head(x);
  }

 private:
  /// Beyond the border lies the image's own reflection, which LibTorch refuses to make where it would have to look
  /// beyond the other border too.
  torch::nn::Conv2d convolution(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t dilation) {
    const auto options = torch::nn::Conv2dOptions(in, out, 3).padding(dilation).dilation(dilation);
    return register_module(name, torch::nn::Conv2d(torch::nn::Conv2dOptions(options).padding_mode(torch::kReflect)));
  }

  torch::nn::Conv2d stem{nullptr}, head{nullptr};
  std::vector<torch::nn::Conv2d> layers;
  std::vector<torch::nn::BatchNorm2d> norms;
};

}  // namespace

OSTEON_PLUGIN("dilated_net", "1.0.0",
              osteon::sdk::torch_model<DilatedNet>({"dilated_net", "1.0.0",
                                                    "Convolutions whose taps lie ever further apart, at full "
                                                    "resolution.",
                                                    "Yu and Koltun, arXiv:1511.07122"}))
