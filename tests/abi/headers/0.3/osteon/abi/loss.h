/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Losses: a value and its gradient with respect to logits. */
#ifndef OSTEON_ABI_LOSS_H
#define OSTEON_ABI_LOSS_H

#include "call.h"
#include "labels.h"
#include "params.h"

typedef struct osteon_loss osteon_loss; /**< an instance */

/** What the data asks of a loss. */
typedef struct osteon_loss_request {
  uint32_t struct_size;
  uint32_t flags;  /**< no bit is known yet */
  uint32_t labels; /**< OSTEON_LABELS_* */
  uint32_t reserved;
  int64_t n_classes;
  const char* const* class_names;
} osteon_loss_request;

/** Flags of osteon_loss_input. All must be understood: a loss that does not know one returns OSTEON_UNSUPPORTED. */
enum {
  OSTEON_LOSS_ACCUMULATE = 1u << 0,   /**< add to `grad`, so that several losses share one buffer; else overwrite it */
  OSTEON_LOSS_PIXEL_WEIGHT = 1u << 1, /**< `pixel_weight` counts */
  OSTEON_LOSS_CLASS_VALID = 1u << 2,  /**< `class_valid` counts */
  OSTEON_LOSS_SOFT_TARGET = 1u << 3   /**< `soft_target` counts, and `target` is NULL */
};

/** One evaluation. Borrowed for the call. `grad` shares memory with nothing else; all other tensors are read only. */
typedef struct osteon_loss_input {
  uint32_t struct_size;
  uint32_t flags;                   /**< OSTEON_LOSS_* */
  const osteon_tensor_view* logits; /**< [N, K, H, W], float32, float16 or bfloat16 */
  /** Bit planes [N, P, H, W] of int32, P = ceil(K / 32): class c is bit c % 32 of plane c / 32. Bit 31 is a class like
   * any other: shift unsigned. */
  const osteon_tensor_view* target;
  const osteon_tensor_view* valid; /**< uint8 [N, H, W], 0 where the pixel contributes nothing; NULL: all valid */
  const osteon_tensor_view* sample_weight; /**< float32 [N], at least 0; NULL: all 1 */
  /** Factor on the gradient alone (loss weight x head weight x loss scale / accumulation steps). Applied in float32 or
   * better, before any narrowing: a mean-reduced gradient of 8e-9 is zero in float16 unless it is scaled first. */
  double grad_scale;
  /** Gets grad_scale x d value / d logits, shape and dtype of logits; in place with OSTEON_LOSS_ACCUMULATE. NULL: no
   * gradient. */
  const osteon_tensor_view* grad;
  /** float32 [N, H, W], at least 0: what each pixel counts beside the others of its image. NULL without
   * OSTEON_LOSS_PIXEL_WEIGHT. */
  const osteon_tensor_view* pixel_weight;
  /** uint8 [N, K]: 0 where nobody knows whether the class is in the image; its logits contribute nothing there. NULL
   * without OSTEON_LOSS_CLASS_VALID. */
  const osteon_tensor_view* class_valid;
  /** float32 [N, K, H, W], 0..1: how much of each class a pixel is. NULL without OSTEON_LOSS_SOFT_TARGET. */
  const osteon_tensor_view* soft_target;
} osteon_loss_input;

typedef struct osteon_loss_api {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Makes a loss. OSTEON_UNSUPPORTED when it has no meaning for such labels; OSTEON_INVALID_ARGUMENT for values that
   * do not go together. The caller owns `*out`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_loss_request* request, osteon_loss** out, osteon_error* error);

  /** NULL is ignored. [one-call-per-instance] */
  void (*destroy)(osteon_loss* loss);

  /** Evaluates. `*value` gets the loss without grad_scale. With no valid pixel the value and the gradient are 0.
   * OSTEON_INVALID_ARGUMENT when shapes do not fit, OSTEON_UNSUPPORTED for a dtype that the component does not list and
   * for a flag that it does not know. [any-thread] */
  osteon_status (*evaluate)(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* input, double* value,
                            osteon_error* error);
} osteon_loss_api;

#endif
