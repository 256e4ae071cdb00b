/* SPDX-License-Identifier: Apache-2.0 */
/* Where each field of the plugin ABI lies on 64-bit machines, for C11 and C++17 alike. A plugin that was compiled
 * against these headers has the numbers built in: a line here may be added, never changed, as long as the major number
 * of the ABI stays. */
#ifndef OSTEON_TESTS_ABI_LAYOUT_H
#define OSTEON_TESTS_ABI_LAYOUT_H

#include <assert.h>
#include <stddef.h>

#include <osteon/abi/all.h>
#include <osteon/abi/draft/inference_plan.h>

#define OSTEON_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " has another size")
#define OSTEON_FIELD(type, field, bytes) static_assert(offsetof(type, field) == (bytes), #type "." #field " has moved")

static_assert(sizeof(void*) == 8 && sizeof(void (*)(void)) == 8 && sizeof(double) == 8,
              "the numbers below are those of LP64");

/* version.h */
OSTEON_SIZE(osteon_error, 16);
OSTEON_FIELD(osteon_error, text_size, 4);
OSTEON_FIELD(osteon_error, text, 8);

/* tensor.h */
OSTEON_SIZE(osteon_device, 8);
OSTEON_FIELD(osteon_device, type, 0);
OSTEON_FIELD(osteon_device, id, 4);
OSTEON_SIZE(osteon_dtype, 4);
OSTEON_FIELD(osteon_dtype, code, 0);
OSTEON_FIELD(osteon_dtype, bits, 1);
OSTEON_FIELD(osteon_dtype, lanes, 2);
OSTEON_SIZE(osteon_tensor_view, 48);
OSTEON_FIELD(osteon_tensor_view, data, 0);
OSTEON_FIELD(osteon_tensor_view, device, 8);
OSTEON_FIELD(osteon_tensor_view, ndim, 16);
OSTEON_FIELD(osteon_tensor_view, dtype, 20);
OSTEON_FIELD(osteon_tensor_view, shape, 24);
OSTEON_FIELD(osteon_tensor_view, strides, 32);
OSTEON_FIELD(osteon_tensor_view, byte_offset, 40);
OSTEON_SIZE(osteon_tensor, 72);
OSTEON_FIELD(osteon_tensor, flags, 4);
OSTEON_FIELD(osteon_tensor, view, 8);
OSTEON_FIELD(osteon_tensor, owner, 56);
OSTEON_FIELD(osteon_tensor, release, 64);

/* call.h */
OSTEON_SIZE(osteon_call, 88);
OSTEON_FIELD(osteon_call, threads, 4);
OSTEON_FIELD(osteon_call, device, 8);
OSTEON_FIELD(osteon_call, stream, 16);
OSTEON_FIELD(osteon_call, host, 24);
OSTEON_FIELD(osteon_call, cancelled, 32);
OSTEON_FIELD(osteon_call, time_left, 40);
OSTEON_FIELD(osteon_call, progress, 48);
OSTEON_FIELD(osteon_call, log, 56);
OSTEON_FIELD(osteon_call, allocate, 64);
OSTEON_FIELD(osteon_call, scratch, 72);
OSTEON_FIELD(osteon_call, service, 80);

/* params.h */
OSTEON_SIZE(osteon_value, 48);
OSTEON_FIELD(osteon_value, type, 4);
OSTEON_FIELD(osteon_value, count, 8);
OSTEON_FIELD(osteon_value, ints, 16);
OSTEON_FIELD(osteon_value, floats, 24);
OSTEON_FIELD(osteon_value, strings, 32);
OSTEON_FIELD(osteon_value, predictors, 40);
OSTEON_SIZE(osteon_param_spec, 112);
OSTEON_FIELD(osteon_param_spec, type, 4);
OSTEON_FIELD(osteon_param_spec, flags, 8);
OSTEON_FIELD(osteon_param_spec, reserved, 12);
OSTEON_FIELD(osteon_param_spec, name, 16);
OSTEON_FIELD(osteon_param_spec, doc, 24);
OSTEON_FIELD(osteon_param_spec, unit, 32);
OSTEON_FIELD(osteon_param_spec, default_value, 40);
OSTEON_FIELD(osteon_param_spec, minimum, 48);
OSTEON_FIELD(osteon_param_spec, maximum, 56);
OSTEON_FIELD(osteon_param_spec, min_count, 64);
OSTEON_FIELD(osteon_param_spec, max_count, 72);
OSTEON_FIELD(osteon_param_spec, n_choices, 80);
OSTEON_FIELD(osteon_param_spec, choices, 88);
OSTEON_FIELD(osteon_param_spec, n_aliases, 96);
OSTEON_FIELD(osteon_param_spec, aliases, 104);

