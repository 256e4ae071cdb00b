/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * How the classes of the data relate. Wherever labels cross, they are bit planes of int32 [.., P, H, W], P = ceil(K /
 * 32): class c is bit c % 32 of plane c / 32. Bit 31 is a class like any other: shift unsigned. */
#ifndef OSTEON_ABI_LABELS_H
#define OSTEON_ABI_LABELS_H

enum {
  OSTEON_LABELS_MULTILABEL = 1, /**< any number of classes per pixel; probabilities are sigmoid(logit) */
  OSTEON_LABELS_MULTICLASS = 2  /**< exactly one class per valid pixel; probabilities are softmax(logits) */
};

#endif
