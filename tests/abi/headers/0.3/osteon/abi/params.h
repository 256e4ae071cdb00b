/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Parameters: the schema that a component publishes, and the values that it is created from. */
#ifndef OSTEON_ABI_PARAMS_H
#define OSTEON_ABI_PARAMS_H

#include "version.h"

struct osteon_predictor;

/** Types of parameters. Which array of osteon_value holds the elements stands behind each. A host leaves a component
 * with a type that it does not know aside. */
enum {
  OSTEON_PARAM_BOOL = 1,        /**< ints: 0 or 1 */
  OSTEON_PARAM_INT = 2,         /**< ints */
  OSTEON_PARAM_FLOAT = 3,       /**< floats */
  OSTEON_PARAM_STRING = 4,      /**< strings */
  OSTEON_PARAM_CHOICE = 5,      /**< strings: one of the schema's choices */
  OSTEON_PARAM_FLOAT_RANGE = 6, /**< floats: low and high, low <= high */
  OSTEON_PARAM_PATH = 7,        /**< strings: an absolute path */
  OSTEON_PARAM_PREDICTOR = 8,   /**< predictors, and strings: what the recipe called them */
  OSTEON_PARAM_CLASSES = 9,     /**< strings: class names of the data; ints: their channel numbers */
  OSTEON_PARAM_INT_RANGE = 10   /**< ints: low and high, low <= high */
};

/** Parameter flags: both change what a value may be, so both must be understood. */
enum {
  OSTEON_PARAM_REQUIRED = 1u << 0, /**< the recipe must give it; default_value is NULL */
  OSTEON_PARAM_LIST = 1u << 1      /**< any number of elements within min_count..max_count; CLASSES always has it */
};

/** Keys that belong to recipes and to no component, today's and those to come. The list is closed: none is ever added,
 * so a parameter's name that is not among them stays free for good. */
#define OSTEON_RESERVED_KEYS                                                                                      \
  "plugin", "p", "weight", "weights", "strict", "stem", "group", "steps", "count", "member", "classes", "output", \
      "version", "weights_key", "name", "when", "isolate"

/** A value. The array that the type names has `count` numbers or strings (a range has 2, a list of ranges 2 each); the
 * arrays that it does not name are NULL. Valid for the call in which it is given. */
typedef struct osteon_value {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */
  uint32_t type;  /**< OSTEON_PARAM_* */
  uint32_t reserved;
  uint64_t count;
  const int64_t* ints;
  const double* floats;
  const char* const* strings;
  /** Valid until the component that was created from them is destroyed. */
  const struct osteon_predictor* const* predictors;
} osteon_value;

/** One parameter of a schema. Lives as long as the library. */
typedef struct osteon_param_spec {
  uint32_t struct_size;
  uint32_t flags; /**< OSTEON_PARAM_REQUIRED | OSTEON_PARAM_LIST */
  uint32_t type;  /**< OSTEON_PARAM_* */
  uint32_t reserved;
  const char* name; /**< [a-z][a-z0-9_]*, none of OSTEON_RESERVED_KEYS */
  const char* doc;  /**< one line */
  const char* unit; /**< "px", "degrees", ...; NULL when it has none */
  const osteon_value* default_value;
  double minimum;     /**< inclusive, of every element; -INFINITY for none */
  double maximum;     /**< inclusive, of every element; +INFINITY for none */
  uint64_t min_count; /**< elements of a list; a range is one element */
  uint64_t max_count;
  uint64_t n_choices;
  const char* const* choices;
  uint64_t n_aliases;
  const char* const* aliases; /**< other names that recipes may use, such as those of another library */
} osteon_param_spec;

#endif
