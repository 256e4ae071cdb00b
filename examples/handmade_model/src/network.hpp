// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/random.hpp>

#include "convolution.hpp"
#include "normalization.hpp"
#include "parameters.hpp"
#include "planes.hpp"

/// Convolution, normalization, ReLU.
class Block {
 public:
  struct Tape {
    Planes x;
    Normalization::Tape norm;
  };
  using Done = std::function<void(const Parameter&)>;

  Block(Parameters& parameters, const std::string& name, std::int64_t in, std::int64_t out,
        osteon::sdk::Random& random);

  Planes forward(const osteon::sdk::Call& call, Planes x, Tape* tape) const;
  /// dL/dx, or nothing when nobody wants it. `done` hears of each trained parameter whose gradient is complete.
  Planes backward(const osteon::sdk::Call& call, const Tape& tape, Planes grad_y, bool wants_grad_x,
                  const Done& done) const;
  bool trained() const { return convolution.weight.trained() || norm.gamma.trained() || norm.beta.trained(); }

  Convolution convolution;
  Normalization norm;
};

/// A small U-Net that adds what it skips (LinkNet: Chaurasia and Culurciello, arXiv:1707.03718), on the image and two
/// more channels: where each pixel lies (Liu et al., arXiv:1807.03247).
///
///     x -- down 0 ------------------------------------ + -- refine 0 -- head -- logits
///            pool -- down 1 ----------- + -- refine 1 -- narrow 0 repeat
///                      pool -- down 2 -- narrow 1 repeat
///
/// A level has half the size and twice the channels of the one above.
class Network {
 public:
  struct Options {
    std::int64_t width = 16;  ///< channels of the first level
    std::int64_t levels = 4;
    double prior = 0.01;  ///< probability that the head begins with
  };
  struct Tape {
    std::vector<Block::Tape> blocks;
    Planes features;  ///< what the head sees
  };

  Network(const Options& options, std::int64_t in_channels, std::int64_t n_classes, osteon::sdk::Random random);

  std::int64_t size_multiple() const { return std::int64_t{1} << (levels_ - 1); }
  Parameters& parameters() { return parameters_; }

  /// Logits [N, classes, H, W] of images [N, C, H, W].
  Planes forward(const osteon::sdk::Call& call, const osteon_tensor_view& images, Tape* tape) const;
  /// Adds to the gradients of what is trained; goes no further back than it has to. The gradient of the images, and of
  /// their coordinates behind them, when it is wanted.
  Planes backward(const osteon::sdk::Call& call, const Tape& tape, const Planes& grad_logits, bool wants_grad_images,
                  const Block::Done& done) const;

 private:
  std::int64_t levels_;
  Parameters parameters_;
  std::vector<Block> blocks_;  ///< in the order in which they run
  Convolution head_;
};
