/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Post-processors: turn a predictor into a predictor. Test-time augmentation and sliding windows call the inner one
 * several times, a CRF once, a crop refiner calls it once and a second predictor once. */
#ifndef OSTEON_ABI_POSTPROCESSOR_H
#define OSTEON_ABI_POSTPROCESSOR_H

#include "params.h"
#include "predictor.h"

typedef struct osteon_postprocessor osteon_postprocessor; /**< an instance */

/** What the data asks of a post-processor. */
typedef struct osteon_postprocessor_request {
  uint32_t struct_size;
  uint32_t flags;  /**< no bit is known yet */
  uint32_t labels; /**< OSTEON_LABELS_* */
  uint32_t reserved;
  int64_t n_classes;
  const char* const* class_names;
  const int32_t* mirrored; /**< as in osteon_augmentation_request; NULL: each class stays what it is */
} osteon_postprocessor_request;

enum {
  OSTEON_POSTPROCESSOR_MAP = 1,    /**< one inner call on the same images; changes what comes back */
  OSTEON_POSTPROCESSOR_WRAPPER = 2 /**< anything else */
};

/** Flags of osteon_postprocessor_info. */
enum {
  OSTEON_POSTPROCESSOR_FITS = 1u << 0 /**< its state (osteon_fit, which it then has) must have been fitted or loaded
                                         before `process` */
};

/** What an instance accepts from below and gives upwards; `recipe check` type-checks a chain with it. */
typedef struct osteon_postprocessor_info {
  uint32_t struct_size;
  uint32_t flags;       /**< OSTEON_POSTPROCESSOR_FITS */
  uint32_t shape;       /**< OSTEON_POSTPROCESSOR_* */
  uint32_t needs_forms; /**< it can work with any one of these from below, OSTEON_SET of OSTEON_FORM_* */
  uint32_t needs_grids; /**< likewise OSTEON_GRID_* */
  uint32_t gives_forms; /**< what it can be asked for */
  uint32_t gives_grids;
  uint32_t reserved;
} osteon_postprocessor_info;

typedef struct osteon_postprocessor_api {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Makes a post-processor. The caller owns `*out`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_postprocessor_request* request, osteon_postprocessor** out, osteon_error* error);

  /** NULL is ignored. [one-call-per-instance] */
  void (*destroy)(osteon_postprocessor* post);

  /** Belongs to the instance and does not change. [any-thread] */
  const osteon_postprocessor_info* (*info)(const osteon_postprocessor* post);

  /** Predicts through `inner`, which lives for the call. Otherwise as osteon_predictor.predict: what `request` asks for
   * is what `predictions` get; forms and grids are among those that `info` gives. `images` are read only. What it asks
   * of `inner` is a request of its own: flags that it does not know are not passed on. [any-thread] */
  osteon_status (*process)(const osteon_call* call, const osteon_postprocessor* post, const osteon_predictor* inner,
                           uint64_t n, const osteon_image* const* images, const osteon_predict_request* request,
                           osteon_prediction* const* predictions, osteon_error* error);

  /** Opens a prediction of one image, to be read in bands; as osteon_predictor.open, over `inner`, which lives until
   * `close`. For post-processors whose bands need no more of `inner` than bands: a map of each pixel, a window that
   * slides. NULL, or `*out` left NULL: the host asks `process` for the whole and cuts it. [any-thread] */
  osteon_status (*open)(const osteon_call* call, const osteon_postprocessor* post, const osteon_predictor* inner,
                        const osteon_image* image, const osteon_predict_request* request, osteon_reading** out,
                        osteon_error* error);

  /** As osteon_predictor.read; the host never asks for more rows than are left. There when `open` is.
   * [one-call-per-instance] */
  osteon_status (*read)(const osteon_call* call, const osteon_postprocessor* post, osteon_reading* reading,
                        int64_t rows, osteon_prediction* prediction, osteon_error* error);

  /** As osteon_predictor.close. There when `open` is. [one-call-per-instance] */
  void (*close)(const osteon_postprocessor* post, osteon_reading* reading);
  /** Since 0.3; NULL: the host has to make an instance to know. What an instance that is made of `values` says of
   * itself over `beneath`, without one: chains are typed with it before anything is made. `values` has an element for
   * each parameter, NULL but for those that are one choice or one boolean: the answer depends on these and on `beneath`
   * alone. So the host asks for each combination when it first sees the library, and keeps the answers; of a component
   * with more than 64 combinations, or a combination that is answered by a failure, it knows nothing before it makes
   * one.
   *
   * Flags, shape and what it needs do not depend on what `beneath` gives. An instance's `info` is the answer where
   * everything can be asked for beneath; over less, the answer may give less. The caller sets out->struct_size.
   * [any-thread] */
  osteon_status (*types)(const osteon_value* const* values, const osteon_beneath* beneath,
                         osteon_postprocessor_info* out, osteon_error* error);
} osteon_postprocessor_api;

#endif
