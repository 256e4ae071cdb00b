/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Predictors: from images to predictions. A model under the host is one; a post-processor makes one out of another; so
 * they compose in any order. */
#ifndef OSTEON_ABI_PREDICTOR_H
#define OSTEON_ABI_PREDICTOR_H

#include "call.h"
#include "labels.h"

/** An image. Borrowed for the call. Intensities are normalised to 0..1 once, at the root; mean, standard deviation,
 * channels and resize happen in the leaf, the model. */
typedef struct osteon_image {
  uint32_t struct_size;
  uint32_t flags;            /**< 0 */
  osteon_tensor_view pixels; /**< [H, W, C] float32, C of 1 or 3 (RGB) */
  /** Row-major 2 x 3: a pixel of this image to one of the root image, the file. Pixel centres are whole numbers. A
   * post-processor that cuts or turns an image composes it, so that what lies beneath can know where it is. */
  double to_root[6];
  const char* root; /**< name of the root image, for messages and caches; NULL: unknown */
} osteon_image;

/** Forms of a prediction. */
enum {
  OSTEON_FORM_LOGITS = 1,        /**< float32 [K, H, W] */
  OSTEON_FORM_PROBABILITIES = 2, /**< float32 [K, H, W], 0..1 */
  OSTEON_FORM_BITS = 3 /**< int32 [ceil(K / 32), H, W]: decided masks, as bit planes over the listed classes */
};
/** Grids of a prediction. */
enum {
  OSTEON_GRID_MODEL = 1, /**< whatever the model gave; prediction.to_image says where its pixels lie */
  OSTEON_GRID_IMAGE = 2  /**< a pixel for a pixel of the image */
};
/** Sets of forms and of grids: bit f stands for OSTEON_FORM_* or OSTEON_GRID_* of number f. */
#define OSTEON_SET(f) (1u << (f))

/** Scales at which the leaf sees an image. */
enum {
  OSTEON_SCALE_RECIPE = 1, /**< resized to the recipe's image size */
  OSTEON_SCALE_NATIVE = 2  /**< as it is, padded to the model's multiple; what tiles ask for */
};

/** What is asked of a predictor. Borrowed for the call. */
typedef struct osteon_predict_request {
  uint32_t struct_size;
  uint32_t form;  /**< OSTEON_FORM_* */
  uint32_t grid;  /**< OSTEON_GRID_* */
  uint32_t scale; /**< OSTEON_SCALE_* */
  /** Channel numbers that are wanted, rising; the prediction has these, in this order. n_classes 0: all. */
  uint64_t n_classes;
  const int32_t* classes;
} osteon_predict_request;

/** A prediction. An out-struct: the caller sets struct_size and zeroes the rest; after OSTEON_OK it owns `values` and
 * may work in it in place. */
typedef struct osteon_prediction {
  uint32_t struct_size;
  uint32_t form;  /**< OSTEON_FORM_* */
  uint32_t flags; /**< 0; `to_image` says all that there is to say about the grid */
  uint32_t reserved;
  osteon_tensor values;
  double to_image[6]; /**< row-major 2 x 3: a pixel of the grid to one of the image that was predicted */
} osteon_prediction;

/** A predictor. The host makes them; [any-thread]; valid as long as who gave it says. */
typedef struct osteon_predictor {
  uint32_t struct_size;
  uint32_t flags;  /**< 0 */
  uint32_t labels; /**< OSTEON_LABELS_* */
  uint32_t reserved;
  int64_t n_classes; /**< of all its classes, as the data counts them */
  const char* const* class_names;
  void* host; /**< the host's own */

  /** Predicts `n` images, which may differ in size; predictions[i] is that of images[i]. What is asked for is what is
   * given: form, grid and classes. The leaf queues and batches, so many images in one call, and many calls at once, are
   * both fine. Returns OSTEON_OK or what failed beneath; then no prediction is owned by the caller. [any-thread] */
  osteon_status (*predict)(const osteon_call* call, const struct osteon_predictor* self, uint64_t n,
                           const osteon_image* const* images, const osteon_predict_request* request,
                           osteon_prediction* const* predictions, osteon_error* error);

  /** What it can be asked for: OSTEON_SET of OSTEON_FORM_* and of OSTEON_GRID_*. */
  uint32_t gives_forms;
  uint32_t gives_grids;
} osteon_predictor;

/** Service "osteon.resample/1": the one place where grids and forms change. */
typedef struct osteon_resample_service {
  uint32_t struct_size;
  uint32_t flags; /**< 0 */

  /** Brings a prediction of an image of `height` x `width` to the form and grid of `request`, in place: resizes logits
   * or probabilities bilinearly by prediction.to_image, turns logits into probabilities. Works by class groups; the
   * peak is one output. Probabilities do not go back to logits, nor bits to anything: OSTEON_UNSUPPORTED. On failure
   * the prediction is as it was. [any-thread] */
  osteon_status (*convert)(const osteon_call* call, const osteon_predictor* of, const osteon_predict_request* request,
                           int64_t height, int64_t width, osteon_prediction* prediction, osteon_error* error);
} osteon_resample_service;
#define OSTEON_SERVICE_RESAMPLE "osteon.resample/1"

#endif
