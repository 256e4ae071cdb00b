// The whole of a model plugin: two convolutions, trained and served by a host that never heard of it.
#include <osteon/sdk/torch/model.hpp>

namespace {

struct TwoConvolutions : torch::nn::Module {
  struct Params {
    int64_t width = 16;

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("width", &Params::width, "channels between the two convolutions").between(1, 4096);
    }
  };

  TwoConvolutions(const Params& params, const osteon::sdk::ModelRequest& request) {
    using Options = torch::nn::Conv2dOptions;
    first = register_module("first", torch::nn::Conv2d(Options(request.in_channels, params.width, 5).padding(2)));
    norm = register_module("norm", torch::nn::BatchNorm2d(params.width));
    second = register_module("second", torch::nn::Conv2d(Options(params.width, request.n_classes, 5).padding(2)));
  }

  torch::Tensor forward(torch::Tensor image) { return second(torch::relu(norm(first(image)))); }

  torch::nn::Conv2d first{nullptr}, second{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
};

}  // namespace

OSTEON_PLUGIN("two_convolutions", "1.0.0",
              osteon::sdk::torch_model<TwoConvolutions>({"two_convolutions", "1.0.0", "Two 5x5 convolutions."}))
