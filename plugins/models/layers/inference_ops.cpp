// SPDX-License-Identifier: Apache-2.0
#include "inference_ops.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <osteon/sdk/torch/compat.hpp>

#include "depthwise.hpp"
#include "kernels.hpp"

namespace osteon::layers {
namespace {

/// About what a core's second-level cache and its share of the third hold; also small enough that the C library's
/// allocator gives the same memory again instead of fresh pages.
constexpr std::int64_t kFloatsAtOnce = std::int64_t{1} << 20;
constexpr std::int64_t kPixelsThatPayForPacking = 1024;

at::Tensor one_dnn(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef padding,
                   at::IntArrayRef stride, std::int64_t groups) {
  // Called by name: conv2d would go to the BLAS for one thread and small images.
  return at::mkldnn_convolution(x, weight, bias, padding, stride, /*dilation=*/{1, 1}, groups);
}

/// A grouped 1x1 convolution of rows [P, C]: P pixels in one line. [P, O]
at::Tensor one_by_one(const at::Tensor& rows, const at::Tensor& weight, const at::Tensor& bias, std::int64_t groups) {
  const at::Tensor line = rows.unsqueeze(0).unsqueeze(0).permute({0, 3, 1, 2});
  const at::Tensor out = one_dnn(line, weight, bias, {0, 0}, {1, 1}, groups);
  return out.permute({0, 2, 3, 1}).contiguous().view({rows.size(0), weight.size(0)});
}

/// [M, C] to the weights of a 1x1 convolution in `heads` groups that gives q k^T: [heads * M, d, 1, 1].
at::Tensor keys_as_weights(const at::Tensor& k, std::int64_t heads) {
  return k.view({k.size(0), heads, -1}).permute({1, 0, 2}).contiguous().view({heads * k.size(0), -1, 1, 1});
}

/// [M, C] to the weights of a 1x1 convolution in `heads` groups that gives attention * v: [C, M, 1, 1].
at::Tensor values_as_weights(const at::Tensor& v) { return v.t().contiguous().view({v.size(1), v.size(0), 1, 1}); }

}  // namespace

bool own_kernels_apply(const at::Tensor& image) {
  return image.device().is_cpu() && image.scalar_type() == at::kFloat && !at::GradMode::is_enabled() &&
         at::hasMKLDNN() && at::globalContext().userEnabledMkldnn() && !sdk::compat::autocast_type(at::kCPU) &&
         !torch::jit::tracer::isTracing();
}

at::Tensor to_channels_last(const at::Tensor& image) { return image.permute({0, 2, 3, 1}).contiguous(); }

at::Tensor convolve(const torch::nn::Conv2dImpl& layer, const at::Tensor& image) {
  const auto& options = layer.options;
  const auto& padding = *sdk::compat::get_if<torch::ExpandingArray<2>>(&options.padding());
  const at::Tensor out =
      one_dnn(to_channels_first(image), layer.weight.contiguous(at::MemoryFormat::ChannelsLast), layer.bias,
              at::IntArrayRef(*padding), at::IntArrayRef(*options.stride()), options.groups());
  return to_channels_last(out);
}

at::Tensor convolve(const at::Tensor& image, const at::Tensor& weight, std::int64_t padding) {
  return convolve(image, weight, padding, padding);
}

at::Tensor convolve(const at::Tensor& image, const at::Tensor& weight, std::int64_t row_padding,
                    std::int64_t column_padding) {
  return to_channels_last(one_dnn(to_channels_first(image), weight.contiguous(at::MemoryFormat::ChannelsLast), {},
                                  {row_padding, column_padding}, {1, 1}, 1));
}

at::Tensor project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t in = weight.size(1), out = weight.size(0);
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return one_by_one(x.reshape({-1, in}), weight.view({out, in, 1, 1}), bias, 1).view(shape);
}

