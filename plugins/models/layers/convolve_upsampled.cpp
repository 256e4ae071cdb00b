// SPDX-License-Identifier: Apache-2.0
#include "convolve_upsampled.hpp"

#include <array>
#include <vector>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/grad_mode.h>

namespace osteon::layers {
namespace {

/// The middle tap first: it reaches every pixel, so that the others have something to be added to.
constexpr std::array<std::int64_t, 3> kTaps = {1, 0, 2};
constexpr std::int64_t kMiddle = 1;

/// y[i] += x[i + by] along `dim` wherever both exist; `by` is -1 or 1.
void add_moved_(at::Tensor& y, const at::Tensor& x, std::int64_t dim, std::int64_t by) {
  const std::int64_t count = y.size(dim) - 1;
  y.narrow(dim, by < 0 ? 1 : 0, count).add_(x.narrow(dim, by < 0 ? 0 : 1, count));
}

/// What add_moved_ makes of a gradient: the same moved back, zeros where nothing was taken from.
at::Tensor moved_back(const at::Tensor& grad, std::int64_t dim, std::int64_t by) {
  const std::int64_t count = grad.size(dim) - 1;
  at::Tensor result = at::empty_like(grad);
  result.select(dim, by < 0 ? count : 0).zero_();
  result.narrow(dim, by < 0 ? 0 : 1, count).copy_(grad.narrow(dim, by < 0 ? 1 : 0, count));
  return result;
}

at::Tensor resize(const at::Tensor& x, std::int64_t height, std::int64_t width) {
  return at::upsample_bilinear2d(x, {height, width}, /*align_corners=*/false);
}

at::Tensor resize_back(const at::Tensor& grad, std::int64_t height, std::int64_t width) {
  return at::upsample_bilinear2d_backward(grad, {grad.size(2), grad.size(3)},
                                          {grad.size(0), grad.size(1), height, width}, /*align_corners=*/false);
}

/// Map [3 * dy + dx] of [N, 9 O, h, w], which is what the kernel's tap (dy, dx) made of the coarse image.
at::Tensor map_of(const at::Tensor& maps, std::int64_t dy, std::int64_t dx) {
  const std::int64_t channels = maps.size(1) / 9;
  return maps.narrow(1, (3 * dy + dx) * channels, channels);
}

/// The sum of the nine maps, each resized and moved to its tap's place. The resize is separable: columns are done while
/// there are few rows, and three maps are left for the fine grid.
at::Tensor spread(const at::Tensor& maps, std::int64_t factor) {
  const std::int64_t height = maps.size(2), width = factor * maps.size(3);
  at::Tensor out;
  for (const std::int64_t dy : kTaps) {
    at::Tensor rows;
    for (const std::int64_t dx : kTaps) {
      const at::Tensor wide = resize(map_of(maps, dy, dx), height, width);
      if (dx == kMiddle)
        rows = wide;
      else
        add_moved_(rows, wide, 3, dx - kMiddle);
    }
    const at::Tensor tall = resize(rows, factor * height, width);
    if (dy == kMiddle)
      out = tall;
    else
      add_moved_(out, tall, 2, dy - kMiddle);
  }
  return out;
}

/// spread() is linear: its gradient needs nothing of what it saw.
at::Tensor gather(const at::Tensor& grad, std::int64_t factor) {
  const std::int64_t height = grad.size(2) / factor, width = grad.size(3) / factor;
  at::Tensor maps =
      at::empty({grad.size(0), 9 * grad.size(1), height, width}, grad.options(), grad.suggest_memory_format());
  for (const std::int64_t dy : kTaps) {
    const at::Tensor tall = dy == kMiddle ? grad : moved_back(grad, 2, dy - kMiddle);
    const at::Tensor rows = resize_back(tall, height, grad.size(3));
    for (const std::int64_t dx : kTaps)
      map_of(maps, dy, dx).copy_(resize_back(dx == kMiddle ? rows : moved_back(rows, 3, dx - kMiddle), height, width));
  }
  return maps;
}

class Spread : public torch::autograd::Function<Spread> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& maps, std::int64_t factor) {
    context->saved_data["factor"] = factor;
    context->saved_data["dtype"] = static_cast<std::int64_t>(maps.scalar_type());
    return spread(maps, factor);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto dtype = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
    return {gather(grads[0], context->saved_data["factor"].toInt()).to(dtype), at::Tensor()};
  }
};

}  // namespace

at::Tensor convolve_upsampled(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              std::int64_t factor) {
  const std::int64_t out = weight.size(0), in = weight.size(1);
  const at::Tensor taps = weight.permute({2, 3, 0, 1}).reshape({9 * out, in, 1, 1});
  at::Tensor biases;
  if (bias.defined()) {
    // Resizing leaves a constant as it is, and the middle tap reaches every pixel: that is where the bias goes in.
    const at::Tensor none = at::zeros({4 * out}, bias.options());
    biases = at::cat({none, bias, none});
  }
  const at::Tensor maps = at::conv2d(x, taps, biases);
  return at::GradMode::is_enabled() ? Spread::apply(maps, factor) : spread(maps, factor);
}

}  // namespace osteon::layers
