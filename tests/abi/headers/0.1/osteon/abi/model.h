/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Models: a network that the host runs and trains.
 *
 * The model owns its parameters, its buffers and its gradients. The host sees them as named tensors and works on them
 * in place: optimizer, moving averages, loss scaling, all-reduce, checkpoints. So they work for every model, whatever
 * it is written in. */
#ifndef OSTEON_ABI_MODEL_H
#define OSTEON_ABI_MODEL_H

#include "call.h"
#include "params.h"

typedef struct osteon_model osteon_model; /**< an instance */
typedef struct osteon_tape osteon_tape;   /**< what one training forward keeps for its backward; used once */

/** What the data asks of a model. */
typedef struct osteon_model_request {
  uint32_t struct_size;
  uint32_t flags;                 /**< 0 */
  int64_t in_channels;            /**< of the images */
  int64_t n_classes;              /**< channels of every output */
  const char* const* class_names; /**< n_classes of them */
  uint64_t seed;                  /**< of the initialisation; the same seed gives the same weights */
} osteon_model_request;

/** Output flags. */
enum {
  OSTEON_OUTPUT_ALIGN_CORNERS = 1u << 0 /**< its logits are resized with align_corners = true */
};

/** One output of a model. The first is the main one; the others are auxiliary heads, there in training alone. */
typedef struct osteon_model_output {
  uint32_t struct_size;
  uint32_t flags;
  const char* name;   /**< "main", "aux", "d5", ... */
  double loss_weight; /**< what the head's loss counts, unless the recipe says otherwise */
  int64_t stride;     /**< input pixels per logit; sizes are ceil(input / stride) */
} osteon_model_output;

typedef struct osteon_model_info {
  uint32_t struct_size;
  uint32_t flags;        /**< 0 */
  int64_t in_channels;   /**< as requested */
  int64_t n_classes;     /**< as requested */
  int64_t size_multiple; /**< height and width must be multiples of it; the host pads and cuts back; 1: any */
  uint64_t n_outputs;    /**< at least 1 */
  const osteon_model_output* const* outputs;
} osteon_model_info;

/** Roles of tensors. */
enum {
  OSTEON_TENSOR_PARAMETER = 1, /**< learnt from its gradient; float32 */
  OSTEON_TENSOR_BUFFER = 2     /**< kept with the weights, not learnt: running statistics, counters; any dtype */
};

/** A parameter or buffer. `value` and `grad` are stable until `move` or `destroy`: the host may keep the addresses. */
typedef struct osteon_named_tensor {
  uint32_t struct_size;
  uint32_t role;    /**< OSTEON_TENSOR_* */
  const char* name; /**< as public checkpoints of the architecture name it: "encoder.conv1.weight" */
  osteon_tensor_view value;
  osteon_tensor_view grad; /**< same shape, float32; data is NULL for buffers. The host zeroes it; backward adds */
} osteon_named_tensor;

enum { OSTEON_MODE_INFERENCE = 0, OSTEON_MODE_TRAINING = 1 };
enum { OSTEON_PRECISION_FLOAT32 = 0, OSTEON_PRECISION_FLOAT16 = 1, OSTEON_PRECISION_BFLOAT16 = 2 };

/** Options of one forward. Nothing of this is a state of the model. */
typedef struct osteon_forward_options {
  uint32_t struct_size;
  uint32_t mode;      /**< OSTEON_MODE_* */
  uint32_t precision; /**< OSTEON_PRECISION_*: of matrix products and convolutions; parameters stay float32 */
  uint32_t flags;     /**< OSTEON_FORWARD_* */
  uint64_t seed;      /**< of dropout and its like; the same seed gives the same draw */
} osteon_forward_options;
enum {
  OSTEON_FORWARD_INPUT_GRADIENT = 1u << 0, /**< backward will be asked for the gradient of the input */
  OSTEON_FORWARD_PLAIN = 1u << 1           /**< inference: run the reference path, no compiled graph */
};

/** Reports that the gradient of tensor `index` (of `tensors`) is complete. Called at most once for an index, from any
 * thread, while `backward` runs. */
typedef void (*osteon_gradient_ready)(void* user, uint64_t index);

