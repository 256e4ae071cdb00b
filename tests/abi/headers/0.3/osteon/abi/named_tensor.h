/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Tensors with names: the weights of a model, the fitted state of an ensembler or post-processor. */
#ifndef OSTEON_ABI_NAMED_TENSOR_H
#define OSTEON_ABI_NAMED_TENSOR_H

#include "tensor.h"

/** Roles of tensors. */
enum {
  OSTEON_TENSOR_PARAMETER = 1, /**< learnt from its gradient; float32 */
  OSTEON_TENSOR_BUFFER = 2 /**< kept with the weights, not learnt: running statistics, counters, what was fitted; any
                                dtype */
};
/** Flags of tensors. */
enum {
  OSTEON_TENSOR_NO_DECAY = 1u << 16 /**< weight decay leaves it alone: biases, scales of normalisation */
};
/** Parts of a network. */
enum { OSTEON_PART_UNKNOWN = 0, OSTEON_PART_ENCODER = 1, OSTEON_PART_DECODER = 2, OSTEON_PART_HEAD = 3 };

/** A parameter or buffer. The host may keep the addresses until the function that gave them says that they change. */
typedef struct osteon_named_tensor {
  uint32_t struct_size;
  uint32_t flags;           /**< OSTEON_TENSOR_NO_DECAY */
  uint32_t role;            /**< OSTEON_TENSOR_* */
  uint32_t part;            /**< OSTEON_PART_*; so that parts can be frozen, or learn at rates of their own */
  int64_t depth;            /**< stages between it and the input, from 0 on; -1: unknown */
  const char* name;         /**< as public checkpoints of the architecture name it: "encoder.conv1.weight" */
  osteon_tensor_view value; /**< written by the host in place */
  osteon_tensor_view grad;  /**< same shape, float32; `data` is NULL for what is not trained. The host zeroes it and
                               works  on it in place; backward adds */
} osteon_named_tensor;

#endif
