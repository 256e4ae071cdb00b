/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * The call: everything that belongs to one request and is therefore not global. */
#ifndef OSTEON_ABI_CALL_H
#define OSTEON_ABI_CALL_H

#include "tensor.h"

enum { OSTEON_LOG_DEBUG = 0, OSTEON_LOG_INFO = 1, OSTEON_LOG_WARNING = 2 };

/** Kinds of memory that `allocate` gives. */
enum {
  OSTEON_MEMORY_DEVICE = 0, /**< of the call's device */
  OSTEON_MEMORY_HOST = 1,   /**< of the CPU, wherever the call's device is */
  OSTEON_MEMORY_PINNED = 2, /**< of the CPU, page-locked, so that copies to and from the call's accelerator need not
                                 wait; where the call's device is the CPU, the same as OSTEON_MEMORY_HOST */
  OSTEON_MEMORY_SHARED = 3  /**< of the CPU, in a mapping that another process can be given */
};

/** Flags of osteon_call_options. */
enum {
  OSTEON_DERIVE_DEVICE = 1u << 0,  /**< `device` and `stream` are other than the parent's */
  OSTEON_DERIVE_DEADLINE = 1u << 1 /**< `time_left` counts; a deadline later than the parent's changes nothing */
};

/** How a derived call differs from its parent. */
typedef struct osteon_call_options {
  uint32_t struct_size;
  uint32_t flags;   /**< OSTEON_DERIVE_* */
  uint32_t threads; /**< of the parent's, at most all of them; 0: all */
  uint32_t reserved;
  double
      progress_begin; /**< 0 and 1 of the derived call are these fractions of the parent's progress; both 0: what the */
  double progress_end; /**< derived call says of its progress is not shown */
  int64_t time_left;   /**< ns from now until its deadline */
  osteon_device device;
  void* stream;
} osteon_call_options;

/** First argument of every working call. The host makes it; it is valid until the call returns. A plugin passes it on
 * to what it calls in turn (`osteon_predictor.predict`, host services), or a call that it derived from it.
 *
 * Inputs are ready on `stream` when the call begins; outputs are ordered on it when the call returns. Who uses an owned
 * tensor on another stream orders the two.
 *
 * All functions here are [any-thread]; none of them is NULL. */
typedef struct osteon_call {
  uint32_t struct_size;
  uint32_t flags;   /**< no bit is known yet */
  uint32_t threads; /**< how many threads the callee may keep busy, at least 1 */
  uint32_t reserved;
  osteon_device device; /**< where the work is to be done */
  void* stream;         /**< cudaStream_t on CUDA, NULL on the CPU */
  void* host;           /**< the host's own; not for the plugin */

  /** Non-zero when the callee is to stop soon: somebody cancelled, or the deadline passed. Cheap. A callee that loops
   * itself looks at least every 50 ms of work; one that hands its work to a library, such as a forward of LibTorch,
   * looks before and after. It then returns OSTEON_CANCELLED, with everything it made released. */
  int32_t (*cancelled)(const struct osteon_call* call);

  /** Nanoseconds until the deadline; INT64_MAX when there is none, 0 or less when it has passed. */
  int64_t (*time_left)(const struct osteon_call* call);

  /** Says how far the callee is, 0..1. Calls may be frequent; the host shows them rarely. */
  void (*progress)(const struct osteon_call* call, double fraction);

  /** Logs one line of UTF-8 (no line break at the end); `level` is OSTEON_LOG_*. The text is copied. */
  void (*log)(const struct osteon_call* call, int32_t level, const char* text);

  /** Makes a contiguous tensor in `memory` (OSTEON_MEMORY_*) whose content is undefined. An output that the callee has
   * to make room for best comes from here: the host keeps a bounded pool, and fresh pages cost more than many kernels.
   * One that a library made is given as it is. Returns OSTEON_OK, OSTEON_OUT_OF_MEMORY, OSTEON_OUT_OF_DEVICE_MEMORY,
   * OSTEON_INVALID_ARGUMENT (negative size, ndim over 8) or OSTEON_UNSUPPORTED (a kind of memory that this host does
   * not have). The receiver owns `out`; it may outlive the call. */
  osteon_status (*allocate)(const struct osteon_call* call, uint32_t memory, osteon_dtype dtype, int32_t ndim,
                            const int64_t* shape, osteon_tensor* out, osteon_error* error);

  /** Host memory of `bytes` bytes, aligned to 64, content undefined, that the host takes back when the call returns;
   * that of a derived call, when it is ended. NULL when there is none left. */
  void* (*scratch)(const struct osteon_call* call, uint64_t bytes);

  /** The service of the host with this id ("osteon.<name>/<revision>"), a struct that lives as long as the process;
   * NULL when this host has none of that id. */
  const void* (*service)(const struct osteon_call* call, const char* id);

  /** Makes a call beneath this one: with a share of its threads, a part of its progress, an earlier deadline, another
   * device and stream, and scratch memory of its own. It is cancelled when its parent is. Returns OSTEON_OK,
   * OSTEON_INVALID_ARGUMENT (more threads than the parent has, fractions outside 0..1), OSTEON_UNSUPPORTED (a flag or a
   * device) or OSTEON_OUT_OF_MEMORY. Who derives it ends it, before the parent's call returns. */
  osteon_status (*derive)(const struct osteon_call* call, const osteon_call_options* options,
                          const struct osteon_call** out, osteon_error* error);

  /** Ends a call that `derive` made, when nothing works for it any more: takes its scratch memory back. NULL is
   * ignored; a call that was not derived must not be given. */
  void (*end)(const struct osteon_call* derived);

  /** Says something about an image that its reader should know: how far an iteration came, what was left out. `image`
   * is osteon_image.root, or NULL: about the request. `key` is [a-z][a-z0-9_]*; `value` is the text of one JSON value.
   * What is said last of a key counts; `--json` shows it under that image, below the component's name. Texts are
   * copied. */
  void (*note)(const struct osteon_call* call, const char* image, const char* key, const char* value);
} osteon_call;

#endif
