// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/kernel_choice.hpp"
#include "engine/kernel_reference.hpp"

namespace osteon::engine {

/// What an operation is applied to.
struct Operand {
  std::string name;  ///< "image", "weights", "bias"
  std::vector<std::int64_t> shape;
  bool parameter = false;  ///< of a layer: stays float32 in mixed precision, where autocast narrows it if need be
};

/// One operation of training and prediction.
struct KernelCase {
  std::string operation;  ///< "3x3 convolution of 32 to 32 channels, 24 x 32"
  std::vector<Operand> operands;
  std::vector<std::int64_t> output;  ///< its shape
  std::function<at::Tensor(const std::vector<at::Tensor>&)> run;
  std::function<ExpectedResults(const std::vector<Numbers>& operands, const Numbers& cotangent)> expect;
};

/// Convolutions (plain, strided, dilated, in groups, depthwise, 1x1, transposed), linear layers, batch and layer
/// normalisation, attention; on maps that are square, wide and high, with channels that fill vectors and that do not.
const std::vector<KernelCase>& kernel_cases();

/// What an operation gave.
struct ComputedResults {
  at::Tensor output;
  std::vector<at::Tensor> gradients;  ///< of <output, cotangent> by each operand
};
using ComputeResults = std::function<ComputedResults(const KernelCase&, const std::vector<at::Tensor>& operands,
                                                     const at::Tensor& cotangent)>;

/// By LibTorch, as models do: the way there under autocast where operands are bfloat16.
ComputedResults compute_with_libtorch(const KernelCase& kernel, const std::vector<at::Tensor>& operands,
                                      const at::Tensor& cotangent);

/// Runs each case in float32 and then in bfloat16, by one thread on contiguous memory and by several on channels-last,
/// and compares with the reference on the same rounded operands, which are drawn from a fixed seed. A number that is
/// not finite is a fault, and so is one that is off by more than 4 u sqrt(terms) of the greatest, u being half the
/// precision's epsilon: who adds up in another order comes nowhere near. At most one fault for each case and precision.
/// `begin` is told each of them before it runs.
std::vector<KernelFault> test_kernels(
    const ComputeResults& compute = compute_with_libtorch,
    const std::function<void(const std::string& precision, const std::string& operation)>& begin = {});

/// Memory that is allocated from now on holds NaN until it is written (with the GNU C library), so that a kernel that
/// computes with what nobody wrote is found out on its first run and not in some later step. For a process that tests.
void fill_new_memory_with_nan();

/// Ends this process by SIGXCPU after a minute of processor time, for a kernel may come to no end. For a process that
/// tests.
void limit_processor_time();

}  // namespace osteon::engine
