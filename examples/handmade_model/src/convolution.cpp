// SPDX-License-Identifier: Apache-2.0
#include "convolution.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <osteon/sdk/parallel.hpp>

#include "lanes.hpp"

using osteon::sdk::Call;
using osteon::sdk::parallel_for;

namespace {

constexpr std::int64_t kTaps = 9;
constexpr std::int64_t kBlock = 4;    ///< output channels that are computed together: each x that is loaded serves four
constexpr std::int64_t kBand = 8192;  ///< pixels between two looks at whether the caller wants to stop; stays in cache
static_assert(Planes::kTile == 2 * kLanes && kBand % Planes::kTile == 0);

std::int64_t blocks_of(std::int64_t channels) { return (channels + kBlock - 1) / kBlock; }

/// How far the neighbour of each tap is, row by row.
std::array<std::int64_t, kTaps> shifts_of(const Planes& x) {
  std::array<std::int64_t, kTaps> shifts;
  for (std::int64_t t = 0; t < kTaps; ++t) shifts[static_cast<std::size_t>(t)] = (t / 3 - 1) * x.pitch() + t % 3 - 1;
  return shifts;
}

/// Weights as the kernel reads them, [block][in][tap][kBlock], with zeros where the last block has no channel.
template <class WeightOf>
std::vector<float> packed(std::int64_t out, std::int64_t in, WeightOf&& weight_of) {
  std::vector<float> weights(static_cast<std::size_t>(blocks_of(out) * in * kTaps * kBlock), 0.0f);
  for (std::int64_t o = 0; o < out; ++o)
    for (std::int64_t c = 0; c < in; ++c)
      for (std::int64_t t = 0; t < kTaps; ++t)
        weights[static_cast<std::size_t>(((o / kBlock * in + c) * kTaps + t) * kBlock + o % kBlock)] =
            weight_of(o, c, t);
  return weights;
}

/// y[b](p) = bias[b] + sum over c and t of weights[c][t][b] x[c](p + shifts[t]) for `count` pixels. Four channels times
/// sixteen pixels stay in registers for the whole sum.
OSTEON_MULTIVERSION void correlate(const float* x, std::int64_t stride, std::int64_t channels, const float* weights,
                                   const float* bias, const std::int64_t* shifts, std::int64_t count, float* const* y) {
  for (std::int64_t p = 0; p < count; p += Planes::kTile) {
    Lanes sum[kBlock][2];
    for (int b = 0; b < kBlock; ++b) sum[b][0] = sum[b][1] = Lanes{} + bias[b];
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t t = 0; t < kTaps; ++t) {
        const float* at = x + c * stride + shifts[t] + p;
        const float* weight = weights + (c * kTaps + t) * kBlock;
        Lanes low, high;
        load(at, &low);
        load(at + kLanes, &high);
        for (int b = 0; b < kBlock; ++b) {
          sum[b][0] += weight[b] * low;
          sum[b][1] += weight[b] * high;
        }
      }
    for (int b = 0; b < kBlock; ++b) {
      if (y[b] == nullptr) continue;
      store(sum[b][0], y[b] + p);
      store(sum[b][1], y[b] + p + kLanes);
    }
  }
}

/// sums[b][t] += sum over `count` pixels of grad[b](p) x(p + shift + t), t = -1, 0, 1: one row of taps.
OSTEON_MULTIVERSION void add_products(const float* const* grad, const float* x, std::int64_t shift, std::int64_t count,
                                      float (*sums)[3]) {
  Lanes sum[kBlock][3] = {};
  for (std::int64_t p = 0; p < count; p += kLanes) {
    Lanes left, middle, right, g;
    load(x + p + shift - 1, &left);
    load(x + p + shift, &middle);
    load(x + p + shift + 1, &right);
    for (int b = 0; b < kBlock; ++b) {
      load(grad[b] + p, &g);
      sum[b][0] += g * left;
      sum[b][1] += g * middle;
      sum[b][2] += g * right;
    }
  }
  for (int b = 0; b < kBlock; ++b)
    for (int t = 0; t < 3; ++t) sums[b][t] += sum_of(sum[b][t]);
}

