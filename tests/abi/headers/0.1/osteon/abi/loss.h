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
  uint32_t labels; /**< OSTEON_LABELS_* */
  int64_t n_classes;
  const char* const* class_names;
} osteon_loss_request;

enum {
  OSTEON_LOSS_ACCUMULATE = 1u << 0 /**< add to `grad`, so that several losses share one buffer; else overwrite it */
};

/** One evaluation. Borrowed for the call. */
typedef struct osteon_loss_input {
  uint32_t struct_size;
  uint32_t flags;                   /**< OSTEON_LOSS_* */
  const osteon_tensor_view* logits; /**< [N, K, H, W], float32, float16 or bfloat16 */
  /** Bit planes [N, P, H, W] of int32, P = ceil(K / 32): class c is bit c % 32 of plane c / 32. Bit 31 is a class like
   * any other: shift unsigned. */
  const osteon_tensor_view* target;
  const osteon_tensor_view* valid; /**< uint8 [N, H, W], 0 where the pixel contributes nothing; NULL: all valid */
  const osteon_tensor_view* sample_weight; /**< float32 [N]; NULL: all 1 */
  /** Factor on the gradient alone (loss weight x head weight x loss scale / accumulation steps). Applied in float32 or
   * better, before any narrowing: a mean-reduced gradient of 8e-9 is zero in float16 unless it is scaled first. */
  double grad_scale;
  const osteon_tensor_view*
      grad; /**< gets grad_scale x d value / d logits, shape and dtype of logits; NULL: no gradient */
} osteon_loss_input;

typedef struct osteon_loss_api {
  uint32_t struct_size;
  uint32_t flags; /**< 0 */

  /** Makes a loss. OSTEON_UNSUPPORTED when it has no meaning for such labels; OSTEON_INVALID_ARGUMENT for values that
   * do not go together. The caller owns `*out`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_loss_request* request, osteon_loss** out, osteon_error* error);

  /** NULL is ignored. [one-call-per-instance] */
  void (*destroy)(osteon_loss* loss);

  /** Evaluates. `*value` gets the loss without grad_scale. With no valid pixel the value and the gradient are 0.
   * OSTEON_INVALID_ARGUMENT when shapes do not fit, OSTEON_UNSUPPORTED for a dtype that the component does not list.
   * [any-thread] */
  osteon_status (*evaluate)(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* input, double* value,
                            osteon_error* error);
} osteon_loss_api;

#endif
