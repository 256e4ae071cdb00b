// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_reference.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::engine {
namespace {

// A convolution links each element of its output (the near side) to some of its input (the far side) by a weight. Its
// gradients, and transposed convolutions, follow the same links in other directions.
struct Sides {
  const double* near_values;  // [N, out, h, w]
  const double* far_values;   // [N, in, H, W]
  double* to_near;            // gets weight * far value
  double* to_far;             // gets weight * near value
};

struct Span {
  std::int64_t begin, end;
};

// The outputs whose tap `tap` lies inside `size` inputs.
Span inside(const ConvolutionShape& s, std::int64_t tap, std::int64_t size, std::int64_t outputs) {
  const std::int64_t offset = tap * s.dilation - s.padding;
  const std::int64_t begin = offset >= 0 ? 0 : (-offset + s.stride - 1) / s.stride;
  const std::int64_t last = size - 1 - offset;
  return {begin, last < 0 ? begin : std::min(outputs, last / s.stride + 1)};
}

// Follows the links of one weight between one plane of each side; returns what the weight's gradient gets.
double follow(const ConvolutionShape& s, std::int64_t ky, std::int64_t kx, double weight, const Sides& planes) {
  const Span rows = inside(s, ky, s.height, s.out_height()), columns = inside(s, kx, s.width, s.out_width());
  double sum = 0;
  for (std::int64_t y = rows.begin; y < rows.end; ++y) {
    const std::int64_t near = y * s.out_width();
    const std::int64_t far = (y * s.stride + ky * s.dilation - s.padding) * s.width + kx * s.dilation - s.padding;
    for (std::int64_t x = columns.begin; x < columns.end; ++x) {
      const double a = planes.near_values[near + x], b = planes.far_values[far + x * s.stride];
      planes.to_near[near + x] += weight * b;
      planes.to_far[far + x * s.stride] += weight * a;
      sum += a * b;
    }
  }
  return sum;
}

Numbers follow_all(const ConvolutionShape& s, const Numbers& weights, const Sides& sides) {
  Numbers gradient(weights.size());
  const std::int64_t near_plane = s.out_height() * s.out_width(), far_plane = s.height * s.width;
  const std::int64_t in = s.in / s.groups, out = s.out / s.groups, taps = s.kernel * s.kernel;
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t o = 0; o < s.out; ++o)
      for (std::int64_t i = 0; i < in; ++i) {
        const std::int64_t near = (n * s.out + o) * near_plane, far = (n * s.in + o / out * in + i) * far_plane;
        const Sides planes = {sides.near_values + near, sides.far_values + far, sides.to_near + near,
                              sides.to_far + far};
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          const auto w = static_cast<std::size_t>((o * in + i) * taps + tap);
          gradient[w] += follow(s, tap / s.kernel, tap % s.kernel, weights[w], planes);
        }
      }
  return gradient;
}

// Adds a bias to `output`, planes of [N, channels, plane]; its gradient sums the cotangent up.
Expected add_bias(const Numbers& bias, std::int64_t plane, const Numbers& cotangent, Numbers& output) {
  Expected gradient{Numbers(bias.size()), static_cast<double>(output.size() / bias.size())};
  for (std::size_t i = 0; i < output.size(); ++i) {
    const std::size_t channel = i / static_cast<std::size_t>(plane) % bias.size();
    output[i] += bias[channel];
    gradient.values[channel] += cotangent[i];
  }
  return gradient;
}

double near_terms(const ConvolutionShape& s) { return static_cast<double>(s.in / s.groups * s.kernel * s.kernel); }

double far_terms(const ConvolutionShape& s) { return static_cast<double>(s.out / s.groups * s.kernel * s.kernel); }

double weight_terms(const ConvolutionShape& s) { return static_cast<double>(s.batch * s.out_height() * s.out_width()); }

// a [rows, inner] times b [inner, columns], either of them transposed as it lies.
struct Factor {
  const double* values;
  std::int64_t row_step, column_step;
  double at(std::int64_t row, std::int64_t column) const { return values[row * row_step + column * column_step]; }
};

void add_product(std::int64_t rows, std::int64_t columns, std::int64_t inner, const Factor& a, const Factor& b,
                 double* out) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < inner; ++k) sum += a.at(i, k) * b.at(k, j);
      out[i * columns + j] += sum;
    }
}

void softmax_rows(Numbers& scores, std::int64_t columns) {
  for (auto row = scores.begin(); row != scores.end(); row += columns) {
    const double most = *std::max_element(row, row + columns);
    double sum = 0;
    for (auto x = row; x != row + columns; ++x) sum += * x = std::exp(*x - most);
    for (auto x = row; x != row + columns; ++x) *x /= sum;
  }
}

// From the gradient by the softmax's result to that by its argument.
void softmax_backward(const Numbers& weights, std::int64_t columns, Numbers& gradient) {
  for (std::size_t row = 0; row < weights.size(); row += static_cast<std::size_t>(columns)) {
    double dot = 0;
    const std::size_t end = row + static_cast<std::size_t>(columns);
    for (std::size_t i = row; i < end; ++i) dot += weights[i] * gradient[i];
    for (std::size_t i = row; i < end; ++i) gradient[i] = weights[i] * (gradient[i] - dot);
  }
}

}  // namespace

