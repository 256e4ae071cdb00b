// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include <torch/nn/init.h>
#include <torch/nn/modules/conv.h>

#include <osteon/sdk/params.hpp>

/// The probability that a network starts with: Lin et al., "Focal loss for dense object detection", ICCV 2017,
/// section 4.1.
namespace osteon::layers {

/// Adds the key `prior`, which Params has as a double; 0.5 is no bias, as in public libraries.
template <class Params>
void add_prior(sdk::Schema<Params>& schema) {
  schema
      .add("prior", &Params::prior,
           "probability that every class starts with; near the share of its pixels, small classes are learnt much "
           "sooner")
      .between(1e-6, 1 - 1e-6);
}

/// Gives every class of a classifier that probability where its input is 0.
inline void start_at(const torch::nn::Conv2d& head, double prior) {
  torch::nn::init::constant_(head->bias, std::log(prior / (1 - prior)));
}

}  // namespace osteon::layers
