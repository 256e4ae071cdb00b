/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Augmentations: random changes of an image and, where they move pixels, of its labels.
 *
 * A geometric one does not touch pixels: it says where each output pixel comes from, and the host resamples once for a
 * whole run of geometric steps. A photometric one changes pixels in place.
 *
 * Randomness comes from the key alone: the same key gives the same result, whatever the worker, rank or thread. */
#ifndef OSTEON_ABI_AUGMENTATION_H
#define OSTEON_ABI_AUGMENTATION_H

#include "call.h"
#include "params.h"

typedef struct osteon_augmentation osteon_augmentation; /**< an instance */

/** The key of one draw: made by the host from (seed, epoch, image, view, repetition, path of the step). Two keys that
 * differ in any bit are independent. */
typedef struct osteon_random_key {
  uint64_t words[2];
} osteon_random_key;

/** What the data asks of an augmentation. */
typedef struct osteon_augmentation_request {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  int64_t n_classes;
  const char* const* class_names;
  /** n_classes channel numbers: the class that each becomes in a mirrored image; NULL: each stays what it is. */
  const int32_t* mirrored;
} osteon_augmentation_request;

/** Which of the two ways an instance works. */
enum {
  OSTEON_AUGMENTATION_GEOMETRIC = 1,  /**< sample_warp, map_points, end_warp */
  OSTEON_AUGMENTATION_PHOTOMETRIC = 2 /**< apply */
};
enum {
  OSTEON_AUGMENTATION_EDITS_LABELS = 1u << 0, /**< photometric: `apply` gets the labels and may change them */
  OSTEON_AUGMENTATION_WANTS_BOXES = 1u << 1   /**< geometric: `sample_warp` gets the boxes of the classes */
};

typedef struct osteon_augmentation_info {
  uint32_t struct_size;
  uint32_t flags; /**< OSTEON_AUGMENTATION_EDITS_LABELS | OSTEON_AUGMENTATION_WANTS_BOXES */
  uint32_t way;   /**< OSTEON_AUGMENTATION_GEOMETRIC or _PHOTOMETRIC */
  uint32_t reserved;
} osteon_augmentation_info;

/** Kinds of warp. The host composes permutations and affine warps exactly and calls map_points for free ones only. */
enum {
  OSTEON_WARP_IDENTITY = 0,
  OSTEON_WARP_PERMUTATION =
      1, /**< `matrix` has entries -1, 0, 1 and whole offsets: pixels move without interpolation */
  OSTEON_WARP_AFFINE = 2,
  OSTEON_WARP_FREE = 3
};
/** What lies beyond the border of the input. */
enum {
  OSTEON_BORDER_REFLECT_101 = 1, /**< gfedcb|abcdefgh|gfedcba, image and labels */
  OSTEON_BORDER_CONSTANT = 2     /**< `image_fill`, and no class or, with OSTEON_WARP_IGNORE_OUTSIDE, invalid */
};
enum {
  OSTEON_WARP_IGNORE_OUTSIDE = 1u << 0 /**< labels beyond a constant border are invalid rather than empty */
};

/** The input of sample_warp. */
typedef struct osteon_warp_request {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  int64_t height; /**< of the step's input, px */
  int64_t width;
  int64_t view_height; /**< of what the view ends at, the model's input, px */
  int64_t view_width;
  int64_t view_index; /**< which view of its image this is, from 0 on */
  /** [n_classes, 4] row-major: left, top, right, bottom of a box around each class in the step's input, in pixel
   * centres, both ends inside; NaN for a class that is not there. Behind a step that moved pixels a box may be larger
   * than it need be, never smaller. NULL unless the instance wants boxes. */
  const double* class_boxes;
} osteon_warp_request;

/** The output of sample_warp. Pixel centres are whole numbers: (0, 0) is the centre of the first pixel. */
typedef struct osteon_warp {
  uint32_t struct_size;
  uint32_t flags;  /**< OSTEON_WARP_IGNORE_OUTSIDE */
  uint32_t kind;   /**< OSTEON_WARP_* */
  uint32_t border; /**< OSTEON_BORDER_* */
  int64_t height;  /**< of the output; the host presets both to the input's */
  int64_t width;
  double matrix[6];  /**< row-major 2 x 3, output to input: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5 */
  double image_fill; /**< 0..1, beyond a constant border */
  /** n_classes channel numbers: output class c takes the bits of input class class_source[c]; NULL: no change. Owned by
   * the plugin, valid until end_warp. */
  const int32_t* class_source;
  void* state; /**< the plugin's own, for map_points and end_warp */
} osteon_warp;

/** The input of apply. Borrowed for the call. */
typedef struct osteon_pixels {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  /** [H, W, C], C of 1 or 3 (RGB), uint8, uint16 or float32; changed in place. */
  const osteon_tensor_view* image;
  double maximum; /**< the greatest intensity: 255, 65535 or 1 */
  /** Bit planes int32 [P, H, W] and uint8 [H, W] (NULL: all valid), changed in place. Both NULL unless the instance
   * edits labels. */
  const osteon_tensor_view* labels;
  const osteon_tensor_view* valid;
} osteon_pixels;

typedef struct osteon_augmentation_api {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Makes an augmentation. The caller owns `*out`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_augmentation_request* request, osteon_augmentation** out, osteon_error* error);

  /** NULL is ignored; every warp has been ended. [one-call-per-instance] */
  void (*destroy)(osteon_augmentation* augmentation);

  /** How the instance works. Belongs to it and does not change. [any-thread] */
  const osteon_augmentation_info* (*info)(const osteon_augmentation* augmentation);

  /** Geometric: draws a warp. `warp` is an out-struct, preset to the identity on the input's size. After OSTEON_OK the
   * host calls end_warp once. NULL in a photometric component. [any-thread] */
  osteon_status (*sample_warp)(const osteon_call* call, const osteon_augmentation* augmentation,
                               const osteon_random_key* key, const osteon_warp_request* request, osteon_warp* warp,
                               osteon_error* error);

  /** Free warps: replaces `count` points (x, y interleaved, float32), given in the output's pixels, by where they come
   * from in the input. Pure: the same point gives the same result, in whatever band it is asked. May be NULL when the
   * component has no free warps. [any-thread] */
  osteon_status (*map_points)(const osteon_augmentation* augmentation, const osteon_warp* warp, uint64_t count,
                              float* xy, osteon_error* error);

  /** Ends a warp that sample_warp drew. May be NULL when warps own nothing. [any-thread] */
  void (*end_warp)(const osteon_augmentation* augmentation, osteon_warp* warp);

  /** Photometric: changes pixels in place. OSTEON_UNSUPPORTED for a dtype that the component does not list; the host
   * converts only among those that it lists. NULL in a geometric component. [any-thread] */
  osteon_status (*apply)(const osteon_call* call, const osteon_augmentation* augmentation, const osteon_random_key* key,
                         const osteon_pixels* pixels, osteon_error* error);
} osteon_augmentation_api;

#endif