ExpectedResults expect_convolution(const ConvolutionShape& shape, const std::vector<Numbers>& operands,
                                   const Numbers& cotangent) {
  Numbers output(cotangent.size()), by_image(operands[0].size());
  Numbers by_weights =
      follow_all(shape, operands[1], {cotangent.data(), operands[0].data(), output.data(), by_image.data()});
  Expected by_bias = add_bias(operands[2], shape.out_height() * shape.out_width(), cotangent, output);
  return {{std::move(output), near_terms(shape)},
          {{std::move(by_image), far_terms(shape)}, {std::move(by_weights), weight_terms(shape)}, std::move(by_bias)}};
}

ExpectedResults expect_transposed(const ConvolutionShape& shape, const std::vector<Numbers>& operands,
                                  const Numbers& cotangent) {
  Numbers output(cotangent.size()), by_image(operands[0].size());
  Numbers by_weights =
      follow_all(shape, operands[1], {operands[0].data(), cotangent.data(), by_image.data(), output.data()});
  Expected by_bias = add_bias(operands[2], shape.height * shape.width, cotangent, output);
  return {{std::move(output), far_terms(shape)},
          {{std::move(by_image), near_terms(shape)}, {std::move(by_weights), weight_terms(shape)}, std::move(by_bias)}};
}

ExpectedResults expect_normalisation(const NormalisationShape& shape, const std::vector<Numbers>& operands,
                                     const Numbers& cotangent) {
  const Numbers &x = operands[0], &weights = operands[1], &bias = operands[2];
  const auto channels = static_cast<std::size_t>(shape.channels), inner = static_cast<std::size_t>(shape.inner);
  const std::size_t sets = shape.by_channel ? channels : static_cast<std::size_t>(shape.outer);
  const double count = static_cast<double>(x.size() / sets);
  const auto channel_of = [&](std::size_t i) { return i / inner % channels; };
  const auto set_of = [&](std::size_t i) { return shape.by_channel ? channel_of(i) : i / inner / channels; };

  Numbers mean(sets), variance(sets), normalised(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) mean[set_of(i)] += x[i] / count;
  for (std::size_t i = 0; i < x.size(); ++i) variance[set_of(i)] += std::pow(x[i] - mean[set_of(i)], 2) / count;
  const auto scale_of = [&](std::size_t i) { return 1 / std::sqrt(variance[set_of(i)] + shape.epsilon); };
  for (std::size_t i = 0; i < x.size(); ++i) normalised[i] = (x[i] - mean[set_of(i)]) * scale_of(i);

  Numbers output(x.size()), by_x(x.size()), by_weights(channels), by_bias(channels), sum(sets), product(sets);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = channel_of(i);
    output[i] = normalised[i] * weights[c] + bias[c];
    by_weights[c] += cotangent[i] * normalised[i];
    by_bias[c] += cotangent[i];
    sum[set_of(i)] += cotangent[i] * weights[c] / count;
    product[set_of(i)] += cotangent[i] * weights[c] * normalised[i] / count;
  }
  for (std::size_t i = 0; i < x.size(); ++i)
    by_x[i] =
        scale_of(i) * (cotangent[i] * weights[channel_of(i)] - sum[set_of(i)] - normalised[i] * product[set_of(i)]);
  const double rows = static_cast<double>(x.size() / channels);
  return {{std::move(output), count},
          {{std::move(by_x), count}, {std::move(by_weights), rows}, {std::move(by_bias), rows}}};
}

ExpectedResults expect_attention(const AttentionShape& shape, const std::vector<Numbers>& operands,
                                 const Numbers& cotangent) {
  const std::int64_t queries = shape.queries, keys = shape.keys, width = shape.width;
  const double scale = 1 / std::sqrt(static_cast<double>(width));
  Numbers output(cotangent.size()), by_q(operands[0].size()), by_k(operands[1].size()), by_v(operands[2].size());
  for (std::int64_t head = 0; head < shape.heads; ++head) {
    const std::int64_t of_queries = head * queries * width, of_keys = head * keys * width;
    const double *q = &operands[0][static_cast<std::size_t>(of_queries)],
                 *k = &operands[1][static_cast<std::size_t>(of_keys)],
                 *v = &operands[2][static_cast<std::size_t>(of_keys)],
                 *c = &cotangent[static_cast<std::size_t>(of_queries)];
    Numbers weights(static_cast<std::size_t>(queries * keys)), scores(weights.size());
    add_product(queries, keys, width, {q, width, 1}, {k, 1, width}, weights.data());
    for (double& score : weights) score *= scale;
    softmax_rows(weights, keys);
    add_product(queries, width, keys, {weights.data(), keys, 1}, {v, width, 1},
                &output[static_cast<std::size_t>(of_queries)]);
    add_product(keys, width, queries, {weights.data(), 1, keys}, {c, width, 1},
                &by_v[static_cast<std::size_t>(of_keys)]);
    add_product(queries, keys, width, {c, width, 1}, {v, 1, width}, scores.data());
    softmax_backward(weights, keys, scores);
    for (double& score : scores) score *= scale;
    add_product(queries, width, keys, {scores.data(), keys, 1}, {k, width, 1},
                &by_q[static_cast<std::size_t>(of_queries)]);
    add_product(keys, width, queries, {scores.data(), 1, keys}, {q, width, 1},
                &by_k[static_cast<std::size_t>(of_keys)]);
  }
  // A result is of a product on a softmax on a product, and its gradients are of one more.
  const double terms = static_cast<double>(std::max({queries, keys, width}));
  return {{std::move(output), 3 * terms},
          {{std::move(by_q), 4 * terms}, {std::move(by_k), 4 * terms}, {std::move(by_v), 4 * terms}}};
}

}  // namespace osteon::engine