at::Tensor normalise(const torch::nn::LayerNormImpl& layer, const at::Tensor& x) {
  at::Tensor y = at::empty_like(x);
  kernels::layer_norm(x.data_ptr<float>(), x.numel() / x.size(-1), x.size(-1), layer.weight.data_ptr<float>(),
                      layer.bias.data_ptr<float>(), static_cast<float>(layer.options.eps()), y.data_ptr<float>(),
                      at::get_num_threads());
  return y;
}

void normalise_(const torch::nn::LayerNormImpl& layer, at::Tensor& x) {
  kernels::layer_norm(x.data_ptr<float>(), x.numel() / x.size(-1), x.size(-1), layer.weight.data_ptr<float>(),
                      layer.bias.data_ptr<float>(), static_cast<float>(layer.options.eps()), x.data_ptr<float>(),
                      at::get_num_threads());
}

void gelu_(at::Tensor& x) { kernels::gelu(x.data_ptr<float>(), x.numel(), at::get_num_threads()); }

void add_scaled_(at::Tensor& y, const at::Tensor& x, const at::Tensor& scale) {
  kernels::add_scaled(x.data_ptr<float>(), x.numel() / x.size(-1), x.size(-1),
                      scale.defined() ? scale.data_ptr<float>() : nullptr, y.data_ptr<float>(), at::get_num_threads());
}

void norm_relu_(const torch::nn::BatchNorm2dImpl& norm, at::Tensor& x, const at::Tensor& bias) {
  const at::Tensor scale = norm.weight * (norm.running_var + norm.options.eps()).rsqrt();
  const at::Tensor mean = bias.defined() ? norm.running_mean - bias : norm.running_mean;
  const at::Tensor shift = norm.bias - mean * scale;
  kernels::affine_relu(x.data_ptr<float>(), x.numel() / x.size(-1), x.size(-1), scale.data_ptr<float>(),
                       shift.data_ptr<float>(), at::get_num_threads());
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads) {
  const std::int64_t queries = q.size(1), keys = k.size(1);
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(q.size(2) / heads)));
  const std::int64_t block = std::clamp<std::int64_t>(kFloatsAtOnce / (heads * keys), 16, queries);
  at::Tensor out = at::empty_like(q);
  for (std::int64_t n = 0; n < q.size(0); ++n) {
    const at::Tensor key_weights = keys_as_weights(k[n], heads), value_weights = values_as_weights(v[n]);
    for (std::int64_t first = 0; first < queries; first += block) {
      const std::int64_t count = std::min(block, queries - first);
      const at::Tensor scores = one_by_one(q[n].narrow(0, first, count), key_weights, {}, heads);
      kernels::softmax(scores.data_ptr<float>(), count * heads, keys, scale, at::get_num_threads());
      out[n].narrow(0, first, count).copy_(one_by_one(scores, value_weights, {}, heads));
    }
  }
  return out;
}

void add_upsampled_(at::Tensor& fine, const at::Tensor& coarse, std::int64_t begin, std::int64_t height) {
  kernels::Upsampled source;
  source.maps[0] = coarse.data_ptr<float>();
  source.height = coarse.size(0);
  source.width = coarse.size(1);
  source.channels = coarse.size(2);
  kernels::add_upsampled(source, height, fine.size(1), begin, begin + fine.size(0), fine.data_ptr<float>(),
                         at::get_num_threads());
}

void add_convolved_upsampled_(at::Tensor& fine, const at::Tensor& coarse, const at::Tensor& weight) {
  for (std::int64_t n = 0; n < fine.size(0); ++n) {
    at::Tensor image = fine[n];
    add_convolved_upsampled_(image, coarse[n], weight, 0, image.size(0));
  }
}

