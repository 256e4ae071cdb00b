// SPDX-License-Identifier: Apache-2.0
// Of the layer over LibTorch what does not depend on a model's class, compiled once for a library, so that a change in
// the model's file does not compile it again.
#include <osteon/sdk/torch/model.hpp>
#include <osteon/sdk/torch/model_functions.hpp>
