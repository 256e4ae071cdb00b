/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Version of Osteon's plugin ABI, the rules for its structs, status codes and the error buffer.
 *
 * The ABI is a set of plain C structs and functions. It includes nothing but <stdint.h> and <stddef.h>, and it is read
 * the same by C11 and C++17 compilers, on machines with pointers of 64 bits.
 *
 * Five structs are embedded by value in others, and are frozen: osteon_tensor_view with its osteon_device and
 * osteon_dtype (as DLPack's DLTensor), osteon_tensor, and osteon_random_key. They never grow. These rules hold for
 * every other struct in these headers:
 *  - It begins with `uint32_t struct_size` and `uint32_t flags` (osteon_plugin has its abi_version in between). Who
 *    fills a struct in sets struct_size to the sizeof that it was compiled with. For a struct that the callee fills in,
 *    the caller sets it, and the callee writes no byte beyond it.
 *  - Fields are only ever appended, so the two sides may know different lengths. sizes.h lists the size that each
 * struct had in the version that brought it, and no one sends less. Whoever reads a field that came later asks
 * OSTEON_HAS first; a field that is absent has the meaning of zero.
 *  - `flags` has two halves. A bit of OSTEON_FLAGS_MUST says that something about the struct means something else than
 *    it did: who does not know the bit returns OSTEON_UNSUPPORTED, with a sentence, and never guesses. A bit of
 *    OSTEON_FLAGS_MAY can be passed over. A field whose absence would change what an input means comes with a bit of
 * the first half.
 *  - Arrays of structs are arrays of pointers, so that the structs can grow.
 *  - Strings are UTF-8, NUL-terminated, owned by who returns them, and valid until that object dies.
 *  - An unknown enumerator gives OSTEON_UNSUPPORTED; it is never guessed at.
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

/** Incompatible changes move the major number. */
#define OSTEON_ABI_MAJOR 0
/** Additions move the minor number. While the major number is 0, a host takes every plugin whose minor number is at
 * least OSTEON_ABI_OLDEST_MINOR, older or newer than itself. */
#define OSTEON_ABI_MINOR 3
#define OSTEON_ABI_OLDEST_MINOR 2
/** Both in one number: what osteon_get_plugin is called with, and what a descriptor carries. */
#define OSTEON_ABI_VERSION (((uint32_t)OSTEON_ABI_MAJOR << 16) | (uint32_t)OSTEON_ABI_MINOR)

#ifdef __cplusplus
#define OSTEON_EXTERN_C extern "C"
#else
#define OSTEON_EXTERN_C extern
#endif
#define OSTEON_EXPORT OSTEON_EXTERN_C __attribute__((visibility("default")))

/** Whether the struct behind `pointer`, which the other side filled in, is long enough to hold `field`. */
#define OSTEON_HAS(pointer, field) \
  ((size_t)((const char*)(&(pointer)->field + 1) - (const char*)(pointer)) <= (size_t)(pointer)->struct_size)

/** The halves of a flags word: bits that must be understood, and bits that may be ignored. */
#define OSTEON_FLAGS_MUST 0x0000ffffu
#define OSTEON_FLAGS_MAY 0xffff0000u
/** Bits of `flags` that must be understood and are not among `known`: non-zero is a reason for OSTEON_UNSUPPORTED. */
#define OSTEON_FLAGS_UNKNOWN(flags, known) ((uint32_t)(flags)&OSTEON_FLAGS_MUST & ~(uint32_t)(known))

/** What every call returns. A value that is none of these is a failure like OSTEON_FAILED. */
typedef int32_t osteon_status;
enum {
  OSTEON_OK = 0,
  OSTEON_INVALID_ARGUMENT = 1,     /**< a value, shape or parameter that the callee cannot take; the text says which */
  OSTEON_UNSUPPORTED = 2,          /**< understood, but not offered: unknown enumerator, flag, dtype or device */
  OSTEON_OUT_OF_MEMORY = 3,        /**< host memory */
  OSTEON_OUT_OF_DEVICE_MEMORY = 4, /**< memory of the accelerator */
  OSTEON_CANCELLED = 5,            /**< the call was asked to stop, or its deadline passed, and it did stop; from a call
                                        that nobody cancelled it is a failure like OSTEON_FAILED */
  OSTEON_FAILED = 6,               /**< anything else; the text says what */
  OSTEON_BAD_INPUT = 7 /**< the data of this request cannot be worked on (an image without pixels, a NaN), and
                            other data could: neither the plugin nor the recipe is at fault */
};

/** Where a call puts the text of its failure. The caller owns all of it. One thread uses it at a time. Wherever a
 * function of this ABI takes an `osteon_error*`, it may be NULL: the caller wants no text. */
typedef struct osteon_error {
  uint32_t struct_size;
  uint32_t flags;     /**< no bit is known yet */
  uint32_t text_size; /**< bytes at `text`, the closing NUL included; the callee cuts longer texts and always closes */
  uint32_t reserved;
  char* text; /**< NULL when the caller wants none; left alone on OSTEON_OK */
} osteon_error;

#endif
