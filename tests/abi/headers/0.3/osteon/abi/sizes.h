/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * The size that each struct had in the version that brought it, in bytes: struct_size is never less. A struct that
 * grows keeps its line. What a plugin or a host of the version behind a line sends has all fields up to that size;
 * later ones are asked for with OSTEON_HAS.
 *
 * OSTEON_EACH_STRUCT(X) is X(struct, size) for each, the newest version last. */
#ifndef OSTEON_ABI_SIZES_H
#define OSTEON_ABI_SIZES_H

/** Version 0.2, and the last line 0.3. */
#define OSTEON_EACH_STRUCT(X)         \
  X(osteon_error, 24)                 \
  X(osteon_component, 112)            \
  X(osteon_plugin, 48)                \
  X(osteon_value, 56)                 \
  X(osteon_param_spec, 112)           \
  X(osteon_call_options, 56)          \
  X(osteon_call, 120)                 \
  X(osteon_named_tensor, 128)         \
  X(osteon_model_request, 40)         \
  X(osteon_model_output, 48)          \
  X(osteon_model_info, 48)            \
  X(osteon_forward_options, 24)       \
  X(osteon_model_api, 96)             \
  X(osteon_loss_request, 32)          \
  X(osteon_loss_input, 80)            \
  X(osteon_loss_api, 32)              \
  X(osteon_augmentation_request, 32)  \
  X(osteon_augmentation_info, 16)     \
  X(osteon_warp_request, 56)          \
  X(osteon_warp, 104)                 \
  X(osteon_pixels, 40)                \
  X(osteon_augmentation_api, 64)      \
  X(osteon_image, 136)                \
  X(osteon_predict_request, 40)       \
  X(osteon_prediction, 144)           \
  X(osteon_predictor, 56)             \
  X(osteon_resample_service, 16)      \
  X(osteon_cache_service, 24)         \
  X(osteon_postprocessor_request, 40) \
  X(osteon_postprocessor_info, 32)    \
  X(osteon_postprocessor_api, 40)     \
  X(osteon_band, 48)                  \
  X(osteon_fit_request, 24)           \
  X(osteon_fit_sample, 64)            \
  X(osteon_fit, 48)                   \
  X(osteon_ensembler_request, 56)     \
  X(osteon_ensembler_info, 16)        \
  X(osteon_ensembler_api, 64)         \
  X(osteon_beneath, 24)

#endif
