/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Ensemblers: combine the predictions of several members, streaming, so that memory grows neither with the members nor
 * with the image. */
#ifndef OSTEON_ABI_ENSEMBLER_H
#define OSTEON_ABI_ENSEMBLER_H

#include "model.h"
#include "predictor.h"

typedef struct osteon_ensembler osteon_ensembler;       /**< an instance with its fitted state */
typedef struct osteon_accumulation osteon_accumulation; /**< one image, one class group, one row band being combined */

/** What is asked of an ensembler. */
typedef struct osteon_ensembler_request {
  uint32_t struct_size;
  uint32_t labels; /**< OSTEON_LABELS_* */
  int64_t n_classes;
  const char* const* class_names;
  int64_t n_members;
  const char* const* member_names; /**< unique; an ensembler that has weights by member finds them by these */
} osteon_ensembler_request;

typedef struct osteon_ensembler_info {
  uint32_t struct_size;
  uint32_t
      takes; /**< the form that `add` wants: OSTEON_FORM_PROBABILITIES, _LOGITS or _BITS (members' own thresholds) */
  uint32_t gives; /**< the form that `finish` gives: OSTEON_FORM_PROBABILITIES or _BITS */
  uint32_t
      fits; /**< 1: fit_* must have run, or its tensors must have been loaded, before `begin`; 0: it needs neither */
} osteon_ensembler_info;

/** A part of the common grid: rows first_row .. first_row + height of all `width` columns, for some classes. */
typedef struct osteon_band {
  uint32_t struct_size;
  uint32_t flags; /**< 0 */
  int64_t first_row;
  int64_t height;
  int64_t width;
  uint64_t n_classes;
  const int32_t* classes; /**< channel numbers, rising */
} osteon_band;

typedef struct osteon_ensembler_api {
  uint32_t struct_size;
  uint32_t flags; /**< 0 */

  /** Makes an ensembler. The caller owns `*out`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_ensembler_request* request, osteon_ensembler** out, osteon_error* error);

  /** NULL is ignored; no accumulation is alive. [one-call-per-instance] */
  void (*destroy)(osteon_ensembler* ensembler);

  /** Belongs to the instance and does not change. [any-thread] */
  const osteon_ensembler_info* (*info)(const osteon_ensembler* ensembler);

  /** The state that must survive (fitted weights), as in osteon_model_api.tensors; `grad` has no data. The host saves
   * and loads it, and writes to it in place only before `begin` and outside fitting. May be NULL when there is no
   * state. [one-call-per-instance] */
  osteon_status (*tensors)(osteon_ensembler* ensembler, uint64_t* count, const osteon_named_tensor* const** out,
                           osteon_error* error);

  /** Begins fitting and forgets an earlier fit. `dice` is float64 [n_members, n_classes], validation Dice of each
   * member, NaN where unknown; NULL when there is none. fit_* are NULL when info.fits is 0. [one-call-per-instance] */
  osteon_status (*fit_begin)(const osteon_call* call, osteon_ensembler* ensembler, const osteon_tensor_view* dice,
                             osteon_error* error);

  /** One band of one image: what each member says of it, in the form that `info` takes, and the truth as bit planes
   * int32 [P, H, W] over all classes. Borrowed for the call. [one-call-per-instance] */
  osteon_status (*fit_add)(const osteon_call* call, osteon_ensembler* ensembler, const osteon_band* band,
                           uint64_t n_members, const osteon_tensor_view* const* members,
                           const osteon_tensor_view* target, const osteon_tensor_view* valid, osteon_error* error);

  /** Ends fitting; `tensors` have their values. [one-call-per-instance] */
  osteon_status (*fit_end)(const osteon_call* call, osteon_ensembler* ensembler, osteon_error* error);

  /** Whether `member` can change the result of `class_index`; a property of the fitted state. The host does not run
   * members that nobody needs; one that a single class of a group needs is added for the whole group. [any-thread] */
  int32_t (*needed)(const osteon_ensembler* ensembler, int64_t member, int64_t class_index);

  /** Begins one band. The caller owns `*out` and ends it with `finish`. [any-thread] */
  osteon_status (*begin)(const osteon_call* call, const osteon_ensembler* ensembler, const osteon_band* band,
                         osteon_accumulation** out, osteon_error* error);

  /** Adds one needed member: float32 [n_classes of the band, height, width], or bit planes over the band's classes.
   * Each needed member once, in any order; the order changes means by at most 1e-6 and votes not at all. Several bands
   * may be worked on at once, one accumulation by one thread at a time. */
  osteon_status (*add)(const osteon_call* call, osteon_accumulation* accumulation, int64_t member,
                       const osteon_tensor_view* prediction, osteon_error* error);

  /** Ends the band, whatever it returns. `out` gets the combination, shaped as what was added, or as bit planes when
   * info.gives says so; the caller owns it. NULL: drop the band. [any-thread] */
  osteon_status (*finish)(const osteon_call* call, osteon_accumulation* accumulation, osteon_tensor* out,
                          osteon_error* error);
} osteon_ensembler_api;

#endif
