// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

/// The losses as one writes them in LibTorch, from logits and a dense target of the same type [N, K, H, W],
/// differentiated by autograd: without weights, holes and unknown classes, with the defaults of the plugins. Tests
/// compare with them in float64, the benchmark in float32.
namespace osteon::test::eager {

inline at::Tensor bce(const at::Tensor& x, const at::Tensor& t) {
  return at::binary_cross_entropy_with_logits(x, t, {}, {}, at::Reduction::Mean);
}

inline at::Tensor cross_entropy(const at::Tensor& x, const at::Tensor& t) {
  return at::cross_entropy_loss(x, t.argmax(1));
}

inline at::Tensor probabilities(const at::Tensor& x, bool multiclass) {
  return multiclass ? x.softmax(1) : x.sigmoid();
}

inline at::Tensor dice(const at::Tensor& x, const at::Tensor& t, bool multiclass = false) {
  const at::Tensor p = probabilities(x, multiclass);
  const at::Tensor both = (p * t).sum({2, 3}), sum = p.sum({2, 3}) + t.sum({2, 3});
  return (1 - (2 * both + 1) / (sum + 1)).mean();
}

inline at::Tensor iou(const at::Tensor& x, const at::Tensor& t, bool multiclass = false) {
  const at::Tensor p = probabilities(x, multiclass);
  const at::Tensor both = (p * t).sum({2, 3}), sum = p.sum({2, 3}) + t.sum({2, 3});
  return (1 - (both + 1) / (sum - both + 1)).mean();
}

inline at::Tensor tversky(const at::Tensor& x, const at::Tensor& t, bool multiclass = false) {
  const at::Tensor p = probabilities(x, multiclass);
  const at::Tensor both = (p * t).sum({2, 3}), over = (p * (1 - t)).sum({2, 3}), missed = ((1 - p) * t).sum({2, 3});
  return (1 - (both + 1) / (both + 0.3 * over + 0.7 * missed + 1)).mean();
}

/// torchvision.ops.sigmoid_focal_loss, reduction = "mean".
inline at::Tensor focal(const at::Tensor& x, const at::Tensor& t) {
  constexpr double kAlpha = 0.25, kGamma = 2;
  const at::Tensor p = x.sigmoid(), ce = at::binary_cross_entropy_with_logits(x, t, {}, {}, at::Reduction::None);
  const at::Tensor p_t = p * t + (1 - p) * (1 - t);
  return ((kAlpha * t + (1 - kAlpha) * (1 - t)) * (ce * (1 - p_t).pow(kGamma))).mean();
}

inline at::Tensor focal_of_batch(const at::Tensor& x, const at::Tensor& t) {
  const at::Tensor mean = bce(x, t);
  return 0.25 * (1 - (-mean).exp()).pow(2) * mean;
}

/// Of the authors' code: the errors of one class in falling order, and what the Jaccard loss grows by from each to the
/// next.
inline at::Tensor lovasz_of_class(const at::Tensor& errors, const at::Tensor& t) {
  const auto [sorted, order] = errors.sort(0, /*descending=*/true);
  const at::Tensor set = t.index({order});
  const at::Tensor total = set.sum();
  const at::Tensor jaccard = 1 - (total - set.cumsum(0)) / (total + (1 - set).cumsum(0));
  return (sorted * at::cat({jaccard.narrow(0, 0, 1),
                            jaccard.narrow(0, 1, jaccard.size(0) - 1) - jaccard.narrow(0, 0, jaccard.size(0) - 1)}))
      .sum();
}

inline at::Tensor lovasz(const at::Tensor& x, const at::Tensor& t, bool multiclass = false) {
  const at::Tensor errors = multiclass ? (t - x.softmax(1)).abs() : at::relu(1 - x * (2 * t - 1));
  std::vector<at::Tensor> values;
  for (std::int64_t i = 0; i < x.size(0); ++i)
    for (std::int64_t c = 0; c < x.size(1); ++c)
      values.push_back(lovasz_of_class(errors[i][c].flatten(), t[i][c].flatten()));
  return at::stack(values).mean();
}

/// With a window of 11 x 11 as one convolution of each class, and at least 176 pixels.
inline at::Tensor ms_ssim(const at::Tensor& x, const at::Tensor& t) {
  const std::vector<double> exponents = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  const std::int64_t k = x.size(1);
  const at::Tensor off = at::arange(-5, 6, x.options().requires_grad(false)) / 1.5;
  at::Tensor taps = (off * off / -2).exp();
  taps = taps / taps.sum();
  const at::Tensor window = (taps.view({-1, 1}) * taps).expand({k, 1, 11, 11}).contiguous();
  const auto blurred = [&](const at::Tensor& z) {
    return at::conv2d(z, window, {}, /*stride=*/1, at::IntArrayRef{0}, /*dilation=*/1, k);
  };
  at::Tensor p = x.sigmoid(), q = t, product;
  for (std::size_t s = 0; s < exponents.size(); ++s) {
    const at::Tensor a = blurred(p), b = blurred(q);
    at::Tensor value = (2 * (blurred(p * q) - a * b) + 9e-4) / (blurred(p * p) - a * a + blurred(q * q) - b * b + 9e-4);
    if (s + 1 == exponents.size()) value = value * (2 * a * b + 1e-4) / (a * a + b * b + 1e-4);
    const at::Tensor term = at::relu(value.mean({2, 3})).pow(exponents[s]);
    product = product.defined() ? product * term : term;
    p = at::avg_pool2d(p, 2);
    q = at::avg_pool2d(q, 2);
  }
  return (1 - product).mean();
}

}  // namespace osteon::test::eager
