/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Bands: parts of an image's grid that predictions are combined and fitted on, so that memory does not grow with it. */
#ifndef OSTEON_ABI_BAND_H
#define OSTEON_ABI_BAND_H

#include "version.h"

/** Rows first_row .. first_row + height of all `width` columns, for some classes. */
typedef struct osteon_band {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  int64_t first_row;
  int64_t height;
  int64_t width;
  uint64_t n_classes;
  const int32_t* classes; /**< channel numbers, rising */
} osteon_band;

#endif
