// SPDX-License-Identifier: Apache-2.0
// The operations that the self-test of kernels runs.
#include <cmath>

#include <ATen/core/TensorBody.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>

#include "engine/kernel_test.hpp"

namespace osteon::engine {
namespace {

std::string kind_of(const ConvolutionShape& s) {
  std::string text = fmt::format("{0}x{0} ", s.kernel);
  if (s.stride > 1) text += fmt::format("stride {} ", s.stride);
  if (s.dilation > 1) text += "dilated ";
  if (s.groups == s.in && s.groups == s.out)
    text += "depthwise ";
  else if (s.groups > 1)
    text += fmt::format("{}-group ", s.groups);
  return text;
}

std::vector<std::int64_t> near_shape(const ConvolutionShape& s) {
  return {s.batch, s.out, s.out_height(), s.out_width()};
}
std::vector<std::int64_t> far_shape(const ConvolutionShape& s) { return {s.batch, s.in, s.height, s.width}; }
std::vector<std::int64_t> weight_shape(const ConvolutionShape& s) {
  return {s.out, s.in / s.groups, s.kernel, s.kernel};
}

std::vector<Operand> layer(const char* input, std::vector<std::int64_t> shape, std::vector<std::int64_t> weights,
                           std::int64_t biases) {
  return {{input, std::move(shape)}, {"weights", std::move(weights), true}, {"bias", {biases}, true}};
}

KernelCase convolution(const ConvolutionShape& s) {
  KernelCase kernel;
  kernel.operation =
      fmt::format("{}convolution of {} to {} channels, {} x {}", kind_of(s), s.in, s.out, s.height, s.width);
  kernel.operands = layer("image", far_shape(s), weight_shape(s), s.out);
  kernel.output = near_shape(s);
  kernel.run = [s](const std::vector<at::Tensor>& x) {
    return at::conv2d(x[0], x[1], x[2], s.stride, s.padding, s.dilation, s.groups);
  };
  kernel.expect = [s](const auto& operands, const auto& cotangent) {
    return expect_convolution(s, operands, cotangent);
  };
  return kernel;
}

// `s` is the convolution that is transposed: from its output to its input.
KernelCase transposed(const ConvolutionShape& s) {
  KernelCase kernel;
  kernel.operation = fmt::format("{}transposed convolution of {} to {} channels, {} x {}", kind_of(s), s.out, s.in,
                                 s.out_height(), s.out_width());
  kernel.operands = layer("image", near_shape(s), weight_shape(s), s.in);
  kernel.output = far_shape(s);
  kernel.run = [s](const std::vector<at::Tensor>& x) {
    return at::conv_transpose2d(x[0], x[1], x[2], s.stride, s.padding, /*output_padding=*/0, s.groups, s.dilation);
  };
  kernel.expect = [s](const auto& operands, const auto& cotangent) {
    return expect_transposed(s, operands, cotangent);
  };
  return kernel;
}

// A linear layer is a 1x1 convolution of maps of one pixel.
KernelCase linear(std::int64_t rows, std::int64_t in, std::int64_t out) {
  KernelCase kernel;
  kernel.operation = fmt::format("linear layer of {} to {} channels, {} rows", in, out, rows);
  kernel.operands = layer("rows", {rows, in}, {out, in}, out);
  kernel.output = {rows, out};
  kernel.run = [](const std::vector<at::Tensor>& x) { return at::linear(x[0], x[1], x[2]); };
  kernel.expect = [=](const auto& operands, const auto& cotangent) {
    return expect_convolution({rows, in, out, 1, 1, /*kernel=*/1, 1, /*padding=*/0}, operands, cotangent);
  };
  return kernel;
}

KernelCase batch_normalisation(std::int64_t batch, std::int64_t channels, std::int64_t height, std::int64_t width) {
  KernelCase kernel;
  const NormalisationShape shape{batch, channels, height * width, /*by_channel=*/true};
  kernel.operation = fmt::format("batch normalisation of {} channels, {} x {}", channels, height, width);
  kernel.output = {batch, channels, height, width};
  kernel.operands = layer("image", kernel.output, {channels}, channels);
  kernel.run = [shape](const std::vector<at::Tensor>& x) {
    return at::batch_norm(x[0], x[1], x[2], {}, {}, /*training=*/true, /*momentum=*/0.1, shape.epsilon,
                          /*cudnn_enabled=*/false);
  };
  kernel.expect = [shape](const auto& operands, const auto& cotangent) {
    return expect_normalisation(shape, operands, cotangent);
  };
  return kernel;
}

// On the CPU models compute it in float32 whatever comes in, for LibTorch 1.13 has no other with float32 weights.
KernelCase layer_normalisation(std::int64_t rows, std::int64_t channels) {
  KernelCase kernel;
  const NormalisationShape shape{rows, channels, 1, /*by_channel=*/false};
  kernel.operation = fmt::format("layer normalisation of {} channels, {} rows", channels, rows);
  kernel.output = {rows, channels};
  kernel.operands = layer("rows", kernel.output, {channels}, channels);
  kernel.run = [channels, shape](const std::vector<at::Tensor>& x) {
    return at::layer_norm(x[0].to(x[1].scalar_type()), {channels}, x[1], x[2], shape.epsilon);
  };
  kernel.expect = [shape](const auto& operands, const auto& cotangent) {
    return expect_normalisation(shape, operands, cotangent);
  };
  return kernel;
}

KernelCase attention_of(const AttentionShape& s) {
  KernelCase kernel;
  kernel.operation = fmt::format("attention of {} queries to {} keys, width {}", s.queries, s.keys, s.width);
  kernel.output = {s.heads, s.queries, s.width};
  kernel.operands = {
      {"queries", kernel.output}, {"keys", {s.heads, s.keys, s.width}}, {"values", {s.heads, s.keys, s.width}}};
  kernel.run = [s](const std::vector<at::Tensor>& x) {
    const at::Tensor scores = at::bmm(x[0].mul(1 / std::sqrt(static_cast<double>(s.width))), x[1].transpose(1, 2));
    return at::bmm(scores.softmax(-1), x[2]);
  };
  kernel.expect = [s](const auto& operands, const auto& cotangent) { return expect_attention(s, operands, cotangent); };
  return kernel;
}

std::vector<KernelCase> make_cases() {
  std::vector<KernelCase> cases;
  // {batch, in, out, height, width, kernel, stride, padding, dilation, groups}
  for (const ConvolutionShape& shape : std::initializer_list<ConvolutionShape>{
           {2, 32, 32, 16, 16},           // square
           {1, 32, 16, 24, 32},           // wide
           {1, 32, 16, 32, 24},           // high
           {1, 16, 16, 3, 704},           // oneDNN 2.6.3 with AMX sums the weights' gradients up by blocks of rows, and
           {1, 3, 3, 192, 256},           // by the size of a map these may be single ones, with which it goes wrong
           {1, 8, 8, 48, 64},             // the sizes of a U-Net's levels at 192 x 256
           {1, 64, 64, 12, 16},           //
           {2, 64, 64, 6, 8},             //
           {1, 128, 96, 6, 8},            //
           {2, 13, 29, 15, 22},           // channels that fill no vector
           {2, 3, 16, 24, 32, 7, 2, 3},   // a ResNet's stem
           {1, 24, 40, 31, 23, 3, 2},     // its stages' first
           {1, 32, 64, 24, 32, 1, 2, 0},  // and the shortcuts beside
           {1, 35, 29, 24, 32, 1, 1, 0},  // the last layer of 29 classes
           {1, 64, 64, 12, 12, 1, 1, 0},  //
           {1, 24, 24, 20, 28, 3, 1, 2, 2},      // DeepLabV3+'s
           {2, 40, 40, 24, 32, 3, 1, 1, 1, 40},  // depthwise, EfficientNet's and SegFormer's
           {1, 33, 33, 17, 17, 5, 2, 2, 1, 33},  //
           {2, 48, 24, 12, 16, 3, 1, 1, 1, 3},   // in groups, ResNeXt's
       })
    cases.push_back(convolution(shape));
  for (const ConvolutionShape& shape : std::initializer_list<ConvolutionShape>{
           {1, 16, 32, 24, 32, 2, 2, 0}, {1, 32, 32, 16, 16, 2, 2, 0}, {2, 13, 17, 20, 28, 4, 2, 1}})
    cases.push_back(transposed(shape));
  cases.push_back(linear(96, 64, 128));
  cases.push_back(linear(75, 33, 29));
  cases.push_back(batch_normalisation(2, 32, 24, 32));
  cases.push_back(batch_normalisation(2, 29, 12, 12));
  cases.push_back(layer_normalisation(96, 64));
  cases.push_back(layer_normalisation(75, 33));
  cases.push_back(attention_of({2, 64, 64, 32}));
  cases.push_back(attention_of({3, 77, 35, 29}));
  return cases;
}

}  // namespace

const std::vector<KernelCase>& kernel_cases() {
  static const std::vector<KernelCase> kCases = make_cases();
  return kCases;
}

}  // namespace osteon::engine
