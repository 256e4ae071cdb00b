/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * The call: everything that belongs to one request and is therefore not global. */
#ifndef OSTEON_ABI_CALL_H
#define OSTEON_ABI_CALL_H

#include "tensor.h"

enum { OSTEON_LOG_DEBUG = 0, OSTEON_LOG_INFO = 1, OSTEON_LOG_WARNING = 2 };

/** First argument of every working call. The host makes it; it is valid until the call returns. A plugin passes it on,
 * unchanged, to what it calls in turn (`osteon_predictor.predict`, host services).
 *
 * Inputs are ready on `stream` when the call begins; outputs are ordered on it when the call returns. Who uses an owned
 * tensor on another stream orders the two.
 *
 * All functions here are [any-thread]; none of them is NULL. */
typedef struct osteon_call {
  uint32_t struct_size;
  uint32_t threads;     /**< how many threads the callee may keep busy, at least 1 */
  osteon_device device; /**< where the work is to be done */
  void* stream;         /**< cudaStream_t on CUDA, NULL on the CPU */
  void* host;           /**< the host's own; not for the plugin */

  /** Non-zero when the callee is to stop soon: somebody cancelled, or the deadline passed. Cheap; look at least every
   * 50 ms of work. The callee then returns OSTEON_CANCELLED, with everything it made released. */
  int32_t (*cancelled)(const struct osteon_call* call);

  /** Nanoseconds until the deadline; INT64_MAX when there is none, 0 or less when it has passed. */
  int64_t (*time_left)(const struct osteon_call* call);

  /** Says how far the callee is, 0..1. Calls may be frequent; the host shows them rarely. */
  void (*progress)(const struct osteon_call* call, double fraction);

  /** Logs one line of UTF-8 (no line break at the end); `level` is OSTEON_LOG_*. The text is copied. */
  void (*log)(const struct osteon_call* call, int32_t level, const char* text);

  /** Makes a contiguous tensor on `call->device` whose content is undefined. Outputs over 1 MiB come from here: the
   * host keeps a bounded pool, and fresh pages cost more than many kernels. Returns OSTEON_OK, OSTEON_OUT_OF_MEMORY,
   * OSTEON_OUT_OF_DEVICE_MEMORY, or OSTEON_INVALID_ARGUMENT (negative size, ndim over 8). The receiver owns `out`; it
   * may outlive the call. */
  osteon_status (*allocate)(const struct osteon_call* call, osteon_dtype dtype, int32_t ndim, const int64_t* shape,
                            osteon_tensor* out, osteon_error* error);

  /** Host memory of `bytes` bytes, aligned to 64, content undefined, that the host takes back when the call returns.
   * NULL when there is none left. */
  void* (*scratch)(const struct osteon_call* call, uint64_t bytes);

  /** The service of the host with this id ("osteon.<name>/<revision>"), a struct that begins with struct_size and lives
   * as long as the process; NULL when this host has none of that id. */
  const void* (*service)(const struct osteon_call* call, const char* id);
} osteon_call;

#endif