/* entry.h */
OSTEON_SIZE(osteon_component, 104);
OSTEON_FIELD(osteon_component, kind, 4);
OSTEON_FIELD(osteon_component, name, 8);
OSTEON_FIELD(osteon_component, version, 16);
OSTEON_FIELD(osteon_component, doc, 24);
OSTEON_FIELD(osteon_component, reference, 32);
OSTEON_FIELD(osteon_component, n_params, 40);
OSTEON_FIELD(osteon_component, params, 48);
OSTEON_FIELD(osteon_component, n_devices, 56);
OSTEON_FIELD(osteon_component, devices, 64);
OSTEON_FIELD(osteon_component, n_dtypes, 72);
OSTEON_FIELD(osteon_component, dtypes, 80);
OSTEON_FIELD(osteon_component, api, 88);
OSTEON_FIELD(osteon_component, extension, 96);
OSTEON_SIZE(osteon_plugin, 40);
OSTEON_FIELD(osteon_plugin, abi_version, 4);
OSTEON_FIELD(osteon_plugin, name, 8);
OSTEON_FIELD(osteon_plugin, version, 16);
OSTEON_FIELD(osteon_plugin, n_components, 24);
OSTEON_FIELD(osteon_plugin, components, 32);

/* model.h */
OSTEON_SIZE(osteon_model_request, 40);
OSTEON_FIELD(osteon_model_request, flags, 4);
OSTEON_FIELD(osteon_model_request, in_channels, 8);
OSTEON_FIELD(osteon_model_request, n_classes, 16);
OSTEON_FIELD(osteon_model_request, class_names, 24);
OSTEON_FIELD(osteon_model_request, seed, 32);
OSTEON_SIZE(osteon_model_output, 32);
OSTEON_FIELD(osteon_model_output, flags, 4);
OSTEON_FIELD(osteon_model_output, name, 8);
OSTEON_FIELD(osteon_model_output, loss_weight, 16);
OSTEON_FIELD(osteon_model_output, stride, 24);
OSTEON_SIZE(osteon_model_info, 48);
OSTEON_FIELD(osteon_model_info, flags, 4);
OSTEON_FIELD(osteon_model_info, in_channels, 8);
OSTEON_FIELD(osteon_model_info, n_classes, 16);
OSTEON_FIELD(osteon_model_info, size_multiple, 24);
OSTEON_FIELD(osteon_model_info, n_outputs, 32);
OSTEON_FIELD(osteon_model_info, outputs, 40);
OSTEON_SIZE(osteon_named_tensor, 112);
OSTEON_FIELD(osteon_named_tensor, role, 4);
OSTEON_FIELD(osteon_named_tensor, name, 8);
OSTEON_FIELD(osteon_named_tensor, value, 16);
OSTEON_FIELD(osteon_named_tensor, grad, 64);
OSTEON_SIZE(osteon_forward_options, 24);
OSTEON_FIELD(osteon_forward_options, mode, 4);
OSTEON_FIELD(osteon_forward_options, precision, 8);
OSTEON_FIELD(osteon_forward_options, flags, 12);
OSTEON_FIELD(osteon_forward_options, seed, 16);
OSTEON_SIZE(osteon_model_api, 88);
OSTEON_FIELD(osteon_model_api, flags, 4);
OSTEON_FIELD(osteon_model_api, create, 8);
OSTEON_FIELD(osteon_model_api, destroy, 16);
OSTEON_FIELD(osteon_model_api, info, 24);
OSTEON_FIELD(osteon_model_api, tensors, 32);
OSTEON_FIELD(osteon_model_api, set_trainable, 40);
OSTEON_FIELD(osteon_model_api, parameters_changed, 48);
OSTEON_FIELD(osteon_model_api, move, 56);
OSTEON_FIELD(osteon_model_api, forward, 64);
OSTEON_FIELD(osteon_model_api, backward, 72);
OSTEON_FIELD(osteon_model_api, release_tape, 80);