typedef struct osteon_model_api {
  uint32_t struct_size;
  uint32_t flags; /**< 0 */

  /** Makes a model with initialised weights on the CPU. `values` has one value per parameter of the schema, in its
   * order. Returns OSTEON_OK, OSTEON_INVALID_ARGUMENT (values that do not go together; nothing is made),
   * OSTEON_OUT_OF_MEMORY or OSTEON_FAILED. The caller owns `*out` and ends it with `destroy`. [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_model_request* request, osteon_model** out, osteon_error* error);

  /** Ends the model; no tape of it may be alive. Tensors that it gave out as outputs stay alive. NULL is ignored.
   * [one-call-per-instance] */
  void (*destroy)(osteon_model* model);

  /** What the model is. The result belongs to the model and does not change during its life. [any-thread] */
  const osteon_model_info* (*info)(const osteon_model* model);

  /** All parameters and buffers, always in the same order. The array belongs to the model, valid until `move` or
   * `destroy`. Always OSTEON_OK but for lack of memory: gradient views are made here when they are not yet there.
   * [one-call-per-instance] */
  osteon_status (*tensors)(osteon_model* model, uint64_t* count, const osteon_named_tensor* const** out,
                           osteon_error* error);

  /** Trains the parameters at these indices of `tensors`, and no others: backward leaves the gradients of the others
   * alone and saves their work. Normalisation layers whose parameters are all frozen use and keep their running
   * statistics. Only while no tape is alive. OSTEON_INVALID_ARGUMENT for an index that is no parameter. By default all
   * are trained. [one-call-per-instance] */
  osteon_status (*set_trainable)(osteon_model* model, uint64_t count, const uint64_t* indices, osteon_error* error);

  /** The host wrote to values of `tensors` (an optimizer step, loaded weights); `generation` grows each time. Whatever
   * was derived from them (folded or packed weights, compiled graphs) is out of date. [one-call-per-instance] */
  void (*parameters_changed)(osteon_model* model, uint64_t generation);

  /** Moves parameters, buffers and gradients to another device; all views of `tensors` become invalid. Only while no
   * tape is alive. OSTEON_UNSUPPORTED for a device that the component does not list. On failure the model is where it
   * was. [one-call-per-instance] */
  osteon_status (*move)(const osteon_call* call, osteon_model* model, osteon_device device, osteon_error* error);

  /** Runs the network.
   *
   * @param input    float32 [N, C, H, W], intensities as the recipe normalises them, H and W multiples of
   *                 size_multiple. Unchanged until the tape is released; borrowed until then in training, for the call
   *                 in inference.
   * @param outputs  n_outputs out-tensors: in training all of info's, in inference one, the main output. Logits
   *                 [N, n_classes, ceil(H / stride), ceil(W / stride)], float32 unless the precision is another; then
   *                 that or float32. The caller owns them.
   * @param tape     training: gets the tape, which the caller ends with `release_tape`. NULL in inference.
   *
   * Returns OSTEON_OK, OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED (precision), OSTEON_OUT_OF_MEMORY,
   * OSTEON_OUT_OF_DEVICE_MEMORY, OSTEON_CANCELLED or OSTEON_FAILED. Inference forwards of one instance may run at once
   * [any-thread] as long as nothing else of the instance runs; training ones are [one-call-per-instance]. */
  osteon_status (*forward)(const osteon_call* call, osteon_model* model, const osteon_forward_options* options,
                           const osteon_tensor_view* input, uint64_t n_outputs, osteon_tensor* const* outputs,
                           osteon_tape** tape, osteon_error* error);

  /** Adds the gradients of one forward to the gradient views of the trainable parameters. Once per tape.
   *
   * @param grad_outputs  one per output of that forward, of the output's shape and dtype; NULL: that output does not
   *                      count.
   * @param ready         NULL, or called as each parameter's gradient is complete. The host asks for it on the last
   *                      micro-batch alone, to overlap all-reduce.
   * @param grad_input    NULL, or gets the gradient of the input, float32, owned by the caller; only after a forward
   *                      with OSTEON_FORWARD_INPUT_GRADIENT.
   *
   * After a failure gradients are undefined and the tape can only be released. [one-call-per-instance] */
  osteon_status (*backward)(const osteon_call* call, osteon_model* model, osteon_tape* tape, uint64_t n_outputs,
                            const osteon_tensor_view* const* grad_outputs, osteon_gradient_ready ready, void* user,
                            osteon_tensor* grad_input, osteon_error* error);

  /** Ends a tape, used or not. NULL is ignored. [one-call-per-instance] */
  void (*release_tape)(osteon_model* model, osteon_tape* tape);
} osteon_model_api;

#endif
