/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Tensors that cross the boundary. */
#ifndef OSTEON_ABI_TENSOR_H
#define OSTEON_ABI_TENSOR_H

#include "version.h"

/** Where memory lies. Numbers are DLPack's. */
typedef struct osteon_device {
  int32_t type; /**< OSTEON_DEVICE_* */
  int32_t id;   /**< 0 for the CPU */
} osteon_device;
enum { OSTEON_DEVICE_CPU = 1, OSTEON_DEVICE_CUDA = 2 };

/** Type of an element. Numbers are DLPack's. */
typedef struct osteon_dtype {
  uint8_t code; /**< OSTEON_DTYPE_* */
  uint8_t bits; /**< of one lane */
  uint16_t lanes;
} osteon_dtype;
enum {
  OSTEON_DTYPE_INT = 0,
  OSTEON_DTYPE_UINT = 1,
  OSTEON_DTYPE_FLOAT = 2,
  OSTEON_DTYPE_BFLOAT = 4,
  OSTEON_DTYPE_BOOL = 6 /**< 8 bits: 0 or 1 */
};

/** A tensor that somebody else owns, borrowed for the call (or for as long as the function that gives it says).
 *
 * Layout and meaning are exactly those of DLPack's DLTensor; this one struct carries no struct_size and never changes.
 * Canonical form, which every view that crosses has:
 *  - byte_offset is 0: LibTorch ignores it on import;
 *  - strides is not NULL, counts elements, and none is negative: LibTorch ends the process on a negative one;
 *  - it is contiguous: row-major, without gaps or overlaps. Strides of dimensions of size 1 or 0, and of tensors
 * without elements, mean nothing;
 *  - data is aligned to 64 bytes, or NULL when there are no elements. A sender that cannot, copies first.
 *
 * What a function may do with an argument: unless its comment says "in place" or "gets", a view is read only, stays
 * unchanged during the call, and may share memory with other read-only arguments. A view that is written shares memory
 * with no other argument of the call. */
typedef struct osteon_tensor_view {
  void* data;
  osteon_device device;
  int32_t ndim;
  osteon_dtype dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
} osteon_tensor_view;

/** A tensor with its owner. Frozen.
 *
 * As an out-argument the caller sets struct_size and zeroes the rest; the callee fills it in only when it returns
 * OSTEON_OK. From then on the caller owns it and calls `release` exactly once. Its memory is its own: no other tensor
 * or argument lies in it, and the caller may write to it. */
typedef struct osteon_tensor {
  uint32_t struct_size;
  uint32_t flags; /**< 0 */
  osteon_tensor_view view;
  void* owner; /**< for `release` alone */
  /** Gives the memory, `view.shape` and `view.strides` back. [any-thread], with no lock held; may be called long after
   * the call that made the tensor, and after its instance was destroyed. Never NULL in a tensor that is owned. */
  void (*release)(struct osteon_tensor* self);
} osteon_tensor;

#endif
