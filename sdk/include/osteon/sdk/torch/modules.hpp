// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The modules of torch::nn that networks for images are made of, and what begins their weights. <torch/nn.h> has the
/// rest (recurrent layers, transformers, losses, all of torch::nn::functional), and adds a sixth to the time of each
/// compilation.
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/functional.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/pooling.h>
#include <torch/nn/modules/upsampling.h>
