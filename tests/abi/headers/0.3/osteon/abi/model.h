/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * Models: a network that the host runs and trains.
 *
 * The model has parameters, buffers and gradients. The host sees them as named tensors and works on them in place:
 * optimizer, moving averages, loss scaling, all-reduce, checkpoints. So they work for every model, whatever it is
 * written in. */
#ifndef OSTEON_ABI_MODEL_H
#define OSTEON_ABI_MODEL_H

#include "call.h"
#include "named_tensor.h"
#include "params.h"

typedef struct osteon_model osteon_model; /**< an instance */
typedef struct osteon_tape osteon_tape;   /**< what one training forward keeps for its backward; used once */

/** What the data asks of a model. */
typedef struct osteon_model_request {
  uint32_t struct_size;
  uint32_t flags;                 /**< no bit is known yet */
  int64_t in_channels;            /**< of the images */
  int64_t n_classes;              /**< of the data */
  const char* const* class_names; /**< n_classes of them */
  uint64_t seed;                  /**< of the initialisation; the same seed gives the same weights */
} osteon_model_request;

/** Roles of outputs. */
enum {
  OSTEON_OUTPUT_MAIN = 1, /**< the prediction: logits of the classes; the first output, and no other */
  OSTEON_OUTPUT_AUXILIARY =
      2, /**< logits of the classes from within the network, there to be trained (deep supervision) */
  OSTEON_OUTPUT_PRESENCE = 3 /**< logits of whether each class is anywhere in the image: [N, channels, 1, 1] */
};
/** Output flags. */
enum {
  OSTEON_OUTPUT_ALIGN_CORNERS = 1u << 0 /**< its logits are resized with align_corners = true */
};

/** One output of a model. */
typedef struct osteon_model_output {
  uint32_t struct_size;
  uint32_t flags; /**< OSTEON_OUTPUT_ALIGN_CORNERS */
  uint32_t role;  /**< OSTEON_OUTPUT_MAIN, _AUXILIARY or _PRESENCE */
  uint32_t reserved;
  const char* name;   /**< "main", "aux", "d5", "presence", ...; what recipes write after `output =` */
  double loss_weight; /**< what the output's loss counts, unless the recipe says otherwise */
  int64_t stride;     /**< input pixels per logit; sizes are ceil(input / stride). 0: one logit for the whole image */
  int64_t channels;   /**< n_classes for the roles that there are */
} osteon_model_output;

typedef struct osteon_model_info {
  uint32_t struct_size;
  uint32_t flags;        /**< no bit is known yet */
  int64_t in_channels;   /**< as requested */
  int64_t n_classes;     /**< as requested */
  int64_t size_multiple; /**< height and width must be multiples of it; the host pads and cuts back; 1: any */
  uint64_t n_outputs;    /**< at least 1 */
  const osteon_model_output* const* outputs;
} osteon_model_info;

enum { OSTEON_MODE_INFERENCE = 0, OSTEON_MODE_TRAINING = 1 };
/** Precisions of matrix products and convolutions; parameters stay float32. */
enum {
  OSTEON_PRECISION_FLOAT32 = 0,
  OSTEON_PRECISION_FLOAT16 = 1,
  OSTEON_PRECISION_BFLOAT16 = 2,
  OSTEON_PRECISION_TF32 = 3 /**< float32 whose factors may be rounded to 10 bits of mantissa where the device is faster
                                 with it; elsewhere the same as float32 */
};

/** Options of one forward. Nothing of this is a state of the model. */
typedef struct osteon_forward_options {
  uint32_t struct_size;
  uint32_t flags;     /**< OSTEON_FORWARD_* */
  uint32_t mode;      /**< OSTEON_MODE_* */
  uint32_t precision; /**< OSTEON_PRECISION_* */
  uint64_t seed;      /**< of dropout and its like; the same seed gives the same draw */
} osteon_forward_options;
enum {
  OSTEON_FORWARD_INPUT_GRADIENT = 1u << 0, /**< backward will be asked for the gradient of the input */
  OSTEON_FORWARD_PLAIN = 1u << 1,          /**< inference: run the reference path, no compiled graph */
  OSTEON_FORWARD_ALL_OUTPUTS = 1u << 2     /**< inference: give all outputs, not the main one alone */
};

/** Reports that the gradient of tensor `index` (of `tensors`) is complete, once the work that is queued on `stream` by
 * then is done (NULL on the CPU: it is). Called at most once for an index, from any thread, while `backward` runs. */
typedef void (*osteon_gradient_ready)(void* user, uint64_t index, void* stream);