Planes convolved(const Call& call, const Planes& x, std::int64_t out, const std::vector<float>& weights,
                 const float* bias) {
  Planes y(call, x.n(), out, x.height(), x.width());
  const auto shifts = shifts_of(x);
  const std::int64_t in = x.channels(), blocks = blocks_of(out), bands = (x.extent() + kBand - 1) / kBand;
  parallel_for(call, x.n() * bands * blocks, [&](std::int64_t i, int) {
    const std::int64_t block = i % blocks, band = i / blocks % bands, image = i / blocks / bands;
    const std::int64_t first = band * kBand, count = std::min(kBand, x.extent() - first);
    float* targets[kBlock] = {};
    float biases[kBlock] = {};
    for (std::int64_t b = 0; b < kBlock && block * kBlock + b < out; ++b) {
      targets[b] = y.plane(image, block * kBlock + b) + first;
      if (bias != nullptr) biases[b] = bias[block * kBlock + b];
    }
    correlate(x.plane(image, 0) + first, x.stride(), in, weights.data() + block * in * kTaps * kBlock, biases,
              shifts.data(), count, targets);
  });
  parallel_for(call, x.n() * out, [&](std::int64_t i, int) { y.seal(i / out, i % out); });
  return y;
}

}  // namespace

Convolution::Convolution(Parameters& parameters, const std::string& name, std::int64_t in, std::int64_t out, Bias kind,
                         osteon::sdk::Random& random)
    : weight(parameters.add(name + ".weight", {out, in, 3, 3})),
      bias(kind == Bias::kOne ? &parameters.add(name + ".bias", {out}) : nullptr) {
  const double deviation = std::sqrt(2.0 / static_cast<double>(in * kTaps));
  for (std::int64_t i = 0; i < weight.count; ++i) weight.value[i] = static_cast<float>(deviation * random.normal());
}

Planes Convolution::forward(const Call& call, const Planes& x) const {
  const std::int64_t out = weight.shape[0], in = weight.shape[1];
  const auto weights = packed(
      out, in, [&](std::int64_t o, std::int64_t c, std::int64_t t) { return weight.value[(o * in + c) * kTaps + t]; });
  return convolved(call, x, out, weights, bias != nullptr ? bias->value : nullptr);
}

Planes Convolution::input_gradient(const Call& call, const Planes& grad_y) const {
  const std::int64_t out = weight.shape[0], in = weight.shape[1];
  const auto weights = packed(in, out, [&](std::int64_t c, std::int64_t o, std::int64_t t) {
    return weight.value[(o * in + c) * kTaps + kTaps - 1 - t];
  });
  return convolved(call, grad_y, in, weights, nullptr);
}

void Convolution::add_gradients(const Call& call, const Planes& x, const Planes& grad_y) const {
  const std::int64_t out = weight.shape[0], in = weight.shape[1], blocks = blocks_of(out);
  if (weight.trained())
    parallel_for(call, blocks * in, [&](std::int64_t i, int) {
      const std::int64_t block = i / in, c = i % in, live = std::min(kBlock, out - block * kBlock);
      float sums[3][kBlock][3] = {};
      for (std::int64_t image = 0; image < x.n(); ++image) {
        const float* grads[kBlock];
        for (std::int64_t b = 0; b < kBlock; ++b)
          grads[b] = grad_y.plane(image, block * kBlock + std::min(b, live - 1));  // what is too much is not kept
        for (std::int64_t row = 0; row < 3; ++row)
          add_products(grads, x.plane(image, c), (row - 1) * x.pitch(), x.extent(), sums[row]);
      }
      for (std::int64_t b = 0; b < live; ++b)
        for (std::int64_t t = 0; t < kTaps; ++t)
          weight.grad[((block * kBlock + b) * in + c) * kTaps + t] += sums[t / 3][b][t % 3];
    });
  if (bias != nullptr && bias->trained())
    parallel_for(call, out, [&](std::int64_t o, int) {
      double sum = 0;
      for (std::int64_t image = 0; image < x.n(); ++image)
        for (std::int64_t p = 0; p < grad_y.extent(); ++p) sum += static_cast<double>(grad_y.plane(image, o)[p]);
      bias->grad[o] += static_cast<float>(sum);
    });
}