void add_convolved_upsampled_(at::Tensor& fine, const at::Tensor& coarse, const at::Tensor& weight, std::int64_t begin,
                              std::int64_t height) {
  const std::int64_t end = begin + fine.size(0), width = fine.size(1), channels = fine.size(2);
  kernels::Upsampled source;
  source.taps = 3;
  source.height = coarse.size(0);
  source.width = coarse.size(1);
  source.channels = channels;
  const at::Tensor taps = weight.permute({2, 3, 0, 1}).contiguous().view({9, channels, coarse.size(2)});
  // As many coarse rows as suit, in rows of the fine grid.
  const std::int64_t coarse_rows = rows_at_once(source.height, source.width, source.width * channels);
  const std::int64_t band = std::max<std::int64_t>(1, coarse_rows * height / source.height);
  for (std::int64_t top = begin; top < end; top += band) {
    const std::int64_t bottom = std::min(end, top + band);
    const auto [first, last] = kernels::coarse_rows(top, bottom, height, source.height, source.taps);
    const at::Tensor rows = coarse.narrow(0, first, last - first);
    std::array<at::Tensor, 9> maps;
    for (std::size_t tap = 0; tap < maps.size(); ++tap) {
      maps[tap] = project(rows, taps[static_cast<std::int64_t>(tap)]);
      source.maps[tap] = maps[tap].data_ptr<float>();
    }
    source.first_row = first;
    at::Tensor out = fine.narrow(0, top - begin, bottom - top);
    kernels::add_upsampled(source, height, width, top, bottom, out.data_ptr<float>(), at::get_num_threads());
  }
}

at::Tensor convolve_depthwise(const at::Tensor& image, const at::Tensor& weight, std::int64_t dilation) {
  const std::int64_t height = image.size(1), width = image.size(2), channels = image.size(3);
  const at::Tensor taps = weight.view({channels, 9}).t().contiguous();
  const kernels::DepthwiseShape shape{3, /*stride=*/1, dilation, /*before=*/dilation, width};
  at::Tensor out = at::empty_like(image);
  for (std::int64_t n = 0; n < image.size(0); ++n)
    kernels::convolve_depthwise({image[n].data_ptr<float>(), 0, height, width, channels}, 0, height, shape,
                                taps.data_ptr<float>(), {}, out[n].data_ptr<float>(), /*sums=*/nullptr,
                                at::get_num_threads());
  return out;
}

at::Tensor convolve_depthwise(const at::Tensor& rows, std::int64_t first, std::int64_t height, std::int64_t begin,
                              std::int64_t end, const at::Tensor& weight) {
  const std::int64_t width = rows.size(1), channels = rows.size(2);
  const at::Tensor taps = weight.view({channels, 9}).t().contiguous();
  at::Tensor out = at::empty({end - begin, width, channels}, rows.options());
  const kernels::DepthwiseShape shape{3, /*stride=*/1, /*dilation=*/1, /*before=*/1, width};
  kernels::convolve_depthwise({rows.data_ptr<float>(), first, height, width, channels}, begin, end, shape,
                              taps.data_ptr<float>(), {}, out.data_ptr<float>(), /*sums=*/nullptr,
                              at::get_num_threads());
  return out;
}

void resize_corners_into(at::Tensor& out, const at::Tensor& coarse, std::int64_t begin, std::int64_t height) {
  const kernels::ImageRows source{coarse.data_ptr<float>(), 0, coarse.size(0), coarse.size(1), coarse.size(2)};
  kernels::resize_corners(source, height, out.size(1), begin, begin + out.size(0), out.data_ptr<float>(), out.size(2),
                          at::get_num_threads());
}

std::int64_t rows_at_once(std::int64_t rows, std::int64_t pixels_per_row, std::int64_t floats_per_row) {
  const std::int64_t in_cache = kFloatsAtOnce / std::max<std::int64_t>(1, floats_per_row);
  const std::int64_t for_packing = (kPixelsThatPayForPacking + pixels_per_row - 1) / pixels_per_row;
  return std::clamp<std::int64_t>(std::max(in_cache, for_packing), 1, rows);
}

}  // namespace osteon::layers