/* loss.h */
OSTEON_SIZE(osteon_loss_request, 24);
OSTEON_FIELD(osteon_loss_request, labels, 4);
OSTEON_FIELD(osteon_loss_request, n_classes, 8);
OSTEON_FIELD(osteon_loss_request, class_names, 16);
OSTEON_SIZE(osteon_loss_input, 56);
OSTEON_FIELD(osteon_loss_input, flags, 4);
OSTEON_FIELD(osteon_loss_input, logits, 8);
OSTEON_FIELD(osteon_loss_input, target, 16);
OSTEON_FIELD(osteon_loss_input, valid, 24);
OSTEON_FIELD(osteon_loss_input, sample_weight, 32);
OSTEON_FIELD(osteon_loss_input, grad_scale, 40);
OSTEON_FIELD(osteon_loss_input, grad, 48);
OSTEON_SIZE(osteon_loss_api, 32);
OSTEON_FIELD(osteon_loss_api, flags, 4);
OSTEON_FIELD(osteon_loss_api, create, 8);
OSTEON_FIELD(osteon_loss_api, destroy, 16);
OSTEON_FIELD(osteon_loss_api, evaluate, 24);

/* augmentation.h */
OSTEON_SIZE(osteon_random_key, 16);
OSTEON_FIELD(osteon_random_key, words, 0);
OSTEON_SIZE(osteon_augmentation_request, 32);
OSTEON_FIELD(osteon_augmentation_request, flags, 4);
OSTEON_FIELD(osteon_augmentation_request, n_classes, 8);
OSTEON_FIELD(osteon_augmentation_request, class_names, 16);
OSTEON_FIELD(osteon_augmentation_request, mirrored, 24);
OSTEON_SIZE(osteon_augmentation_info, 16);
OSTEON_FIELD(osteon_augmentation_info, way, 4);
OSTEON_FIELD(osteon_augmentation_info, flags, 8);
OSTEON_FIELD(osteon_augmentation_info, reserved, 12);
OSTEON_SIZE(osteon_warp_request, 24);
OSTEON_FIELD(osteon_warp_request, flags, 4);
OSTEON_FIELD(osteon_warp_request, height, 8);
OSTEON_FIELD(osteon_warp_request, width, 16);
OSTEON_SIZE(osteon_warp, 104);
OSTEON_FIELD(osteon_warp, kind, 4);
OSTEON_FIELD(osteon_warp, border, 8);
OSTEON_FIELD(osteon_warp, flags, 12);
OSTEON_FIELD(osteon_warp, height, 16);
OSTEON_FIELD(osteon_warp, width, 24);
OSTEON_FIELD(osteon_warp, matrix, 32);
OSTEON_FIELD(osteon_warp, image_fill, 80);
OSTEON_FIELD(osteon_warp, class_source, 88);
OSTEON_FIELD(osteon_warp, state, 96);
OSTEON_SIZE(osteon_pixels, 40);
OSTEON_FIELD(osteon_pixels, flags, 4);
OSTEON_FIELD(osteon_pixels, image, 8);
OSTEON_FIELD(osteon_pixels, maximum, 16);
OSTEON_FIELD(osteon_pixels, labels, 24);
OSTEON_FIELD(osteon_pixels, valid, 32);
OSTEON_SIZE(osteon_augmentation_api, 64);
OSTEON_FIELD(osteon_augmentation_api, flags, 4);
OSTEON_FIELD(osteon_augmentation_api, create, 8);
OSTEON_FIELD(osteon_augmentation_api, destroy, 16);
OSTEON_FIELD(osteon_augmentation_api, info, 24);
OSTEON_FIELD(osteon_augmentation_api, sample_warp, 32);
OSTEON_FIELD(osteon_augmentation_api, map_points, 40);
OSTEON_FIELD(osteon_augmentation_api, end_warp, 48);
OSTEON_FIELD(osteon_augmentation_api, apply, 56);

