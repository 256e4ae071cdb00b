/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * The entry of a plugin library, and what it says of itself. */
#ifndef OSTEON_ABI_ENTRY_H
#define OSTEON_ABI_ENTRY_H

#include "params.h"
#include "tensor.h"

/** Kinds of component; which struct osteon_component.api points at stands behind each. A host leaves a component of a
 * kind that it does not know aside, and takes the rest of its library. */
enum {
  OSTEON_KIND_MODEL = 1,         /**< osteon_model_api */
  OSTEON_KIND_LOSS = 2,          /**< osteon_loss_api */
  OSTEON_KIND_AUGMENTATION = 3,  /**< osteon_augmentation_api */
  OSTEON_KIND_POSTPROCESSOR = 4, /**< osteon_postprocessor_api */
  OSTEON_KIND_ENSEMBLER = 5      /**< osteon_ensembler_api */
};

/** One component: a model, a loss, ... Constant; lives as long as the library. */
typedef struct osteon_component {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet; with an unknown one that must be understood the component is left aside */
  uint32_t kind;  /**< OSTEON_KIND_* */
  uint32_t reserved;
  const char* name;    /**< [a-z][a-z0-9_]*; what recipes write after `plugin =`; unique within its kind and version */
  const char* version; /**< semantic, of the component */
  const char* doc;     /**< one paragraph */
  const char* reference; /**< the paper or source that it follows; NULL for none */
  uint64_t n_params;
  const osteon_param_spec* const* params;
  uint64_t n_devices;
  const int32_t* devices; /**< OSTEON_DEVICE_* types it can work on; a recipe that needs another is refused */
  uint64_t n_dtypes;
  const osteon_dtype* dtypes; /**< element types of its main tensors that it can work in */
  const void* api;            /**< the functions of its kind */
  /** An optional capability by id ("osteon.<name>/<revision>"), or NULL. [any-thread] Itself NULL when there is none.
   */
  const void* (*extension)(const char* id);
} osteon_component;

/** A library. Constant; lives as long as the library. */
typedef struct osteon_plugin {
  uint32_t struct_size;
  uint32_t abi_version; /**< of this description: never above what the host asked for. Second in every version, so that
                             any host can say what it refuses */
  uint32_t flags;       /**< no bit is known yet */
  uint32_t reserved;
  const char* name;    /**< of the library */
  const char* version; /**< of the library, semantic */
  uint64_t n_components;
  const osteon_component* const* components;
} osteon_plugin;

/** The one symbol that a plugin library exports, under the name "osteon_get_plugin".
 *
 * @param host_abi  OSTEON_ABI_VERSION of the host.
 * @return the description of the library, or NULL when it cannot serve such a host. For one host_abi always the same
 *         pointer. Nothing in it is newer than host_abi: its abi_version is the smaller of the host's and the
 *         library's own, and an enumerator or a flag bit that came later is not used. The host looks at abi_version
 *         before it touches anything else.
 *
 * Makes no instance, starts nothing, prints nothing. May be called any number of times. [load] */
typedef const osteon_plugin* (*osteon_get_plugin_fn)(uint32_t host_abi);
#define OSTEON_ENTRY_SYMBOL "osteon_get_plugin"
OSTEON_EXPORT const osteon_plugin* osteon_get_plugin(uint32_t host_abi);

/** Name and type of the ELF note (section ".note.osteon") that says, before any code of the library runs, what it is.
 * Its descriptor is UTF-8 JSON: {"abi": [0, 2], "name", "version", "components": [{"name", "kind"}], "libtorch",
 * "stdlib_abi"}. osteon_add_plugin writes it. */
#define OSTEON_NOTE_NAME "Osteon"
#define OSTEON_NOTE_TYPE 1

#endif
