// SPDX-License-Identifier: Apache-2.0
// Each layer against its formula, written down once more in double and without any thought of speed. Gradients of the
// whole network against finite differences: `osteon plugins validate`.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>
#include <vector>

#include <osteon/sdk/random.hpp>
#include <osteon/sdk/testing.hpp>

#include "convolution.hpp"
#include "normalization.hpp"
#include "resampling.hpp"

namespace {

using osteon::sdk::Call;
using osteon::sdk::Random;

int failures = 0;

void expect(bool holds, const std::string& what) {
  std::printf("%s: %s\n", holds ? "ok" : "FAILED", what.c_str());
  failures += !holds;
}

/// [N, C, H, W] in double; 0 beyond the border.
struct Image {
  std::int64_t n, c, h, w;
  std::vector<double> values = std::vector<double>(static_cast<std::size_t>(n * c * h * w), 0.0);

  double& at(std::int64_t i, std::int64_t k, std::int64_t y, std::int64_t x) {
    return values[static_cast<std::size_t>(((i * c + k) * h + y) * w + x)];
  }
  double get(std::int64_t i, std::int64_t k, std::int64_t y, std::int64_t x) const {
    if (y < 0 || x < 0 || y >= h || x >= w) return 0;
    return const_cast<Image*>(this)->at(i, k, y, x);
  }
  std::string text() const {
    return std::to_string(n) + " x " + std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w);
  }
};

/// Calls `body` with every index of an image.
template <class Body>
void for_each(const Image& like, Body&& body) {
  for (std::int64_t i = 0; i < like.n; ++i)
    for (std::int64_t k = 0; k < like.c; ++k)
      for (std::int64_t y = 0; y < like.h; ++y)
        for (std::int64_t x = 0; x < like.w; ++x) body(i, k, y, x);
}

Image random_image(Random& random, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  Image image{n, c, h, w};
  for (double& value : image.values) value = static_cast<float>(random.normal());
  return image;
}

Planes planes_of(const Call& call, const Image& image) {
  Planes planes(call, image.n, image.c, image.h, image.w);
  for_each(image,
           [&](auto i, auto k, auto y, auto x) { planes.row(i, k, y)[x] = static_cast<float>(image.get(i, k, y, x)); });
  return planes;
}

Image image_of(const Planes& planes) {
  Image image{planes.n(), planes.channels(), planes.height(), planes.width()};
  for_each(image,
           [&](auto i, auto k, auto y, auto x) { image.at(i, k, y, x) = static_cast<double>(planes.row(i, k, y)[x]); });
  return image;
}

/// Whether every layer after this one can rely on the zeros around the pixels.
bool is_sealed(const Planes& planes) {
  double sum = 0, of_pixels = 0;
  for (std::int64_t i = 0; i < planes.n(); ++i)
    for (std::int64_t c = 0; c < planes.channels(); ++c)
      for (std::int64_t p = -planes.pitch() - 1; p < planes.extent() + planes.pitch() + 1; ++p)
        sum += std::abs(static_cast<double>(planes.plane(i, c)[p]));
  for (const double value : image_of(planes).values) of_pixels += std::abs(value);
  return std::abs(sum - of_pixels) <= 1e-12 * of_pixels;
}

double dot(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) sum += a.values[i] * b.values[i];
  return sum;
}

