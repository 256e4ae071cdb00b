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
  uint32_t flags;            /**< no bit is known yet */
  osteon_tensor_view pixels; /**< [H, W, C] float32, C of 1 or 3 (RGB) */
  /** Row-major 2 x 3, finite: a pixel of this image to one of the root image, the file. Pixel centres are whole
   * numbers. A post-processor that cuts or turns an image composes it, so that what lies beneath can know where it is.
   */
  double to_root[6];
  const char* root; /**< name of the root image, for messages, notes and caches; NULL: unknown */
  /** SHA-256 of the root image's pixels, 32 bytes: two images with one digest and one to_root have the same pixels.
   * NULL: unknown, and what is made of it cannot be kept. */
  const uint8_t* digest;
  double spacing[2]; /**< of the root image, mm per pixel: of rows, of columns; 0: unknown */
  const void* host; /**< the host's own, of the root image (its grey values). Who makes an image of another hands it on;
                         NULL where there is none */
} osteon_image;

/** Forms of a prediction. */
enum {
  OSTEON_FORM_LOGITS = 1,        /**< floats [K, H, W] */
  OSTEON_FORM_PROBABILITIES = 2, /**< floats [K, H, W], 0..1 */
  OSTEON_FORM_BITS = 3 /**< int32 [ceil(K / 32), H, W]: decided masks, as bit planes over the listed classes */
};
/** Grids of a prediction. */
enum {
  OSTEON_GRID_MODEL = 1, /**< whatever the model gave; prediction.to_image says where its pixels lie */
  OSTEON_GRID_IMAGE = 2  /**< a pixel for a pixel of the image */
};
/** Element types of logits and probabilities. */
enum { OSTEON_ELEMENT_FLOAT32 = 1, OSTEON_ELEMENT_FLOAT16 = 2, OSTEON_ELEMENT_BFLOAT16 = 3 };
/** Sets: bit f stands for OSTEON_FORM_*, OSTEON_GRID_* or OSTEON_ELEMENT_* of number f. */
#define OSTEON_SET(f) (1u << (f))

/** Scales at which the leaf sees an image. */
enum {
  OSTEON_SCALE_RECIPE = 1, /**< resized to the recipe's image size */
  OSTEON_SCALE_NATIVE = 2  /**< as it is, padded to the model's multiple; what tiles ask for */
};

/** Flags of osteon_predict_request. */
enum {
  /** The asker looks at each prediction's `status`: an image that cannot be predicted does not fail the others. Without
   * it one bad image fails the call with OSTEON_BAD_INPUT. */
  OSTEON_PREDICT_EACH = 1u << 0,
  /** `region` is what is wanted of each image, on its own grid (OSTEON_GRID_IMAGE). Predictors of the host take it;
   * they ask post-processors for what it takes, never for a region. */
  OSTEON_PREDICT_REGION = 1u << 1
};

/** What is asked of a predictor. Borrowed for the call. */
typedef struct osteon_predict_request {
  uint32_t struct_size;
  uint32_t flags; /**< OSTEON_PREDICT_* */
  uint32_t form;  /**< OSTEON_FORM_* */
  uint32_t grid;  /**< OSTEON_GRID_* */
  uint32_t scale; /**< OSTEON_SCALE_* */
  /** Element types that the asker takes beside float32, which it always does: OSTEON_SET of OSTEON_ELEMENT_*; 0: none.
   */
  uint32_t elements;
  /** Channel numbers that are wanted, rising; the prediction has these, in this order. n_classes 0: all. */
  uint64_t n_classes;
  const int32_t* classes;
  /** With OSTEON_PREDICT_REGION: first row, first column, rows and columns of each image, all of them inside of it. The
   * prediction has these alone, and its to_image says where they lie. */
  int64_t region[4];
} osteon_predict_request;

/** A prediction. An out-struct: the caller sets struct_size and `error` and zeroes the rest; after OSTEON_OK it owns
 * `values` and may work in it in place. */
typedef struct osteon_prediction {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  uint32_t form;  /**< OSTEON_FORM_* */
  /** With OSTEON_PREDICT_EACH: OSTEON_OK, or OSTEON_BAD_INPUT, and then there are no values. */
  osteon_status status;
  osteon_tensor values; /**< of one of the element types that were asked for; its view says which */
  double to_image[6];   /**< row-major 2 x 3, finite: a pixel of the grid to one of the image that was predicted */
  osteon_error* error;  /**< with OSTEON_PREDICT_EACH: where the text behind `status` goes; NULL: nowhere */
} osteon_prediction;

/** A prediction of one image that is being read, band by band; whose it is says who opened it. */
typedef struct osteon_reading osteon_reading;

