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

#include <osteon/sdk/torch/guards.hpp>

#include "layers/depthwise.hpp"
#include "layers/gemm.hpp"
#include "layers/inference_depthwise.hpp"
#include "layers/inference_ops.hpp"
#include "layers/inference_transposed.hpp"
#include "layers/winograd.hpp"
#include "support/rounding.hpp"

namespace osteon::layers {
namespace {

namespace nn = torch::nn;

using Sizes = std::vector<std::int64_t>;

at::Tensor activated(const at::Tensor& x, Activation activation) {
  if (activation == Activation::kNone) return x;
  return activation == Activation::kRelu ? at::relu(x) : at::silu(x);
}

at::Tensor reference(nn::Conv2d& conv, nn::BatchNorm2d& norm, const std::vector<ConvInput>& inputs,
                     Activation activation, const at::Tensor& residual) {
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
  return to_channels_last(activated(y, activation));
}

double relative_difference(const at::Tensor& got, const at::Tensor& wanted) {
  return ((got - wanted).abs().max() / (wanted.max() - wanted.min())).item<double>();
}

/// Of a convolution, whose values are sums over `terms` products. Winograd's adds some 36 of such sums up again, with
/// factors up to 8.
double tolerance_of(const nn::Conv2dImpl& conv) {
  return test::rounding(static_cast<double>(conv.weight.numel() / conv.weight.size(0)), 64);
}

struct Case {
  nn::Conv2dOptions options;
  Sizes inputs;  ///< channels
  std::int64_t images, height, width;
  bool doubled, norm;
  Activation activation;
  bool residual;
};

nn::Conv2dOptions conv3(std::int64_t in, std::int64_t out, std::int64_t dilation = 1, std::int64_t stride = 1) {
  return nn::Conv2dOptions(in, out, 3).padding(dilation).dilation(dilation).stride(stride).bias(false);
}

std::vector<Case> cases() {
  constexpr Activation kNone = Activation::kNone, kRelu = Activation::kRelu, kSwish = Activation::kSwish;
  const auto conv1 = [](std::int64_t in, std::int64_t out) { return nn::Conv2dOptions(in, out, 1); };
  return {
      // Winograd: whole tiles, cut ones, none that is whole; whole Lanes and cut ones; several depths; one and many
      // tiles
      {conv3(32, 32), {32}, 1, 16, 24, false, true, kRelu, false},
      {conv3(3, 5), {3}, 2, 9, 7, false, false, kNone, false},
      {conv3(48, 37), {48}, 1, 1, 3, false, true, kNone, true},
      {conv3(600, 100), {600}, 1, 12, 20, false, true, kRelu, true},
      {conv3(16, 16), {16}, 1, 130, 94, false, true, kRelu, false},
      {conv3(40, 29, 2), {40}, 2, 21, 30, false, true, kRelu, true},
      {conv3(17, 16, 4), {17}, 1, 15, 17, false, true, kNone, false},
      {conv3(8, 8, 5), {8}, 1, 3, 4, false, true, kNone, false},
      {conv3(64, 24), {40, 24}, 1, 20, 28, true, true, kRelu, false},
      {conv3(700, 33), {500, 33, 20, 147}, 2, 8, 10, true, true, kRelu, true},
      // matrix products
      {conv1(24, 40), {24}, 2, 13, 11, false, true, kRelu, true},
      {conv1(512, 29).bias(true), {512}, 1, 9, 20, false, false, kNone, false},
      {conv1(256, 70).stride(2).bias(false), {256}, 2, 10, 7, false, true, kNone, false},
      {conv1(3, 64), {3}, 1, 1, 1, false, true, kRelu, false},
      // patches
      {conv3(20, 30, 1, 2), {20}, 2, 11, 14, false, true, kRelu, true},
      {nn::Conv2dOptions(3, 16, 7).stride(2).padding(3).bias(false), {3}, 1, 40, 24, false, true, kRelu, false},
      {conv3(30, 12, 2, 2), {10, 20}, 1, 8, 12, true, true, kNone, false},
      {nn::Conv2dOptions(5, 18, 5).padding(2), {5}, 2, 23, 19, false, false, kSwish, true},
      {nn::Conv2dOptions(9, 7, {1, 3}).padding({0, 1}).stride({2, 1}).bias(false),
       {9},
       1,
       7,
       5,
       false,
       true,
       kRelu,
       false},
      {nn::Conv2dOptions(9, 20, 3).padding(1).dilation(2), {9}, 1, 6, 7, false, false, kNone, false},
      {conv1(32, 20), {20, 12}, 1, 30, 22, true, true, kSwish, true},
      {conv1(2048, 40), {2048}, 1, 15, 14, false, true, kRelu, false},
      {conv1(40, 40), {40}, 1, 100, 70, false, true, kSwish, true},
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
    at::Tensor wanted = reference(conv, norm, inputs, Activation::kNone, residual);
    if (c.residual) residual = at::randn(wanted.sizes());
    wanted = reference(conv, norm, inputs, c.activation, residual);
    const InferenceConv layer(conv, norm, c.inputs);
    for (const int threads : {1, 2, 3}) {
      const int before = at::get_num_threads();
      at::set_num_threads(threads);
      const at::Tensor got = layer(inputs, c.activation, residual);
      at::set_num_threads(before);
      ASSERT_EQ(got.sizes(), wanted.sizes());
      EXPECT_TRUE(got.is_contiguous());
      EXPECT_LE(relative_difference(got, wanted), tolerance_of(*conv)) << threads << " threads";
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
    const at::Tensor one = layer(x, Activation::kRelu);
    at::set_num_threads(4);
    EXPECT_TRUE(layer(x, Activation::kRelu).equal(one));
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
        result = layer(x, Activation::kNone);
      });
    for (std::thread& thread : threads) thread.join();
    for (const at::Tensor& result : results) EXPECT_TRUE(result.equal(results[0]));
    const c10::InferenceMode inference;
    norm->running_mean.add_(1);
    EXPECT_TRUE(layer(x, Activation::kNone).equal(results[0])) << "it has not been told";
    layer.forget();
    EXPECT_LE(
        relative_difference(layer(x, Activation::kNone), reference(conv, norm, {{x, false}}, Activation::kNone, {})),
        tolerance_of(*conv));
  }
}

TEST(InferenceConv, HidesNoNaN) {
  const c10::InferenceMode inference;
  at::Tensor x = at::ones({1, 16, 16, 16});
  x[0][9][6][3] = std::numeric_limits<float>::quiet_NaN();
  for (const nn::Conv2dOptions& options : {conv3(16, 20), nn::Conv2dOptions(16, 20, 1), conv3(16, 20, 1, 2)}) {
    const std::int64_t stride = options.stride()->at(0);
    EXPECT_TRUE(
        InferenceConv{nn::Conv2d(options)}(x, Activation::kRelu)[0][9 / stride][6 / stride].isnan().all().item<bool>());
  }
}

TEST(InferenceConv, GivesPlanes) {
  torch::manual_seed(8);
  const c10::InferenceMode inference;
  for (const nn::Conv2dOptions& options : {conv3(16, 29).bias(true), nn::Conv2dOptions(16, 29, 1)})
    for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{20, 32}, {5, 7}, {1, 1}}) {
      nn::Conv2d conv(options);
      nn::BatchNorm2d norm(nullptr);
      const at::Tensor x = at::randn({2, height, width, 16});
      const at::Tensor got = InferenceConv(conv).planes(x);
      EXPECT_TRUE(got.is_contiguous());
      const at::Tensor wanted = reference(conv, norm, {{x, false}}, Activation::kNone, {});
      EXPECT_LE(relative_difference(got, to_channels_first(wanted)), tolerance_of(*conv));
    }
}