void expect_near(const std::vector<double>& expected, const std::vector<double>& got, const std::string& what) {
  double worst = expected.size() == got.size() ? 0 : INFINITY, largest = 1e-3;
  for (std::size_t i = 0; i < expected.size() && i < got.size(); ++i) {
    worst = std::max(worst, std::abs(expected[i] - got[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  expect(worst <= 2e-5 * largest, what);
}

std::vector<double> doubles(const float* values, std::int64_t count) { return {values, values + count}; }

/// Gradients for all of them.
void train(Parameters& parameters) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 0; i < parameters.count(); ++i) all.push_back(i);
  parameters.set_trainable(all.size(), all.data());
}

void convolution_is_its_formula(const Call& call, Random& random, std::int64_t in, std::int64_t out, std::int64_t h,
                                std::int64_t w) {
  Parameters parameters;
  const Convolution layer(parameters, "c", in, out, Convolution::Bias::kOne, random);
  for (std::int64_t o = 0; o < out; ++o) layer.bias->value[o] = static_cast<float>(random.normal());
  train(parameters);
  const Image x = random_image(random, 2, in, h, w), grad = random_image(random, 2, out, h, w);
  Image y{2, out, h, w}, grad_x{2, in, h, w};
  std::vector<double> grad_weight(static_cast<std::size_t>(layer.weight.count)),
      grad_bias(static_cast<std::size_t>(out));
  for_each(y, [&](auto i, auto o, auto row, auto column) {
    y.at(i, o, row, column) += static_cast<double>(layer.bias->value[o]);
    const double g = grad.get(i, o, row, column);
    grad_bias[static_cast<std::size_t>(o)] += g;
    for (std::int64_t c = 0; c < in; ++c)
      for (std::int64_t t = 0; t < 9; ++t) {
        const std::int64_t from_row = row + t / 3 - 1, from_column = column + t % 3 - 1, at = (o * in + c) * 9 + t;
        const double weight = static_cast<double>(layer.weight.value[at]);
        y.at(i, o, row, column) += weight * x.get(i, c, from_row, from_column);
        grad_weight[static_cast<std::size_t>(at)] += g * x.get(i, c, from_row, from_column);
        if (from_row >= 0 && from_column >= 0 && from_row < h && from_column < w)
          grad_x.at(i, c, from_row, from_column) += weight * g;
      }
  });

  const std::string what = "convolution of " + x.text() + " to " + std::to_string(out) + " channels: ";
  const Planes input = planes_of(call, x), grads = planes_of(call, grad);
  const Planes output = layer.forward(call, input), grad_input = layer.input_gradient(call, grads);
  layer.add_gradients(call, input, grads);
  layer.add_gradients(call, input, grads);  // gradients are added
  for (double& g : grad_weight) g *= 2;
  for (double& g : grad_bias) g *= 2;
  expect_near(y.values, image_of(output).values, what + "values");
  expect_near(grad_x.values, image_of(grad_input).values, what + "gradient of the input");
  expect_near(grad_weight, doubles(layer.weight.grad, layer.weight.count), what + "gradient of the weights");
  expect_near(grad_bias, doubles(layer.bias->grad, out), what + "gradient of the bias");
  expect(is_sealed(output) && is_sealed(grad_input), what + "zeros around");
}

/// max(0, gamma (x - mean) / sqrt(var + 1e-5) + beta) per image and channel.
Image normalized(const Image& x, const std::vector<double>& gamma, const std::vector<double>& beta) {
  Image y = x;
  const double pixels = static_cast<double>(x.h * x.w);
  for (std::int64_t i = 0; i < x.n; ++i)
    for (std::int64_t k = 0; k < x.c; ++k) {
      const auto over_pixels = [&](const std::function<void(double&)>& body) {
        for (std::int64_t p = 0; p < x.h * x.w; ++p) body(y.at(i, k, p / x.w, p % x.w));
      };
      double mean = 0, variance = 0;
      over_pixels([&](double& v) { mean += v / pixels; });
      over_pixels([&](double& v) { variance += (v - mean) * (v - mean) / pixels; });
      const auto c = static_cast<std::size_t>(k);
      over_pixels([&](double& v) { v = std::max(0.0, gamma[c] * (v - mean) / std::sqrt(variance + 1e-5) + beta[c]); });
    }
  return y;
}

/// d f / d values by central differences.
std::vector<double> differences(std::vector<double>& values, const std::function<double()>& f) {
  std::vector<double> slopes;
  for (double& value : values) {
    const double was = value, step = 1e-6;
    value = was + step;
    const double above = f();
    value = was - step;
    slopes.push_back((above - f()) / (2 * step));
    value = was;
  }
  return slopes;
}

void normalization_is_its_formula(const Call& call, Random& random, std::int64_t h, std::int64_t w) {
  Parameters parameters;
  const Normalization layer(parameters, "n", 3);
  train(parameters);
  for (std::int64_t c = 0; c < 3; ++c) {
    layer.gamma.value[c] = static_cast<float>(1 + 0.3 * random.normal());
    layer.beta.value[c] = static_cast<float>(0.3 * random.normal());
  }
  std::vector<double> gamma = doubles(layer.gamma.value, 3), beta = doubles(layer.beta.value, 3);
  Image x = random_image(random, 2, 3, h, w);
  const Image grad = random_image(random, 2, 3, h, w);
  const auto scalar = [&] { return dot(normalized(x, gamma, beta), grad); };

  const std::string what = "normalization of " + x.text() + ": ";
  Normalization::Tape tape;
  const Planes y = layer.forward(call, planes_of(call, x), &tape);
  const Planes without_tape = layer.forward(call, planes_of(call, x), nullptr);
  const Planes grad_x = layer.backward(call, tape, planes_of(call, grad));
  expect_near(normalized(x, gamma, beta).values, image_of(y).values, what + "values");
  expect(image_of(y).values == image_of(without_tape).values, what + "the same without a tape");
  expect_near(differences(x.values, scalar), image_of(grad_x).values, what + "gradient of the input");
  expect_near(differences(gamma, scalar), doubles(layer.gamma.grad, 3), what + "gradient of gamma");
  expect_near(differences(beta, scalar), doubles(layer.beta.grad, 3), what + "gradient of beta");
  expect(is_sealed(y) && is_sealed(without_tape) && is_sealed(grad_x), what + "zeros around");
}

void resampling_is_its_formula(const Call& call, Random& random) {
  const Image large = random_image(random, 2, 3, 6, 10), small = random_image(random, 2, 3, 3, 5);
  Image mean{2, 3, 3, 5}, sum = large, spread = large;
  for_each(large, [&](auto i, auto k, auto y, auto x) {
    mean.at(i, k, y / 2, x / 2) += large.get(i, k, y, x) / 4;
    sum.at(i, k, y, x) += small.get(i, k, y / 2, x / 2);
    spread.at(i, k, y, x) += small.get(i, k, y / 2, x / 2) / 4;
  });
  Planes repeated = planes_of(call, large), pooled_gradient = planes_of(call, large);
  add_repeated(call, planes_of(call, small), repeated);
  add_pooled_gradient(call, planes_of(call, small), pooled_gradient);
  const Planes mean_planes = pooled(call, planes_of(call, large));
  const Planes sums = repeated_gradient(call, planes_of(call, large));
  expect_near(mean.values, image_of(mean_planes).values, "pooling: values");
  expect_near(spread.values, image_of(pooled_gradient).values, "pooling: gradient");
  expect_near(sum.values, image_of(repeated).values, "repeating: values");
  for (double& value : mean.values) value *= 4;
  expect_near(mean.values, image_of(sums).values, "repeating: gradient");
  expect(is_sealed(repeated) && is_sealed(pooled_gradient) && is_sealed(mean_planes) && is_sealed(sums),
         "resampling: zeros around");
}

/// What the host does with parameters: trains some, lets them live in a block of its own, takes it back.
void parameters_live_where_the_host_says(const Call& call, Random& random) {
  Parameters parameters;
  const Convolution layer(parameters, "down.2.convolution", 2, 3, Convolution::Bias::kOne, random);
  std::uint64_t count = 0;
  const osteon_named_tensor* const* tensors = nullptr;
  parameters.list(&count, &tensors);
  expect(count == 2 && tensors[0]->grad.data == nullptr && tensors[1]->grad.data == nullptr, "nothing is trained yet");
  expect(tensors[0]->part == OSTEON_PART_ENCODER && tensors[0]->depth == 2, "the name says the part and the depth");
  expect(tensors[0]->flags == 0 && tensors[1]->flags == OSTEON_TENSOR_NO_DECAY, "weights decay, biases do not");

  const std::uint64_t bias = 1, both[] = {0, 1};
  parameters.set_trainable(1, &bias);
  expect(!layer.weight.trained() && layer.bias->trained() && layer.bias->grad[0] == 0, "one is trained, from zero on");
  const osteon::sdk::OwnedTensor block = call.allocate<float>({128});
  auto* floats = block.data<float>();
  std::fill_n(floats, 128, 5.0f);
  const osteon::sdk::BorrowedTensor value(floats, {3, 2, 3, 3}), grad(floats + 64, {3}), short_one(floats, {3, 2, 3});
  const double first = static_cast<double>(layer.weight.value[0]);
  const osteon_tensor_view *values[] = {value, nullptr}, *grads[] = {nullptr, grad}, *none[] = {nullptr, nullptr};
  const osteon_tensor_view *wrong[] = {value, short_one}, *untrained[] = {value, grad};
  for (const auto& [bad_values, bad_grads] : {std::pair{wrong, none}, std::pair{none, untrained}}) {
    bool refused = false;
    try {
      parameters.bind(2, both, bad_values, bad_grads);
    } catch (const osteon::sdk::InvalidArgument&) {
      refused = true;
    }
    expect(refused && layer.weight.value != floats && layer.bias->grad != floats + 64, "what does not fit is refused");
  }
  parameters.bind(2, both, values, grads);
  expect(layer.weight.value == floats && static_cast<double>(floats[0]) == first, "the value moved to the block");
  expect(layer.bias->grad == floats + 64 && layer.bias->grad[0] == 5, "the block's gradient is taken as it is");
  parameters.unbind();
  floats[0] = 7;
  expect(layer.weight.value != floats && static_cast<double>(layer.weight.value[0]) == first, "and it moved back");
  expect(layer.bias->grad != floats + 64 && layer.bias->grad[0] == 5, "its gradient too");
  parameters.set_trainable(0, nullptr);
  parameters.list(&count, &tensors);
  expect(tensors[1]->grad.data == nullptr, "what is frozen has no gradient");
}

}  // namespace

int main() {
  const osteon::sdk::testing::TestCall call(2);
  Random random(7, 0);
  convolution_is_its_formula(call.get(), random, 1, 1, 1, 1);
  convolution_is_its_formula(call.get(), random, 3, 5, 1, 19);
  convolution_is_its_formula(call.get(), random, 5, 4, 17, 3);
  convolution_is_its_formula(call.get(), random, 2, 9, 33, 31);
  convolution_is_its_formula(call.get(), random, 1, 2, 100, 120);  // more than one band
  normalization_is_its_formula(call.get(), random, 5, 7);
  normalization_is_its_formula(call.get(), random, 1, 1);
  resampling_is_its_formula(call.get(), random);
  parameters_live_where_the_host_says(call.get(), random);
  return failures != 0;
}
