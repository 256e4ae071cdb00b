/* SPDX-License-Identifier: Apache-2.0 */
/* Where each field of the plugin ABI lies on 64-bit machines, for C11 and C++17 alike. A plugin that was compiled
 * against these headers has the numbers built in: an append changes the size of its struct and adds a line; no other
 * line is ever changed, as long as the major number of the ABI stays. */
#ifndef OSTEON_TESTS_ABI_LAYOUT_H
#define OSTEON_TESTS_ABI_LAYOUT_H

#include <assert.h>
#include <stddef.h>

#include <osteon/abi/all.h>

#define OSTEON_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " has another size")
#define OSTEON_FIELD(type, field, bytes) static_assert(offsetof(type, field) == (bytes), #type "." #field " has moved")

static_assert(sizeof(void*) == 8 && sizeof(void (*)(void)) == 8 && sizeof(double) == 8,
              "the numbers below are those of LP64");

/* What can grow begins with its size, so that it can be read before anything else is known of it, and is never shorter
 * than sizes.h says. The structs of 0.2, which are all that there are in that version, have just that size in it. */
#define OSTEON_GROWS(type, bytes)                                                                 \
  static_assert(offsetof(type, struct_size) == 0 && sizeof(((type*)0)->struct_size) == 4, #type); \
  static_assert(sizeof(((type*)0)->flags) == 4, #type);                                           \
  static_assert(sizeof(type) >= (bytes), #type " is shorter than the version that brought it had it");
OSTEON_EACH_STRUCT(OSTEON_GROWS)
#if OSTEON_ABI_MINOR == 2
#define OSTEON_IS_NEW(type, bytes) static_assert(sizeof(type) == (bytes), #type " is not what sizes.h says");
OSTEON_EACH_STRUCT(OSTEON_IS_NEW)
#endif

/* version.h */
OSTEON_SIZE(osteon_error, 24);
OSTEON_FIELD(osteon_error, flags, 4);
OSTEON_FIELD(osteon_error, text_size, 8);
OSTEON_FIELD(osteon_error, reserved, 12);
OSTEON_FIELD(osteon_error, text, 16);

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
OSTEON_SIZE(osteon_call_options, 56);
OSTEON_FIELD(osteon_call_options, flags, 4);
OSTEON_FIELD(osteon_call_options, threads, 8);
OSTEON_FIELD(osteon_call_options, reserved, 12);
OSTEON_FIELD(osteon_call_options, progress_begin, 16);
OSTEON_FIELD(osteon_call_options, progress_end, 24);
OSTEON_FIELD(osteon_call_options, time_left, 32);
OSTEON_FIELD(osteon_call_options, device, 40);
OSTEON_FIELD(osteon_call_options, stream, 48);
OSTEON_SIZE(osteon_call, 120);
OSTEON_FIELD(osteon_call, flags, 4);
OSTEON_FIELD(osteon_call, threads, 8);
OSTEON_FIELD(osteon_call, reserved, 12);
OSTEON_FIELD(osteon_call, device, 16);
OSTEON_FIELD(osteon_call, stream, 24);
OSTEON_FIELD(osteon_call, host, 32);
OSTEON_FIELD(osteon_call, cancelled, 40);
OSTEON_FIELD(osteon_call, time_left, 48);
OSTEON_FIELD(osteon_call, progress, 56);
OSTEON_FIELD(osteon_call, log, 64);
OSTEON_FIELD(osteon_call, allocate, 72);
OSTEON_FIELD(osteon_call, scratch, 80);
OSTEON_FIELD(osteon_call, service, 88);
OSTEON_FIELD(osteon_call, derive, 96);
OSTEON_FIELD(osteon_call, end, 104);
OSTEON_FIELD(osteon_call, note, 112);

/* params.h */
OSTEON_SIZE(osteon_value, 56);
OSTEON_FIELD(osteon_value, flags, 4);
OSTEON_FIELD(osteon_value, type, 8);
OSTEON_FIELD(osteon_value, reserved, 12);
OSTEON_FIELD(osteon_value, count, 16);
OSTEON_FIELD(osteon_value, ints, 24);
OSTEON_FIELD(osteon_value, floats, 32);
OSTEON_FIELD(osteon_value, strings, 40);
OSTEON_FIELD(osteon_value, predictors, 48);
OSTEON_SIZE(osteon_param_spec, 112);
OSTEON_FIELD(osteon_param_spec, flags, 4);
OSTEON_FIELD(osteon_param_spec, type, 8);
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
OSTEON_SIZE(osteon_component, 112);
OSTEON_FIELD(osteon_component, flags, 4);
OSTEON_FIELD(osteon_component, kind, 8);
OSTEON_FIELD(osteon_component, reserved, 12);
OSTEON_FIELD(osteon_component, name, 16);
OSTEON_FIELD(osteon_component, version, 24);
OSTEON_FIELD(osteon_component, doc, 32);
OSTEON_FIELD(osteon_component, reference, 40);
OSTEON_FIELD(osteon_component, n_params, 48);
OSTEON_FIELD(osteon_component, params, 56);
OSTEON_FIELD(osteon_component, n_devices, 64);
OSTEON_FIELD(osteon_component, devices, 72);
OSTEON_FIELD(osteon_component, n_dtypes, 80);
OSTEON_FIELD(osteon_component, dtypes, 88);
OSTEON_FIELD(osteon_component, api, 96);
OSTEON_FIELD(osteon_component, extension, 104);
OSTEON_SIZE(osteon_plugin, 48);
OSTEON_FIELD(osteon_plugin, abi_version, 4);
OSTEON_FIELD(osteon_plugin, flags, 8);
OSTEON_FIELD(osteon_plugin, reserved, 12);
OSTEON_FIELD(osteon_plugin, name, 16);
OSTEON_FIELD(osteon_plugin, version, 24);
OSTEON_FIELD(osteon_plugin, n_components, 32);
OSTEON_FIELD(osteon_plugin, components, 40);

/* named_tensor.h */
OSTEON_SIZE(osteon_named_tensor, 128);
OSTEON_FIELD(osteon_named_tensor, flags, 4);
OSTEON_FIELD(osteon_named_tensor, role, 8);
OSTEON_FIELD(osteon_named_tensor, part, 12);
OSTEON_FIELD(osteon_named_tensor, depth, 16);
OSTEON_FIELD(osteon_named_tensor, name, 24);
OSTEON_FIELD(osteon_named_tensor, value, 32);
OSTEON_FIELD(osteon_named_tensor, grad, 80);

/* band.h */
OSTEON_SIZE(osteon_band, 48);
OSTEON_FIELD(osteon_band, flags, 4);
OSTEON_FIELD(osteon_band, first_row, 8);
OSTEON_FIELD(osteon_band, height, 16);
OSTEON_FIELD(osteon_band, width, 24);
OSTEON_FIELD(osteon_band, n_classes, 32);
OSTEON_FIELD(osteon_band, classes, 40);

/* predictor.h */
OSTEON_SIZE(osteon_image, 144);
OSTEON_FIELD(osteon_image, flags, 4);
OSTEON_FIELD(osteon_image, pixels, 8);
OSTEON_FIELD(osteon_image, to_root, 56);
OSTEON_FIELD(osteon_image, root, 104);
OSTEON_FIELD(osteon_image, digest, 112);
OSTEON_FIELD(osteon_image, spacing, 120);
OSTEON_FIELD(osteon_image, host, 136);
OSTEON_SIZE(osteon_predict_request, 72);
OSTEON_FIELD(osteon_predict_request, flags, 4);
OSTEON_FIELD(osteon_predict_request, form, 8);
OSTEON_FIELD(osteon_predict_request, grid, 12);
OSTEON_FIELD(osteon_predict_request, scale, 16);
OSTEON_FIELD(osteon_predict_request, elements, 20);
OSTEON_FIELD(osteon_predict_request, n_classes, 24);
OSTEON_FIELD(osteon_predict_request, classes, 32);
OSTEON_FIELD(osteon_predict_request, region, 40);
OSTEON_SIZE(osteon_prediction, 144);
OSTEON_FIELD(osteon_prediction, flags, 4);
OSTEON_FIELD(osteon_prediction, form, 8);
OSTEON_FIELD(osteon_prediction, status, 12);
OSTEON_FIELD(osteon_prediction, values, 16);
OSTEON_FIELD(osteon_prediction, to_image, 88);
OSTEON_FIELD(osteon_prediction, error, 136);
OSTEON_SIZE(osteon_predictor, 96);
OSTEON_FIELD(osteon_predictor, flags, 4);
OSTEON_FIELD(osteon_predictor, labels, 8);
OSTEON_FIELD(osteon_predictor, reserved, 12);
OSTEON_FIELD(osteon_predictor, n_classes, 16);
OSTEON_FIELD(osteon_predictor, class_names, 24);
OSTEON_FIELD(osteon_predictor, host, 32);
OSTEON_FIELD(osteon_predictor, predict, 40);
OSTEON_FIELD(osteon_predictor, gives_forms, 48);
OSTEON_FIELD(osteon_predictor, gives_grids, 52);
OSTEON_FIELD(osteon_predictor, thresholds, 56);
OSTEON_FIELD(osteon_predictor, batch_size, 64);
OSTEON_FIELD(osteon_predictor, open, 72);
OSTEON_FIELD(osteon_predictor, read, 80);
OSTEON_FIELD(osteon_predictor, close, 88);

OSTEON_SIZE(osteon_beneath, 24);
OSTEON_FIELD(osteon_beneath, flags, 4);
OSTEON_FIELD(osteon_beneath, labels, 8);
OSTEON_FIELD(osteon_beneath, gives_forms, 12);
OSTEON_FIELD(osteon_beneath, gives_grids, 16);
OSTEON_FIELD(osteon_beneath, reserved, 20);
OSTEON_SIZE(osteon_resample_service, 16);
OSTEON_FIELD(osteon_resample_service, flags, 4);
OSTEON_FIELD(osteon_resample_service, convert, 8);
OSTEON_SIZE(osteon_cache_service, 24);
OSTEON_FIELD(osteon_cache_service, flags, 4);
OSTEON_FIELD(osteon_cache_service, find, 8);
OSTEON_FIELD(osteon_cache_service, keep, 16);

#endif