typedef struct osteon_model_api {
  uint32_t struct_size;
  uint32_t flags; /**< no bit is known yet */

  /** Makes a model with initialised weights on the CPU, of which nothing is trained. `values` has one value per
   * parameter of the schema, in its order. Returns OSTEON_OK, OSTEON_INVALID_ARGUMENT (values that do not go together;
   * nothing is made), OSTEON_OUT_OF_MEMORY or OSTEON_FAILED. The caller owns `*out` and ends it with `destroy`.
   * [any-thread] */
  osteon_status (*create)(const osteon_call* call, const osteon_value* const* values,
                          const osteon_model_request* request, osteon_model** out, osteon_error* error);

  /** Ends the model; no tape of it may be alive. Tensors that it gave out as outputs stay alive. NULL is ignored.
   * [one-call-per-instance] */
  void (*destroy)(osteon_model* model);

  /** What the model is. The result belongs to the model and does not change during its life. [any-thread] */
  const osteon_model_info* (*info)(const osteon_model* model);

  /** All parameters and buffers, always in the same order. The array and the addresses in it are valid until
   * `set_trainable`, `bind`, `move` or `destroy`. Always OSTEON_OK but for lack of memory. Makes no gradients.
   * [one-call-per-instance] */
  osteon_status (*tensors)(const osteon_call* call, osteon_model* model, uint64_t* count,
                           const osteon_named_tensor* const** out, osteon_error* error);

  /** Trains the parameters at these indices of `tensors`, and no others: they have gradients from here on, zero at
   * first where they had none, and what the others had is freed. Backward leaves the others alone and saves their work.
   * Normalisation layers whose parameters are all frozen use and keep their running statistics. Only while no tape is
   * alive. OSTEON_INVALID_ARGUMENT for an index that is no parameter, OSTEON_UNSUPPORTED from a model that can only
   * predict. Nothing is trained before the first call. [one-call-per-instance] */
  osteon_status (*set_trainable)(const osteon_call* call, osteon_model* model, uint64_t count, const uint64_t* indices,
                                 osteon_error* error);

  /** Lets tensors live in the host's memory: from here on the value of tensor indices[i] lies at values[i], where the
   * model copies it, and its gradient at grads[i], which the host has filled. Both are views of the tensor's shape and
   * dtype (a gradient: float32) on the model's device, and stay valid until `move`, `destroy` or another `bind`; so all
   * of them may lie in one block of whatever memory the host likes. NULL in either array, or for an array: as it was.
   * Only while no tape is alive. OSTEON_INVALID_ARGUMENT when a view does not fit or a gradient is given to what is not
   * trained; then nothing has changed. OSTEON_UNSUPPORTED from a model that keeps its memory. [one-call-per-instance]
   */
  osteon_status (*bind)(const osteon_call* call, osteon_model* model, uint64_t count, const uint64_t* indices,
                        const osteon_tensor_view* const* values, const osteon_tensor_view* const* grads,
                        osteon_error* error);

  /** The host wrote to values of `tensors` (an optimizer step, loaded weights); `generation` grows each time. Whatever
   * was derived from them (folded or packed weights, compiled graphs) is out of date. [one-call-per-instance] */
  void (*parameters_changed)(osteon_model* model, uint64_t generation);

  /** Moves parameters, buffers and gradients to memory of another device, or of its own where they were bound; all
   * views of `tensors` become invalid. Only while no tape is alive. OSTEON_UNSUPPORTED for a device that the component
   * does not list. On failure the model is where it was. [one-call-per-instance] */
  osteon_status (*move)(const osteon_call* call, osteon_model* model, osteon_device device, osteon_error* error);

  /** Runs the network.
   *
   * @param input    float32 [N, C, H, W], intensities as the recipe normalises them, H and W multiples of
   *                 size_multiple. Unchanged until the tape is released; borrowed until then in training, for the call
   *                 in inference.
   * @param outputs  n_outputs out-tensors: all of info's in training and with OSTEON_FORWARD_ALL_OUTPUTS, else one, the
   *                 main output. Logits [N, channels, ceil(H / stride), ceil(W / stride)], float32 unless the precision
   * is float16 or bfloat16; then that or float32. The caller owns them.
   * @param tape     training: gets the tape, which the caller ends with `release_tape`. NULL in inference.
   *
   * Returns OSTEON_OK, OSTEON_INVALID_ARGUMENT (also for training before set_trainable), OSTEON_UNSUPPORTED
   * (precision), OSTEON_OUT_OF_MEMORY, OSTEON_OUT_OF_DEVICE_MEMORY, OSTEON_CANCELLED or OSTEON_FAILED. Inference
   * forwards of one instance may run at once [any-thread] as long as nothing else of the instance runs; training ones
   * are [one-call-per-instance]. */
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
