// SPDX-License-Identifier: Apache-2.0
#include "layers/inference_conv.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "layers/depthwise.hpp"
#include "layers/gemm.hpp"
#include "layers/inference_ops.hpp"
#include "layers/winograd.hpp"

namespace osteon::layers {
namespace {

namespace nn = torch::nn;

using Sizes = std::vector<std::int64_t>;

at::Tensor reference(nn::Conv2d& conv, nn::BatchNorm2d& norm, const std::vector<ConvInput>& inputs, bool relu,
                     const at::Tensor& residual) {
  std::vector<at::Tensor> joined;
  for (const ConvInput& input : inputs) {
    at::Tensor image = to_channels_first(input.image).to(at::kDouble);
    if (input.doubled) image = image.repeat_interleave(2, 2).repeat_interleave(2, 3);
    joined.push_back(image);
  }
  conv->to(at::kDouble);
  at::Tensor y = conv(at::cat(joined, 1));
  conv->to(at::kFloat);
  if (!norm.is_empty()) {
    norm->to(at::kDouble);
    y = norm(y);
    norm->to(at::kFloat);
  }
  if (residual.defined()) y = y + to_channels_first(residual);
  return to_channels_last(relu ? at::relu(y) : y);
}

double relative_difference(const at::Tensor& got, const at::Tensor& wanted) {
  return ((got - wanted).abs().max() / (wanted.max() - wanted.min())).item<double>();
}

struct Case {
  nn::Conv2dOptions options;
  Sizes inputs;  ///< channels
  std::int64_t images, height, width;
  bool doubled, norm, relu, residual;
};

nn::Conv2dOptions conv3(std::int64_t in, std::int64_t out, std::int64_t dilation = 1, std::int64_t stride = 1) {
  return nn::Conv2dOptions(in, out, 3).padding(dilation).dilation(dilation).stride(stride).bias(false);
}

std::vector<Case> cases() {
  const auto conv1 = [](std::int64_t in, std::int64_t out) { return nn::Conv2dOptions(in, out, 1); };
  return {
      // Winograd: whole tiles, cut ones, none that is whole; whole Lanes and cut ones; several depths; one and many
      // tiles
      {conv3(32, 32), {32}, 1, 16, 24, false, true, true, false},
      {conv3(3, 5), {3}, 2, 9, 7, false, false, false, false},
      {conv3(48, 37), {48}, 1, 1, 3, false, true, false, true},
      {conv3(600, 100), {600}, 1, 12, 20, false, true, true, true},
      {conv3(16, 16), {16}, 1, 130, 94, false, true, true, false},
      {conv3(40, 29, 2), {40}, 2, 21, 30, false, true, true, true},
      {conv3(17, 16, 4), {17}, 1, 15, 17, false, true, false, false},
      {conv3(8, 8, 5), {8}, 1, 3, 4, false, true, false, false},
      {conv3(64, 24), {40, 24}, 1, 20, 28, true, true, true, false},
      {conv3(700, 33), {500, 33, 20, 147}, 2, 8, 10, true, true, true, true},
      // matrix products
      {conv1(24, 40), {24}, 2, 13, 11, false, true, true, true},
      {conv1(512, 29).bias(true), {512}, 1, 9, 20, false, false, false, false},
      {conv1(256, 70).stride(2).bias(false), {256}, 2, 10, 7, false, true, false, false},
      {conv1(3, 64), {3}, 1, 1, 1, false, true, true, false},
      // oneDNN
      {conv3(20, 30, 1, 2), {20}, 2, 11, 14, false, true, true, true},
      {nn::Conv2dOptions(3, 16, 7).stride(2).padding(3).bias(false), {3}, 1, 40, 24, false, true, true, false},
      {conv3(30, 12, 2, 2), {10, 20}, 1, 8, 12, true, true, false, false},
  };
}

TEST(InferenceConv, GivesWhatTheLayersGive) {
  torch::manual_seed(1);
  const c10::InferenceMode inference;
  std::size_t number = 0;
  for (const Case& c : cases()) {
    SCOPED_TRACE("case " + std::to_string(number++));
    nn::Conv2d conv(c.options);
    nn::BatchNorm2d norm(nullptr);
    if (c.norm) {
      norm = nn::BatchNorm2d(c.options.out_channels());
      for (at::Tensor* t : {&norm->weight, &norm->bias, &norm->running_mean, &norm->running_var}) t->uniform_(0.5, 1.5);
      norm->eval();
    }
    std::vector<ConvInput> inputs;
    for (const std::int64_t channels : c.inputs) {
      const bool doubled = c.doubled && inputs.empty();
      const std::int64_t share = doubled ? 2 : 1;
      inputs.push_back({at::randn({c.images, c.height / share, c.width / share, channels}), doubled});
    }
    at::Tensor residual;
    at::Tensor wanted = reference(conv, norm, inputs, false, residual);
    if (c.residual) residual = at::randn(wanted.sizes());
    wanted = reference(conv, norm, inputs, c.relu, residual);
    const InferenceConv layer(conv, norm, c.inputs);
    for (const int threads : {1, 2, 3}) {
      const int before = at::get_num_threads();
      at::set_num_threads(threads);
      const at::Tensor got = layer(inputs, c.relu, residual);
      at::set_num_threads(before);
      ASSERT_EQ(got.sizes(), wanted.sizes());
      EXPECT_TRUE(got.is_contiguous());
      EXPECT_LE(relative_difference(got, wanted), 2e-5) << threads << " threads";
    }
  }
}

TEST(InferenceConv, DoesNotDependOnTheNumberOfThreads) {
  torch::manual_seed(2);
  const c10::InferenceMode inference;
  const at::Tensor x = at::randn({1, 37, 53, 72});
  for (const nn::Conv2dOptions& options : {conv3(72, 50), nn::Conv2dOptions(72, 50, 1)}) {
    const InferenceConv layer{nn::Conv2d(options)};
    const int before = at::get_num_threads();
    at::set_num_threads(1);
    const at::Tensor one = layer(x, true);
    at::set_num_threads(4);
    EXPECT_TRUE(layer(x, true).equal(one));
    at::set_num_threads(before);
  }
}

TEST(InferenceConv, PreparesOnceForManyThreadsAndAnewAfterForget) {
  torch::manual_seed(3);
  const at::Tensor x = at::randn({1, 12, 12, 16});
  for (const nn::Conv2dOptions& options : {conv3(16, 8), nn::Conv2dOptions(16, 8, 1), conv3(16, 8, 1, 2)}) {
    nn::Conv2d conv(options);
    nn::BatchNorm2d norm(8);
    norm->eval();
    InferenceConv layer(conv, norm);
    std::vector<at::Tensor> results(4);
    std::vector<std::thread> threads;
    for (at::Tensor& result : results)
      threads.emplace_back([&] {
        const c10::InferenceMode inference;
        result = layer(x, false);
      });
    for (std::thread& thread : threads) thread.join();
    for (const at::Tensor& result : results) EXPECT_TRUE(result.equal(results[0]));
    const c10::InferenceMode inference;
    norm->running_mean.add_(1);
    EXPECT_TRUE(layer(x, false).equal(results[0])) << "it has not been told";
    layer.forget();
    EXPECT_LE(relative_difference(layer(x, false), reference(conv, norm, {{x, false}}, false, {})), 1e-5);
  }
}

TEST(InferenceConv, HidesNoNaN) {
  const c10::InferenceMode inference;
  at::Tensor x = at::ones({1, 16, 16, 16});
  x[0][9][6][3] = std::numeric_limits<float>::quiet_NaN();
  for (const nn::Conv2dOptions& options : {conv3(16, 20), nn::Conv2dOptions(16, 20, 1), conv3(16, 20, 1, 2)}) {
    const std::int64_t stride = options.stride()->at(0);
    EXPECT_TRUE(
        InferenceConv{nn::Conv2d(options)}(x, /*relu=*/true)[0][9 / stride][6 / stride].isnan().all().item<bool>());
  }
}

TEST(Gemm, BothWaysMultiply) {
  torch::manual_seed(4);
  for (const auto multiply_panel : {kernels::multiply_in_32_registers, kernels::multiply_in_16_registers})
    for (const std::int64_t rows : {1, 5, 12, 31})
      for (const std::int64_t k : {1, 40})
        for (const std::int64_t columns : {7, 16, 32})
          for (const bool add : {false, true}) {
            const at::Tensor a = at::randn({rows, k}), b = at::randn({k, columns});
            const std::int64_t width = kernels::padded(columns);
            at::Tensor panels = at::empty({k * width}), c = at::randn({rows, width});
            kernels::pack_panels(b.data_ptr<float>(), k, columns, columns, 1, panels.data_ptr<float>());
            at::Tensor wanted = at::matmul(a, b);
            if (add) wanted += c.narrow(1, 0, columns);
            multiply_panel(a.data_ptr<float>(), rows, k, k, panels.data_ptr<float>(), static_cast<int>(width / 16),
                           c.data_ptr<float>(), width, add);
            EXPECT_TRUE(c.narrow(1, 0, columns).allclose(wanted, 1e-5, 1e-5)) << rows << " " << k << " " << columns;
          }
}

TEST(Winograd, CountsTheTilesOfEveryDilatedGrid) {
  EXPECT_EQ((kernels::WinogradGrid{1, 16, 16, 1}.tiles()), 16);
  EXPECT_EQ((kernels::WinogradGrid{2, 17, 16, 1}.tiles()), 40);
  EXPECT_EQ((kernels::WinogradGrid{1, 32, 32, 2}.tiles()), 64);
}

TEST(Depthwise, ConvolvesEachChannelAlsoByRows) {
  torch::manual_seed(5);
  for (const std::int64_t channels : {5, 16, 39})
    for (const std::int64_t dilation : {1, 2, 9}) {
      const at::Tensor x = at::randn({2, 13, 8, channels}), weight = at::randn({channels, 1, 3, 3});
      const at::Tensor wanted =
          to_channels_last(at::conv2d(to_channels_first(x), weight, {}, 1, at::IntArrayRef({dilation, dilation}),
                                      at::IntArrayRef({dilation, dilation}), channels));
      EXPECT_TRUE(convolve_depthwise(x, weight, dilation).allclose(wanted, 1e-5, 1e-5));
      if (dilation > 1) continue;
      for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {4, 12}, {12, 13}}) {
        const std::int64_t first = std::max<std::int64_t>(0, begin - 1), last = std::min<std::int64_t>(13, end + 1);
        const at::Tensor rows = x[1].narrow(0, first, last - first).contiguous();
        EXPECT_TRUE(convolve_depthwise(rows, first, 13, begin, end, weight)
                        .allclose(wanted[1].narrow(0, begin, end - begin), 1e-5, 1e-5));
      }
    }
}

TEST(ResizeCorners, IsThatOfLibTorchByRows) {
  torch::manual_seed(6);
  for (const auto& size : {std::pair<std::int64_t, std::int64_t>{20, 28}, {5, 1}, {1, 9}}) {
    const at::Tensor coarse = at::randn({5, 7, 19});
    const at::Tensor wanted = to_channels_last(at::upsample_bilinear2d(
        to_channels_first(coarse.unsqueeze(0)).contiguous(), {size.first, size.second}, /*align_corners=*/true))[0];
    for (std::int64_t begin = 0; begin < size.first; begin += 3) {
      const std::int64_t rows = std::min<std::int64_t>(3, size.first - begin);
      at::Tensor out = at::zeros({rows, size.second, 25});
      resize_corners_into(out, coarse, begin, size.first);
      EXPECT_TRUE(out.narrow(2, 0, 19).allclose(wanted.narrow(0, begin, rows), 1e-5, 1e-5));
      EXPECT_EQ(out.narrow(2, 19, 6).abs().max().item<float>(), 0);
    }
  }
}

}  // namespace
}  // namespace osteon::layers