/* predictor.h */
OSTEON_SIZE(osteon_image, 112);
OSTEON_FIELD(osteon_image, flags, 4);
OSTEON_FIELD(osteon_image, pixels, 8);
OSTEON_FIELD(osteon_image, to_root, 56);
OSTEON_FIELD(osteon_image, root, 104);
OSTEON_SIZE(osteon_predict_request, 32);
OSTEON_FIELD(osteon_predict_request, form, 4);
OSTEON_FIELD(osteon_predict_request, grid, 8);
OSTEON_FIELD(osteon_predict_request, scale, 12);
OSTEON_FIELD(osteon_predict_request, n_classes, 16);
OSTEON_FIELD(osteon_predict_request, classes, 24);
OSTEON_SIZE(osteon_prediction, 136);
OSTEON_FIELD(osteon_prediction, form, 4);
OSTEON_FIELD(osteon_prediction, flags, 8);
OSTEON_FIELD(osteon_prediction, reserved, 12);
OSTEON_FIELD(osteon_prediction, values, 16);
OSTEON_FIELD(osteon_prediction, to_image, 88);
OSTEON_SIZE(osteon_predictor, 56);
OSTEON_FIELD(osteon_predictor, flags, 4);
OSTEON_FIELD(osteon_predictor, labels, 8);
OSTEON_FIELD(osteon_predictor, reserved, 12);
OSTEON_FIELD(osteon_predictor, n_classes, 16);
OSTEON_FIELD(osteon_predictor, class_names, 24);
OSTEON_FIELD(osteon_predictor, host, 32);
OSTEON_FIELD(osteon_predictor, predict, 40);
OSTEON_FIELD(osteon_predictor, gives_forms, 48);
OSTEON_FIELD(osteon_predictor, gives_grids, 52);
OSTEON_SIZE(osteon_resample_service, 16);
OSTEON_FIELD(osteon_resample_service, flags, 4);
OSTEON_FIELD(osteon_resample_service, convert, 8);

/* postprocessor.h */
OSTEON_SIZE(osteon_postprocessor_request, 32);
OSTEON_FIELD(osteon_postprocessor_request, labels, 4);
OSTEON_FIELD(osteon_postprocessor_request, n_classes, 8);
OSTEON_FIELD(osteon_postprocessor_request, class_names, 16);
OSTEON_FIELD(osteon_postprocessor_request, mirrored, 24);
OSTEON_SIZE(osteon_postprocessor_info, 24);
OSTEON_FIELD(osteon_postprocessor_info, shape, 4);
OSTEON_FIELD(osteon_postprocessor_info, needs_forms, 8);
OSTEON_FIELD(osteon_postprocessor_info, needs_grids, 12);
OSTEON_FIELD(osteon_postprocessor_info, gives_forms, 16);
OSTEON_FIELD(osteon_postprocessor_info, gives_grids, 20);
OSTEON_SIZE(osteon_postprocessor_api, 40);
OSTEON_FIELD(osteon_postprocessor_api, flags, 4);
OSTEON_FIELD(osteon_postprocessor_api, create, 8);
OSTEON_FIELD(osteon_postprocessor_api, destroy, 16);
OSTEON_FIELD(osteon_postprocessor_api, info, 24);
OSTEON_FIELD(osteon_postprocessor_api, process, 32);

/* ensembler.h */
OSTEON_SIZE(osteon_ensembler_request, 40);
OSTEON_FIELD(osteon_ensembler_request, labels, 4);
OSTEON_FIELD(osteon_ensembler_request, n_classes, 8);
OSTEON_FIELD(osteon_ensembler_request, class_names, 16);
OSTEON_FIELD(osteon_ensembler_request, n_members, 24);
OSTEON_FIELD(osteon_ensembler_request, member_names, 32);
OSTEON_SIZE(osteon_ensembler_info, 16);
OSTEON_FIELD(osteon_ensembler_info, takes, 4);
OSTEON_FIELD(osteon_ensembler_info, gives, 8);
OSTEON_FIELD(osteon_ensembler_info, fits, 12);
OSTEON_SIZE(osteon_band, 48);
OSTEON_FIELD(osteon_band, flags, 4);
OSTEON_FIELD(osteon_band, first_row, 8);
OSTEON_FIELD(osteon_band, height, 16);
OSTEON_FIELD(osteon_band, width, 24);
OSTEON_FIELD(osteon_band, n_classes, 32);
OSTEON_FIELD(osteon_band, classes, 40);
OSTEON_SIZE(osteon_ensembler_api, 96);
OSTEON_FIELD(osteon_ensembler_api, flags, 4);
OSTEON_FIELD(osteon_ensembler_api, create, 8);
OSTEON_FIELD(osteon_ensembler_api, destroy, 16);
OSTEON_FIELD(osteon_ensembler_api, info, 24);
OSTEON_FIELD(osteon_ensembler_api, tensors, 32);
OSTEON_FIELD(osteon_ensembler_api, fit_begin, 40);
OSTEON_FIELD(osteon_ensembler_api, fit_add, 48);
OSTEON_FIELD(osteon_ensembler_api, fit_end, 56);
OSTEON_FIELD(osteon_ensembler_api, needed, 64);
OSTEON_FIELD(osteon_ensembler_api, begin, 72);
OSTEON_FIELD(osteon_ensembler_api, add, 80);
OSTEON_FIELD(osteon_ensembler_api, finish, 88);

