/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Draft extension of models: whose names of weights a plugin knows beside its own, and how they become its own. The
 * host reads files; a plugin only looks at names and shapes, so that weights of every public implementation of an
 * architecture load without a tool in between. */
#ifndef OSTEON_ABI_DRAFT_WEIGHT_NAMES_H
#define OSTEON_ABI_DRAFT_WEIGHT_NAMES_H

#include "../model.h"

/** A tensor of a file. Borrowed for the call. */
typedef struct osteon_weight_entry {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  int32_t ndim;   /**< 0: a scalar */
  uint32_t reserved;
  const char* name; /**< as the file has it, without what the host has taken off ("module.") */
  const int64_t* shape;
} osteon_weight_entry;

/** Rows of an entry that are one of the model's tensors, or an entry that the model has no use for. */
typedef struct osteon_weight_part {
  uint32_t struct_size;
  uint32_t flags;     /**< no bit is known yet */
  uint64_t entry;     /**< index of the entry */
  int64_t first_row;  /**< of the entry's first dimension; a scalar is one row */
  int64_t n_rows;     /**< as many as are read, row-major */
  const char* target; /**< name among `tensors`, valid during that call of `part`; its shape is that of the rows but for
                           dimensions of 1. NULL: known, and of no use here (an ImageNet classifier) */
} osteon_weight_part;

/** What osteon_component.extension gives for OSTEON_EXTENSION_WEIGHT_NAMES. Lives as long as the library. */
typedef struct osteon_weight_names {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  uint64_t n_dialects;
  const char* const* dialects; /**< whose names they are, for people: "timm", "torchvision" */

  /** Says what the entries of a file are when they are read as names of one dialect. Calls `part(user, part)` for every
   * part; an entry without a part keeps its name. A file that is not of this dialect is no error: the host asks for
   * each and takes the one that gives the model the most. Nothing is changed. Returns OSTEON_OK, OSTEON_UNSUPPORTED for
   * a dialect that there is not, or OSTEON_OUT_OF_MEMORY; after a failure the parts that came do not count.
   * [any-thread] while nothing else of the instance runs. */
  osteon_status (*translate)(const osteon_model* model, uint64_t dialect, uint64_t n_entries,
                             const osteon_weight_entry* const* entries,
                             void (*part)(void* user, const osteon_weight_part* part), void* user, osteon_error* error);
} osteon_weight_names;
#define OSTEON_EXTENSION_WEIGHT_NAMES "osteon.weight-names/1"

#endif
