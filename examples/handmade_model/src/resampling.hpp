// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/call.hpp>

#include "planes.hpp"

/// Halves height and width, which are even: each pixel is the mean of four.
Planes pooled(const osteon::sdk::Call& call, const Planes& x);
/// Adds to `grad_x` what dL/d pooled(x) says of it: a quarter to each of four.
void add_pooled_gradient(const osteon::sdk::Call& call, const Planes& grad_pooled, Planes& grad_x);

/// Adds `small`, with each of its pixels repeated to 2 x 2, to `large`.
void add_repeated(const osteon::sdk::Call& call, const Planes& small, Planes& large);
/// dL/dsmall from dL/dlarge: sums of four.
Planes repeated_gradient(const osteon::sdk::Call& call, const Planes& grad_large);