/* draft/inference_plan.h */
OSTEON_SIZE(osteon_inference_plan, 16);
OSTEON_FIELD(osteon_inference_plan, describe, 8);

/* Growable structs begin with their size, so that it can be read before anything else is known of them. Frozen ones do
 * not. */

#define OSTEON_GROWS(type) \
  static_assert(offsetof(type, struct_size) == 0 && sizeof(((type*)0)->struct_size) == 4, #type)
OSTEON_GROWS(osteon_error);
OSTEON_GROWS(osteon_tensor);
OSTEON_GROWS(osteon_call);
OSTEON_GROWS(osteon_value);
OSTEON_GROWS(osteon_param_spec);
OSTEON_GROWS(osteon_component);
OSTEON_GROWS(osteon_plugin);
OSTEON_GROWS(osteon_model_request);
OSTEON_GROWS(osteon_model_output);
OSTEON_GROWS(osteon_model_info);
OSTEON_GROWS(osteon_named_tensor);
OSTEON_GROWS(osteon_forward_options);
OSTEON_GROWS(osteon_model_api);
OSTEON_GROWS(osteon_loss_request);
OSTEON_GROWS(osteon_loss_input);
OSTEON_GROWS(osteon_loss_api);
OSTEON_GROWS(osteon_augmentation_request);
OSTEON_GROWS(osteon_augmentation_info);
OSTEON_GROWS(osteon_warp_request);
OSTEON_GROWS(osteon_warp);
OSTEON_GROWS(osteon_pixels);
OSTEON_GROWS(osteon_augmentation_api);
OSTEON_GROWS(osteon_image);
OSTEON_GROWS(osteon_predict_request);
OSTEON_GROWS(osteon_prediction);
OSTEON_GROWS(osteon_predictor);
OSTEON_GROWS(osteon_resample_service);
OSTEON_GROWS(osteon_postprocessor_request);
OSTEON_GROWS(osteon_postprocessor_info);
OSTEON_GROWS(osteon_postprocessor_api);
OSTEON_GROWS(osteon_ensembler_request);
OSTEON_GROWS(osteon_ensembler_info);
OSTEON_GROWS(osteon_band);
OSTEON_GROWS(osteon_ensembler_api);
OSTEON_GROWS(osteon_inference_plan);

/* Numbers that are written into plugins and files. */
#define OSTEON_NUMBER(name, number) static_assert((name) == (number), #name " has another number")
OSTEON_NUMBER(OSTEON_OK, 0);
OSTEON_NUMBER(OSTEON_INVALID_ARGUMENT, 1);
OSTEON_NUMBER(OSTEON_UNSUPPORTED, 2);
OSTEON_NUMBER(OSTEON_OUT_OF_MEMORY, 3);
OSTEON_NUMBER(OSTEON_OUT_OF_DEVICE_MEMORY, 4);
OSTEON_NUMBER(OSTEON_CANCELLED, 5);
OSTEON_NUMBER(OSTEON_FAILED, 6);
OSTEON_NUMBER(OSTEON_DEVICE_CPU, 1);
OSTEON_NUMBER(OSTEON_DEVICE_CUDA, 2);
OSTEON_NUMBER(OSTEON_DTYPE_INT, 0);
OSTEON_NUMBER(OSTEON_DTYPE_UINT, 1);
OSTEON_NUMBER(OSTEON_DTYPE_FLOAT, 2);
OSTEON_NUMBER(OSTEON_DTYPE_BFLOAT, 4);
OSTEON_NUMBER(OSTEON_LOG_DEBUG, 0);
OSTEON_NUMBER(OSTEON_LOG_INFO, 1);
OSTEON_NUMBER(OSTEON_LOG_WARNING, 2);
OSTEON_NUMBER(OSTEON_PARAM_BOOL, 1);
OSTEON_NUMBER(OSTEON_PARAM_INT, 2);
OSTEON_NUMBER(OSTEON_PARAM_FLOAT, 3);
OSTEON_NUMBER(OSTEON_PARAM_STRING, 4);
OSTEON_NUMBER(OSTEON_PARAM_CHOICE, 5);
OSTEON_NUMBER(OSTEON_PARAM_FLOAT_RANGE, 6);
OSTEON_NUMBER(OSTEON_PARAM_PATH, 7);
OSTEON_NUMBER(OSTEON_PARAM_PREDICTOR, 8);
OSTEON_NUMBER(OSTEON_PARAM_CLASSES, 9);
OSTEON_NUMBER(OSTEON_PARAM_REQUIRED, 1);
OSTEON_NUMBER(OSTEON_PARAM_LIST, 2);
OSTEON_NUMBER(OSTEON_KIND_MODEL, 1);
OSTEON_NUMBER(OSTEON_KIND_LOSS, 2);
OSTEON_NUMBER(OSTEON_KIND_AUGMENTATION, 3);
OSTEON_NUMBER(OSTEON_KIND_POSTPROCESSOR, 4);
OSTEON_NUMBER(OSTEON_KIND_ENSEMBLER, 5);
OSTEON_NUMBER(OSTEON_LABELS_MULTILABEL, 1);
OSTEON_NUMBER(OSTEON_LABELS_MULTICLASS, 2);
OSTEON_NUMBER(OSTEON_OUTPUT_ALIGN_CORNERS, 1);
OSTEON_NUMBER(OSTEON_TENSOR_PARAMETER, 1);
OSTEON_NUMBER(OSTEON_TENSOR_BUFFER, 2);
OSTEON_NUMBER(OSTEON_MODE_INFERENCE, 0);
OSTEON_NUMBER(OSTEON_MODE_TRAINING, 1);
OSTEON_NUMBER(OSTEON_PRECISION_FLOAT32, 0);
OSTEON_NUMBER(OSTEON_PRECISION_FLOAT16, 1);
OSTEON_NUMBER(OSTEON_PRECISION_BFLOAT16, 2);
OSTEON_NUMBER(OSTEON_FORWARD_INPUT_GRADIENT, 1);
OSTEON_NUMBER(OSTEON_FORWARD_PLAIN, 2);
OSTEON_NUMBER(OSTEON_LOSS_ACCUMULATE, 1);
OSTEON_NUMBER(OSTEON_AUGMENTATION_GEOMETRIC, 1);
OSTEON_NUMBER(OSTEON_AUGMENTATION_PHOTOMETRIC, 2);
OSTEON_NUMBER(OSTEON_AUGMENTATION_EDITS_LABELS, 1);
OSTEON_NUMBER(OSTEON_WARP_IDENTITY, 0);
OSTEON_NUMBER(OSTEON_WARP_PERMUTATION, 1);
OSTEON_NUMBER(OSTEON_WARP_AFFINE, 2);
OSTEON_NUMBER(OSTEON_WARP_FREE, 3);
OSTEON_NUMBER(OSTEON_BORDER_REFLECT_101, 1);
OSTEON_NUMBER(OSTEON_BORDER_CONSTANT, 2);
OSTEON_NUMBER(OSTEON_WARP_IGNORE_OUTSIDE, 1);
OSTEON_NUMBER(OSTEON_FORM_LOGITS, 1);
OSTEON_NUMBER(OSTEON_FORM_PROBABILITIES, 2);
OSTEON_NUMBER(OSTEON_FORM_BITS, 3);
OSTEON_NUMBER(OSTEON_GRID_MODEL, 1);
OSTEON_NUMBER(OSTEON_GRID_IMAGE, 2);
OSTEON_NUMBER(OSTEON_SCALE_RECIPE, 1);
OSTEON_NUMBER(OSTEON_SCALE_NATIVE, 2);
OSTEON_NUMBER(OSTEON_POSTPROCESSOR_MAP, 1);
OSTEON_NUMBER(OSTEON_POSTPROCESSOR_WRAPPER, 2);

#endif
