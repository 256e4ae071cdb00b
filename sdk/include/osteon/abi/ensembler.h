/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Ensemblers: combine the predictions of several members, streaming, so that memory grows neither with the members nor
 * with the image. */
#ifndef OSTEON_ABI_ENSEMBLER_H
#define OSTEON_ABI_ENSEMBLER_H

#include "band.h"
#include "params.h"
#include "predictor.h"

typedef struct osteon_ensembler osteon_ensembler;       /**< an instance with its fitted state */
typedef struct osteon_accumulation osteon_accumulation; /**< one image, one class group, one row band being combined */

/** What is asked of an ensembler. */
typedef struct osteon_ensembler_request {
  uint32_t struct_size;
  uint32_t flags;  /**< no bit is known yet */
  uint32_t labels; /**< OSTEON_LABELS_* */
  uint32_t reserved;
  int64_t n_classes;
  const char* const* class_names;
  int64_t n_members;
  const char* const* member_names; /**< unique; an ensembler that has weights by member finds them by these */
  /** [n_members, n_classes] row-major: 0 where the member has nothing to say of the class; NULL: all have all. */
  const uint8_t* has_class;
} osteon_ensembler_request;

/** Flags of osteon_ensembler_info. */
enum {
  OSTEON_ENSEMBLER_FITS = 1u << 0 /**< its state (osteon_fit, which it then has) must have been fitted or loaded before
                                       `begin` */
};

typedef struct osteon_ensembler_info {
  uint32_t struct_size;
  uint32_t flags; /**< OSTEON_ENSEMBLER_FITS */
  uint32_t
      takes; /**< the form that `add` wants: OSTEON_FORM_PROBABILITIES, _LOGITS or _BITS (members' own thresholds) */
  uint32_t gives; /**< the form that `finish` gives: OSTEON_FORM_PROBABILITIES or _BITS */
} osteon_ensembler_info;

typedef struct osteon_ensembler_api {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Makes an ensembler. The caller owns `*out`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_ensembler_request* request, osteon_ensembler** out, osteon_error* error);

  /** NULL is ignored; no accumulation is alive. [one-call-per-instance] */
  void (*destroy)(osteon_ensembler* ensembler);

  /** Belongs to the instance and does not change. [any-thread] */
  const osteon_ensembler_info* (*info)(const osteon_ensembler* ensembler);

  /** Whether `member` can change the result of `class_index`; a property of the fitted state, and never so for a class
   * that the member does not have. The host does not run members that nobody needs; one that a single class of a group
   * needs is added for the whole group. [any-thread] */
  int32_t (*needed)(const osteon_ensembler* ensembler, int64_t member, int64_t class_index);

  /** Begins one band. The caller owns `*out` and ends it with `finish`. [any-thread] */
  osteon_status (*begin)(const osteon_call* call, const osteon_ensembler* ensembler, const osteon_band* band,
                         osteon_accumulation** out, osteon_error* error);

  /** Adds one needed member: float32 [n_classes of the band, height, width], or bit planes over the band's classes.
   * Where the member does not have a class, what stands there means nothing and must not count. Each needed member
   * once, in any order; the order changes means by at most 1e-6 and votes not at all. Several bands may be worked on at
   * once, one accumulation by one thread at a time. */
  osteon_status (*add)(const osteon_call* call, osteon_accumulation* accumulation, int64_t member,
                       const osteon_tensor_view* prediction, osteon_error* error);

  /** Ends the band, whatever it returns. `out` gets the combination, shaped as what was added, or as bit planes when
   * info.gives says so; the caller owns it. NULL: drop the band. [any-thread] */
  osteon_status (*finish)(const osteon_call* call, osteon_accumulation* accumulation, osteon_tensor* out,
                          osteon_error* error);

  /** Since 0.3; NULL: the host has to make an instance to know. As osteon_postprocessor_api.types: `beneath` gives what
   * every member can be asked for, and `takes` does not depend on it, nor do flags. [any-thread] */
  osteon_status (*types)(const osteon_value* const* values, const osteon_beneath* beneath, osteon_ensembler_info* out,
                         osteon_error* error);
} osteon_ensembler_api;

#endif
