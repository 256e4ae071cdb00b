/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Fitting: what an ensembler or a post-processor learns from predictions and the truth, such as weights of members,
 * temperatures, thresholds. The same for both kinds; a post-processor has one member, what lies beneath it. */
#ifndef OSTEON_ABI_FIT_H
#define OSTEON_ABI_FIT_H

#include "band.h"
#include "call.h"
#include "named_tensor.h"

/** What is fitted on. Borrowed for the call. */
typedef struct osteon_fit_request {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  int64_t n_members;
  /** float64 [n_members, n_classes], validation Dice of each member, NaN where unknown; NULL when there is none. */
  const osteon_tensor_view* dice;
} osteon_fit_request;

/** One band of one image. Borrowed for the call; nothing is written to. */
typedef struct osteon_fit_sample {
  uint32_t struct_size;
  uint32_t flags;    /**< no bit is known yet */
  const char* image; /**< the image's id: all bands of an image have the same, and no other image has it */
  const osteon_band* band;
  uint64_t n_members;
  /** What each member says: floats [n_classes of the band, height, width] or bit planes over the band's classes, in the
   * form that the component's info takes. NULL: the member has nothing to say of this image or of these classes. */
  const osteon_tensor_view* const* members;
  const osteon_tensor_view* target; /**< the truth as bit planes int32 [P, H, W] over all classes */
  const osteon_tensor_view* valid;  /**< uint8 [H, W]; NULL: all valid */
  const uint8_t*
      class_valid; /**< 0 where nobody knows whether the class is in the image, by channel number; NULL: known */
} osteon_fit_sample;

/** What osteon_component.extension gives for OSTEON_EXTENSION_FIT. Lives as long as the library. `instance` is the
 * osteon_ensembler* or osteon_postprocessor*. */
typedef struct osteon_fit {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** The state that must survive; `grad` has no data. The host saves it with the run, and writes loaded values to it in
   * place, only while nothing else of the instance runs. The array and its addresses are valid until `destroy`.
   * [one-call-per-instance] */
  osteon_status (*tensors)(const osteon_call* call, void* instance, uint64_t* count,
                           const osteon_named_tensor* const** out, osteon_error* error);

  /** Begins fitting and forgets an earlier fit. [one-call-per-instance] */
  osteon_status (*begin)(const osteon_call* call, void* instance, const osteon_fit_request* request,
                         osteon_error* error);

  /** One band. The bands of one image come one after the other; images in any order, the same in every pass.
   * [one-call-per-instance] */
  osteon_status (*add)(const osteon_call* call, void* instance, const osteon_fit_sample* sample, osteon_error* error);

  /** All has been added. `*again` non-zero: the host adds everything once more, and ends once more. Else the fit is
   * done and `tensors` have their values. [one-call-per-instance] */
  osteon_status (*end)(const osteon_call* call, void* instance, int32_t* again, osteon_error* error);

  /** The host wrote to values of `tensors`. [one-call-per-instance] */
  void (*changed)(void* instance);
} osteon_fit;
#define OSTEON_EXTENSION_FIT "osteon.fit/1"

#endif
