// SPDX-License-Identifier: Apache-2.0
// Of the layer over LibTorch what does not depend on a model's class. osteon_add_plugin(... PRECOMPILE) compiles it once
// for a library, so that a change in the model's file does not compile it again.
#define OSTEON_TORCH_LAYER_HERE
#include <osteon/sdk/torch/model.hpp>