TEST(InferenceConv, WeighsChannelsOfEachImage) {
  torch::manual_seed(9);
  const c10::InferenceMode inference;
  for (const std::int64_t channels : {24, 1024}) {
    nn::Conv2d conv(nn::Conv2dOptions(channels, 21, 1));
    nn::BatchNorm2d norm(21);
    norm->running_var.uniform_(0.5, 1.5);
    norm->eval();
    const at::Tensor x = at::randn({2, 9, 7, channels}), factors = at::rand({2, channels});
    const at::Tensor residual = at::randn({2, 9, 7, 21});
    for (const at::Tensor& added : {at::Tensor(), residual}) {
      const at::Tensor got = InferenceConv(conv, norm).weighed(x, factors, added);
      const at::Tensor weighed = x * factors.view({2, 1, 1, channels});
      EXPECT_LE(relative_difference(got, reference(conv, norm, {{weighed, false}}, Activation::kNone, added)),
                tolerance_of(*conv));
    }
  }
}

TEST(InferenceConv, TakesPaddingInPlaceOfTheLayers) {
  torch::manual_seed(10);
  const c10::InferenceMode inference;
  nn::BatchNorm2d norm(nullptr);
  for (const std::int64_t stride : {1, 2}) {
    nn::Conv2d conv(nn::Conv2dOptions(6, 10, 3).stride(stride));
    const at::Tensor x = at::randn({1, 12, 9, 6});
    const at::Tensor padded = to_channels_last(at::constant_pad_nd(to_channels_first(x), {0, 1, 0, 1}));
    EXPECT_LE(relative_difference(InferenceConv(conv, nullptr, {}, Padding{0, 1})(x, Activation::kNone),
                                  reference(conv, norm, {{padded, false}}, Activation::kNone, {})),
              tolerance_of(*conv));
  }
}

TEST(InferenceConv, SwishesAsLibTorch) {
  const c10::InferenceMode inference;
  const at::Tensor x = at::linspace(-100, 100, 4001).view({1, 1, 4001, 1});
  nn::Conv2d conv(nn::Conv2dOptions(1, 1, 1).bias(false));
  conv->weight.fill_(1);
  const at::Tensor got = InferenceConv(conv)(x, Activation::kSwish), wanted = at::silu(x.to(at::kDouble));
  EXPECT_LE(((got - wanted).abs() / wanted.abs().clamp_min(1e-30)).max().item<double>(), test::rounding(128));
}