/** A predictor. The host makes them; [any-thread]; valid as long as who gave it says. */
typedef struct osteon_predictor {
  uint32_t struct_size;
  uint32_t flags;  /**< no bit is known yet */
  uint32_t labels; /**< OSTEON_LABELS_* */
  uint32_t reserved;
  int64_t n_classes; /**< of all its classes, as the data counts them */
  const char* const* class_names;
  void* host; /**< the host's own */

  /** Predicts `n` images, which may differ in size; predictions[i] is that of images[i]. What is asked for is what is
   * given: form, grid, classes, and one of the element types. A model runs the images of one call whose inputs have one
   * size together, as many as the recipe's predict.batch_size allows; calls that come at once are not joined. Returns
   * OSTEON_OK or what failed beneath; then no prediction is owned by the caller. [any-thread] */
  osteon_status (*predict)(const osteon_call* call, const struct osteon_predictor* self, uint64_t n,
                           const osteon_image* const* images, const osteon_predict_request* request,
                           osteon_prediction* const* predictions, osteon_error* error);

  /** What it can be asked for: OSTEON_SET of OSTEON_FORM_* and of OSTEON_GRID_*. */
  uint32_t gives_forms;
  uint32_t gives_grids;

  /** Of each of its classes the probability above which a pixel of it is set, 0..1: those in force, the recipe's or what
   * the caller set over it; of a member or of a run that a parameter names, its own. NULL where nobody said any, and for
   * multiclass labels, where the greatest wins. Since 0.3, as are those below. */
  const double* thresholds;

  /** Images that a model beneath runs together, the recipe's predict.batch_size; who asks for more at once holds more
   * memory and is not faster. 0: unknown, one at a time is best. */
  int64_t batch_size;

  /** Opens a prediction of one image on the image's grid, to be read in bands of rows from the top to the bottom, so
   * that nobody has to hold all of it: models beneath run once, however many bands are read. `request` has
   * OSTEON_GRID_IMAGE and no flags. The image, the predictor and the request's classes live until `close`; `call` does
   * not, for each read has its own. The caller owns `*out`. Returns as `predict`. [any-thread] */
  osteon_status (*open)(const osteon_call* call, const struct osteon_predictor* self, const osteon_image* image,
                        const osteon_predict_request* request, osteon_reading** out, osteon_error* error);

  /** The next `rows` rows, at least one, in a prediction as of `predict` whose to_image says where they lie. More rows
   * than are left are OSTEON_INVALID_ARGUMENT, and read nothing; after any other failure there is nothing to be done
   * but `close`. [one-call-per-instance] */
  osteon_status (*read)(const osteon_call* call, const struct osteon_predictor* self, osteon_reading* reading,
                        int64_t rows, osteon_prediction* prediction, osteon_error* error);

  /** Ends a reading, read to its end or not. NULL is ignored. [one-call-per-instance] */
  void (*close)(const struct osteon_predictor* self, osteon_reading* reading);
} osteon_predictor;

/** What a component would be put on, before there is anything of either. Borrowed for the call. Since 0.3. */
typedef struct osteon_beneath {
  uint32_t struct_size;
  uint32_t flags;       /**< no bit is known yet */
  uint32_t labels;      /**< OSTEON_LABELS_* */
  uint32_t gives_forms; /**< what all of it can be asked for: OSTEON_SET of OSTEON_FORM_* and of OSTEON_GRID_* */
  uint32_t gives_grids;
  uint32_t reserved;
} osteon_beneath;

/** Service "osteon.resample/1": the one place where grids, forms and element types change. */
typedef struct osteon_resample_service {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Brings a prediction of an image of `height` x `width` to the form, grid and element types of `request`, in place:
   * resizes logits or probabilities bilinearly by prediction.to_image, turns logits into probabilities, widens what the
   * asker does not take to float32. Works by class groups; the peak is one output. Probabilities do not go back to
   * logits, nor bits to anything: OSTEON_UNSUPPORTED. On failure the prediction is as it was. [any-thread] */
  osteon_status (*convert)(const osteon_call* call, const osteon_predictor* of, const osteon_predict_request* request,
                           int64_t height, int64_t width, osteon_prediction* prediction, osteon_error* error);
} osteon_resample_service;
#define OSTEON_SERVICE_RESAMPLE "osteon.resample/1"

/** Service "osteon.cache/1": keeps what a component made of an image (features, a lattice), across requests and
 * instances, until memory is short: the host's bound is one for all, and what was not asked for longest goes first. */
typedef struct osteon_cache_service {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Looks for a tensor. `maker` is the component's name, with a revision that changes when what it makes does
   * ("dense_crf/1"); `key` is `size` bytes that say all that the tensor depends on: the image's digest and to_root, and
   * parameters. Returns OSTEON_OK; `out->release` is NULL when there is none. The caller owns `out`, reads it alone,
   * and releases it when done; it stays valid until then, also when the host forgets it. [any-thread] */
  osteon_status (*find)(const osteon_call* call, const char* maker, const void* key, uint64_t size, osteon_tensor* out,
                        osteon_error* error);

  /** Keeps a tensor of the CPU. After OSTEON_OK the host owns `*tensor`; it is read only from here on, and what it was
   * made of for the caller is found with `find`. A tensor over the host's bound is not kept; that is no failure. On
   * failure the caller owns it as before. [any-thread] */
  osteon_status (*keep)(const osteon_call* call, const char* maker, const void* key, uint64_t size,
                        osteon_tensor* tensor, osteon_error* error);
} osteon_cache_service;
#define OSTEON_SERVICE_CACHE "osteon.cache/1"

#endif
