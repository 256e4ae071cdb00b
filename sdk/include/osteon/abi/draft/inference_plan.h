/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Draft extension of models: which of several equal ways to predict an instance has chosen, and from what figures. For
 * logs, run folders and benchmarks; nothing is decided by it. */
#ifndef OSTEON_ABI_DRAFT_INFERENCE_PLAN_H
#define OSTEON_ABI_DRAFT_INFERENCE_PLAN_H

#include "../model.h"

/** What osteon_component.extension gives for OSTEON_EXTENSION_INFERENCE_PLAN. Lives as long as the library. */
typedef struct osteon_inference_plan {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Calls `line(user, text)` for each remembered input shape, the one used last first. `text` is one line of UTF-8 for
   * a person: shape, precision, device and threads, what each way took, and which one runs; valid during that call of
   * `line`. No line when nothing was predicted yet. Returns OSTEON_OK or OSTEON_OUT_OF_MEMORY. [any-thread] while
   * inference forwards run; not beside anything else of the instance. */
  osteon_status (*describe)(osteon_model* model, void (*line)(void* user, const char* text), void* user,
                            osteon_error* error);
} osteon_inference_plan;
#define OSTEON_EXTENSION_INFERENCE_PLAN "osteon.inference-plan/1"

#endif
