/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Version of Osteon's plugin ABI, status codes and the error buffer.
 *
 * The ABI is a set of plain C structs and functions. It includes nothing but <stdint.h> and <stddef.h>, and it is read
 * the same by C11 and C++17 compilers.
 *
 * Rules that hold for every struct in these headers. What others embed by value is frozen and never grows:
 * osteon_tensor_view with its osteon_device and osteon_dtype (as DLPack's DLTensor), osteon_tensor, and
 * osteon_random_key.
 *  - The first field is `uint32_t struct_size`. Who fills a struct in sets it to the sizeof that it was compiled with.
 *    For a struct that the callee fills in, the caller sets it, and the callee writes no byte beyond it.
 *  - Fields are only ever appended. A field beyond struct_size is absent and has the meaning of zero.
 *  - Arrays of structs are arrays of pointers, so that the structs can grow.
 *  - Strings are UTF-8, NUL-terminated, owned by who returns them, and valid until that object dies.
 *  - An unknown enumerator, or an unknown flag bit that is set, gives OSTEON_UNSUPPORTED; it is never guessed at.
 *
 * Every function comment says what the function does, when it may be called, what each return means, who owns a result
 * and until when, and from which thread it may be called:
 *  - [any-thread]             at any time, from several threads at once;
 *  - [one-call-per-instance]  from any thread, but never two at once on one instance; the host keeps them apart, the
 *                             plugin needs no lock, and must not assume that it is always the same OS thread;
 *  - [load]                   while the library is being loaded, from one thread.
 * Instances share no mutable state.
 *
 * No C++ exception, panic, signal or longjmp may leave a function of this ABI. */
#ifndef OSTEON_ABI_VERSION_H
#define OSTEON_ABI_VERSION_H

#include <stddef.h>
#include <stdint.h>

/** Incompatible changes move the major number. While it is 0, host and plugin must agree on the minor number too. */
#define OSTEON_ABI_MAJOR 0
/** Compatible additions move the minor number. */
#define OSTEON_ABI_MINOR 1
/** Both in one number: what osteon_get_plugin is called with, and what a descriptor carries. */
#define OSTEON_ABI_VERSION (((uint32_t)OSTEON_ABI_MAJOR << 16) | (uint32_t)OSTEON_ABI_MINOR)

#ifdef __cplusplus
#define OSTEON_EXTERN_C extern "C"
#else
#define OSTEON_EXTERN_C extern
#endif
#define OSTEON_EXPORT OSTEON_EXTERN_C __attribute__((visibility("default")))

/** What every call returns. */
typedef int32_t osteon_status;
enum {
  OSTEON_OK = 0,
  OSTEON_INVALID_ARGUMENT = 1,     /**< a value, shape or parameter that the callee cannot take; the text says which */
  OSTEON_UNSUPPORTED = 2,          /**< understood, but not offered: unknown enumerator, flag, dtype or device */
  OSTEON_OUT_OF_MEMORY = 3,        /**< host memory */
  OSTEON_OUT_OF_DEVICE_MEMORY = 4, /**< memory of the accelerator */
  OSTEON_CANCELLED = 5,            /**< the call was asked to stop, or its deadline passed, and it did stop */
  OSTEON_FAILED = 6                /**< anything else; the text says what */
};

/** Where a call puts the text of its failure. The caller owns all of it. One thread uses it at a time. */
typedef struct osteon_error {
  uint32_t struct_size;
  uint32_t text_size; /**< bytes at `text`, the closing NUL included; the callee cuts longer texts */
  char* text;         /**< NULL when the caller wants none; left alone on OSTEON_OK */
} osteon_error;

#endif
