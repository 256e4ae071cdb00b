// SPDX-License-Identifier: Apache-2.0
#include "network.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "resampling.hpp"

using osteon::sdk::Call;
using osteon::sdk::Random;

namespace {

constexpr std::int64_t kCoordinates = 2;

/// From -1 to 1 along an axis of `size` pixels.
float coordinate(std::int64_t at, std::int64_t size) {
  return size == 1 ? 0.0f : 2 * static_cast<float>(at) / static_cast<float>(size - 1) - 1;
}

/// The images, then y and x of each pixel.
Planes with_coordinates(const Call& call, const osteon_tensor_view& images) {
  const std::int64_t channels = images.shape[1];
  Planes x(call, images.shape[0], channels + kCoordinates, images.shape[2], images.shape[3]);
  copy_in(call, images, x);
  for (std::int64_t image = 0; image < x.n(); ++image)
    for (std::int64_t row = 0; row < x.height(); ++row)
      for (std::int64_t column = 0; column < x.width(); ++column) {
        x.row(image, channels, row)[column] = coordinate(row, x.height());
        x.row(image, channels + 1, row)[column] = coordinate(column, x.width());
      }
  return x;
}

std::vector<Block> make_blocks(const Network::Options& options, std::int64_t in_channels, Random& random,
                               Parameters* parameters) {
  std::vector<Block> blocks;
  const auto width = [&](std::int64_t level) { return options.width << level; };
  const auto add = [&](const char* name, std::int64_t level, const char* suffix, std::int64_t in) {
    blocks.emplace_back(*parameters, name + std::to_string(level) + suffix, in, width(level), random);
  };
  for (std::int64_t level = 0; level < options.levels; ++level) {
    add("down.", level, ".0", level == 0 ? in_channels + kCoordinates : width(level - 1));
    add("down.", level, ".1", width(level));
  }
  for (std::int64_t level = options.levels - 2; level >= 0; --level) {
    add("narrow.", level, "", width(level + 1));
    add("refine.", level, "", width(level));
  }
  return blocks;
}

}  // namespace

Block::Block(Parameters& parameters, const std::string& name, std::int64_t in, std::int64_t out, Random& random)
    : convolution(parameters, name + ".convolution", in, out, Convolution::Bias::kNone, random),
      norm(parameters, name + ".norm", out) {}

Planes Block::forward(const Call& call, Planes x, Tape* tape) const {
  Planes y = norm.forward(call, convolution.forward(call, x), tape != nullptr ? &tape->norm : nullptr);
  if (tape != nullptr) tape->x = std::move(x);
  return y;
}

Planes Block::backward(const Call& call, const Tape& tape, Planes grad, bool wants_grad_x, const Done& done) const {
  grad = norm.backward(call, tape.norm, std::move(grad));
  convolution.add_gradients(call, tape.x, grad);
  for (const Parameter* parameter : {&convolution.weight, &norm.gamma, &norm.beta})
    if (parameter->trained()) done(*parameter);
  return wants_grad_x ? convolution.input_gradient(call, grad) : Planes();
}

Network::Network(const Options& options, std::int64_t in_channels, std::int64_t n_classes, Random random)
    : levels_(options.levels),
      blocks_(make_blocks(options, in_channels, random, &parameters_)),
      head_(parameters_, "head", options.width, n_classes, Convolution::Bias::kOne, random) {
  std::fill_n(head_.bias->value, n_classes, static_cast<float>(std::log(options.prior / (1 - options.prior))));
}

Planes Network::forward(const Call& call, const osteon_tensor_view& images, Tape* tape) const {
  if (tape != nullptr) tape->blocks.resize(blocks_.size());
  std::size_t b = 0;
  const auto run = [&](Planes x) {
    Block::Tape* kept = tape != nullptr ? &tape->blocks[b] : nullptr;
    return blocks_[b++].forward(call, std::move(x), kept);
  };
  Planes x = with_coordinates(call, images);
  std::vector<Planes> skipped;
  for (std::int64_t level = 0; level < levels_; ++level) {
    if (level > 0) {
      skipped.push_back(std::move(x));
      x = pooled(call, skipped.back());
    }
    x = run(run(std::move(x)));
  }
  for (; !skipped.empty(); skipped.pop_back()) {
    x = run(std::move(x));
    add_repeated(call, x, skipped.back());
    x = run(std::move(skipped.back()));
  }
  Planes logits = head_.forward(call, x);
  if (tape != nullptr) tape->features = std::move(x);
  return logits;
}

Planes Network::backward(const Call& call, const Tape& tape, const Planes& grad_logits, bool wants_grad_images,
                         const Block::Done& done) const {
  const auto first = std::find_if(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.trained(); });
  const auto first_trained = static_cast<std::size_t>(first - blocks_.begin());
  std::size_t b = blocks_.size();
  // Whether anybody before block b waits for a gradient.
  const auto wanted = [&] { return wants_grad_images || b > first_trained; };
  const auto back = [&](Planes grad) {
    if (grad.empty()) return grad;
    --b;
    return blocks_[b].backward(call, tape.blocks[b], std::move(grad), wanted(), done);
  };

  head_.add_gradients(call, tape.features, grad_logits);
  for (const Parameter* parameter : {&head_.weight, head_.bias})
    if (parameter->trained()) done(*parameter);
  Planes grad = wanted() ? head_.input_gradient(call, grad_logits) : Planes();

  std::vector<Planes> skipped;  // from the first level on
  for (std::int64_t level = 0; level < levels_ - 1 && !grad.empty(); ++level) {
    skipped.push_back(back(std::move(grad)));
    grad = skipped.back().empty() ? Planes() : back(repeated_gradient(call, skipped.back()));
  }
  for (std::int64_t level = levels_ - 1; level >= 0 && !grad.empty(); --level) {
    grad = back(back(std::move(grad)));
    if (level == 0 || grad.empty()) break;
    add_pooled_gradient(call, grad, skipped.back());
    grad = std::move(skipped.back());
    skipped.pop_back();
  }
  return grad;
}