TEST(InferenceTransposed, GivesWhatTheLayerGives) {
  torch::manual_seed(11);
  const c10::InferenceMode inference;
  for (const auto& [in, out] : {std::pair<std::int64_t, std::int64_t>{24, 12}, {1024, 7}, {16, 32}})
    for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{5, 30}, {1, 1}}) {
      nn::ConvTranspose2d conv(nn::ConvTranspose2dOptions(in, out, 2).stride(2));
      const at::Tensor x = at::randn({2, height, width, in});
      InferenceTransposed layer(conv);
      const at::Tensor before = layer(x);
      EXPECT_LE(relative_difference(before, to_channels_last(conv(to_channels_first(x)))), test::rounding(in));
      conv->weight.mul_(2);
      EXPECT_TRUE(layer(x).equal(before)) << "it has not been told";
      layer.forget();
      EXPECT_LE(relative_difference(layer(x), to_channels_last(conv(to_channels_first(x)))), test::rounding(in));
    }
}

TEST(Gemm, BothWaysMultiply) {
  torch::manual_seed(4);
  for (const auto multiply_panel : {kernels::multiply_in_32_registers, kernels::multiply_in_16_registers})
    for (const std::int64_t rows : {1, 5, 12, 31})
      for (const std::int64_t k : {1, 40})
        for (const std::int64_t columns : {7, 16, 32})
          for (const bool add : {false, true}) {
            // Products of numbers up to 4.
            const at::Tensor a = at::randn({rows, k}), b = at::randn({k, columns});
            const std::int64_t width = kernels::padded(columns);
            at::Tensor panels = at::empty({k * width}), c = at::randn({rows, width});
            kernels::pack_panels(b.data_ptr<float>(), k, columns, columns, 1, panels.data_ptr<float>());
            at::Tensor wanted = at::matmul(a, b);
            if (add) wanted += c.narrow(1, 0, columns);
            multiply_panel(a.data_ptr<float>(), rows, k, k, panels.data_ptr<float>(), static_cast<int>(width / 16),
                           c.data_ptr<float>(), width, add);
            EXPECT_LE((c.narrow(1, 0, columns) - wanted).abs().max().item<double>(), 16 * test::rounding(k + 1))
                << rows << " " << k << " " << columns;
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
      EXPECT_LE(relative_difference(convolve_depthwise(x, weight, dilation), wanted), test::rounding(9));
      if (dilation > 1) continue;
      for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {4, 12}, {12, 13}}) {
        const std::int64_t first = std::max<std::int64_t>(0, begin - 1), last = std::min<std::int64_t>(13, end + 1);
        const at::Tensor rows = x[1].narrow(0, first, last - first).contiguous();
        EXPECT_LE(relative_difference(convolve_depthwise(rows, first, 13, begin, end, weight),
                                      wanted[1].narrow(0, begin, end - begin)),
                  test::rounding(9));
      }
    }
}

TEST(InferenceDepthwise, GivesWhatTheLayersGive) {
  torch::manual_seed(12);
  const c10::InferenceMode inference;
  const auto with_mean = [](const InferenceDepthwise& layer, const at::Tensor& x, const at::Tensor& wanted) {
    for (const int threads : {1, 3}) {
      const sdk::ThreadsGuard guard(threads);
      const InferenceDepthwise::Result got = layer(x, Activation::kSwish);
      // A sum, a normalisation, an exponential.
      const double tolerance = test::rounding(25, 4);
      EXPECT_LE(relative_difference(got.image, wanted), tolerance);
      EXPECT_LE(relative_difference(got.mean, wanted.mean({1, 2})), tolerance);
    }
  };
  for (const std::int64_t kernel : {3, 5})
    for (const std::int64_t stride : {1, 2})
      for (const std::int64_t dilation : {1, 2})
        for (const std::int64_t channels : {9, 16, 40})
          for (const Padding& zeros : {Padding{kernel / 2 * dilation, kernel / 2 * dilation}, Padding{0, 1}}) {
            nn::Conv2d conv(nn::Conv2dOptions(channels, channels, kernel)
                                .stride(stride)
                                .dilation(dilation)
                                .groups(channels)
                                .bias(false));
            nn::BatchNorm2d norm(channels);
            for (at::Tensor* t : {&norm->weight, &norm->bias, &norm->running_mean, &norm->running_var})
              t->uniform_(0.5, 1.5);
            norm->eval();
            const at::Tensor x = at::randn({2, 13, 10, channels});
            const at::Tensor padded =
                at::constant_pad_nd(to_channels_first(x), {zeros.before, zeros.after, zeros.before, zeros.after});
            with_mean(InferenceDepthwise(conv, norm, zeros), x, to_channels_last(at::silu(norm(conv(padded)))));
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
      EXPECT_LE((out.narrow(2, 0, 19) - wanted.narrow(0, begin, rows)).abs().max().item<double>(),
                test::rounding(28, 4) * coarse.abs().max().item<double>());
      EXPECT_EQ(out.narrow(2, 19, 6).abs().max().item<float>(), 0);
    }
  }
}

}  // namespace
}  // namespace osteon::layers
