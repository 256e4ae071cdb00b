/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of layout.h: the kinds of component, and what is a draft. */
#ifndef OSTEON_TESTS_ABI_LAYOUT_KINDS_H
#define OSTEON_TESTS_ABI_LAYOUT_KINDS_H

#include <osteon/abi/draft/inference_plan.h>
#include <osteon/abi/draft/weight_names.h>

#include "unit/abi/layout.h"

/* model.h */
OSTEON_SIZE(osteon_model_request, 40);
OSTEON_FIELD(osteon_model_request, flags, 4);
OSTEON_FIELD(osteon_model_request, in_channels, 8);
OSTEON_FIELD(osteon_model_request, n_classes, 16);
OSTEON_FIELD(osteon_model_request, class_names, 24);
OSTEON_FIELD(osteon_model_request, seed, 32);
OSTEON_SIZE(osteon_model_output, 48);
OSTEON_FIELD(osteon_model_output, flags, 4);
OSTEON_FIELD(osteon_model_output, role, 8);
OSTEON_FIELD(osteon_model_output, reserved, 12);
OSTEON_FIELD(osteon_model_output, name, 16);
OSTEON_FIELD(osteon_model_output, loss_weight, 24);
OSTEON_FIELD(osteon_model_output, stride, 32);
OSTEON_FIELD(osteon_model_output, channels, 40);
OSTEON_SIZE(osteon_model_info, 48);
OSTEON_FIELD(osteon_model_info, flags, 4);
OSTEON_FIELD(osteon_model_info, in_channels, 8);
OSTEON_FIELD(osteon_model_info, n_classes, 16);
OSTEON_FIELD(osteon_model_info, size_multiple, 24);
OSTEON_FIELD(osteon_model_info, n_outputs, 32);
OSTEON_FIELD(osteon_model_info, outputs, 40);
OSTEON_SIZE(osteon_forward_options, 24);
OSTEON_FIELD(osteon_forward_options, flags, 4);
OSTEON_FIELD(osteon_forward_options, mode, 8);
OSTEON_FIELD(osteon_forward_options, precision, 12);
OSTEON_FIELD(osteon_forward_options, seed, 16);
OSTEON_SIZE(osteon_model_api, 96);
OSTEON_FIELD(osteon_model_api, flags, 4);
OSTEON_FIELD(osteon_model_api, create, 8);
OSTEON_FIELD(osteon_model_api, destroy, 16);
OSTEON_FIELD(osteon_model_api, info, 24);
OSTEON_FIELD(osteon_model_api, tensors, 32);
OSTEON_FIELD(osteon_model_api, set_trainable, 40);
OSTEON_FIELD(osteon_model_api, bind, 48);
OSTEON_FIELD(osteon_model_api, parameters_changed, 56);
OSTEON_FIELD(osteon_model_api, move, 64);
OSTEON_FIELD(osteon_model_api, forward, 72);
OSTEON_FIELD(osteon_model_api, backward, 80);
OSTEON_FIELD(osteon_model_api, release_tape, 88);

/* loss.h */
OSTEON_SIZE(osteon_loss_request, 32);
OSTEON_FIELD(osteon_loss_request, flags, 4);
OSTEON_FIELD(osteon_loss_request, labels, 8);
OSTEON_FIELD(osteon_loss_request, reserved, 12);
OSTEON_FIELD(osteon_loss_request, n_classes, 16);
OSTEON_FIELD(osteon_loss_request, class_names, 24);
OSTEON_SIZE(osteon_loss_input, 80);
OSTEON_FIELD(osteon_loss_input, flags, 4);
OSTEON_FIELD(osteon_loss_input, logits, 8);
OSTEON_FIELD(osteon_loss_input, target, 16);
OSTEON_FIELD(osteon_loss_input, valid, 24);
OSTEON_FIELD(osteon_loss_input, sample_weight, 32);
OSTEON_FIELD(osteon_loss_input, grad_scale, 40);
OSTEON_FIELD(osteon_loss_input, grad, 48);
OSTEON_FIELD(osteon_loss_input, pixel_weight, 56);
OSTEON_FIELD(osteon_loss_input, class_valid, 64);
OSTEON_FIELD(osteon_loss_input, soft_target, 72);
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
OSTEON_FIELD(osteon_augmentation_info, flags, 4);
OSTEON_FIELD(osteon_augmentation_info, way, 8);
OSTEON_FIELD(osteon_augmentation_info, reserved, 12);
OSTEON_SIZE(osteon_warp_request, 56);
OSTEON_FIELD(osteon_warp_request, flags, 4);
OSTEON_FIELD(osteon_warp_request, height, 8);
OSTEON_FIELD(osteon_warp_request, width, 16);
OSTEON_FIELD(osteon_warp_request, view_height, 24);
OSTEON_FIELD(osteon_warp_request, view_width, 32);
OSTEON_FIELD(osteon_warp_request, view_index, 40);
OSTEON_FIELD(osteon_warp_request, class_boxes, 48);
OSTEON_SIZE(osteon_warp, 104);
OSTEON_FIELD(osteon_warp, flags, 4);
OSTEON_FIELD(osteon_warp, kind, 8);
OSTEON_FIELD(osteon_warp, border, 12);
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

/* postprocessor.h */
OSTEON_SIZE(osteon_postprocessor_request, 40);
OSTEON_FIELD(osteon_postprocessor_request, flags, 4);
OSTEON_FIELD(osteon_postprocessor_request, labels, 8);
OSTEON_FIELD(osteon_postprocessor_request, reserved, 12);
OSTEON_FIELD(osteon_postprocessor_request, n_classes, 16);
OSTEON_FIELD(osteon_postprocessor_request, class_names, 24);
OSTEON_FIELD(osteon_postprocessor_request, mirrored, 32);
OSTEON_SIZE(osteon_postprocessor_info, 32);
OSTEON_FIELD(osteon_postprocessor_info, flags, 4);
OSTEON_FIELD(osteon_postprocessor_info, shape, 8);
OSTEON_FIELD(osteon_postprocessor_info, needs_forms, 12);
OSTEON_FIELD(osteon_postprocessor_info, needs_grids, 16);
OSTEON_FIELD(osteon_postprocessor_info, gives_forms, 20);
OSTEON_FIELD(osteon_postprocessor_info, gives_grids, 24);
OSTEON_FIELD(osteon_postprocessor_info, reserved, 28);
OSTEON_SIZE(osteon_postprocessor_api, 72);
OSTEON_FIELD(osteon_postprocessor_api, flags, 4);
OSTEON_FIELD(osteon_postprocessor_api, create, 8);
OSTEON_FIELD(osteon_postprocessor_api, destroy, 16);
OSTEON_FIELD(osteon_postprocessor_api, info, 24);
OSTEON_FIELD(osteon_postprocessor_api, process, 32);
OSTEON_FIELD(osteon_postprocessor_api, open, 40);
OSTEON_FIELD(osteon_postprocessor_api, read, 48);
OSTEON_FIELD(osteon_postprocessor_api, close, 56);
OSTEON_FIELD(osteon_postprocessor_api, types, 64);

/* ensembler.h */
OSTEON_SIZE(osteon_ensembler_request, 56);
OSTEON_FIELD(osteon_ensembler_request, flags, 4);
OSTEON_FIELD(osteon_ensembler_request, labels, 8);
OSTEON_FIELD(osteon_ensembler_request, reserved, 12);
OSTEON_FIELD(osteon_ensembler_request, n_classes, 16);
OSTEON_FIELD(osteon_ensembler_request, class_names, 24);
OSTEON_FIELD(osteon_ensembler_request, n_members, 32);
OSTEON_FIELD(osteon_ensembler_request, member_names, 40);
OSTEON_FIELD(osteon_ensembler_request, has_class, 48);
OSTEON_SIZE(osteon_ensembler_info, 16);
OSTEON_FIELD(osteon_ensembler_info, flags, 4);
OSTEON_FIELD(osteon_ensembler_info, takes, 8);
OSTEON_FIELD(osteon_ensembler_info, gives, 12);
OSTEON_SIZE(osteon_ensembler_api, 72);
OSTEON_FIELD(osteon_ensembler_api, flags, 4);
OSTEON_FIELD(osteon_ensembler_api, create, 8);
OSTEON_FIELD(osteon_ensembler_api, destroy, 16);
OSTEON_FIELD(osteon_ensembler_api, info, 24);
OSTEON_FIELD(osteon_ensembler_api, needed, 32);
OSTEON_FIELD(osteon_ensembler_api, begin, 40);
OSTEON_FIELD(osteon_ensembler_api, add, 48);
OSTEON_FIELD(osteon_ensembler_api, finish, 56);
OSTEON_FIELD(osteon_ensembler_api, types, 64);

/* fit.h */
OSTEON_SIZE(osteon_fit_request, 24);
OSTEON_FIELD(osteon_fit_request, flags, 4);
OSTEON_FIELD(osteon_fit_request, n_members, 8);
OSTEON_FIELD(osteon_fit_request, dice, 16);
OSTEON_SIZE(osteon_fit_sample, 64);
OSTEON_FIELD(osteon_fit_sample, flags, 4);
OSTEON_FIELD(osteon_fit_sample, image, 8);
OSTEON_FIELD(osteon_fit_sample, band, 16);
OSTEON_FIELD(osteon_fit_sample, n_members, 24);
OSTEON_FIELD(osteon_fit_sample, members, 32);
OSTEON_FIELD(osteon_fit_sample, target, 40);
OSTEON_FIELD(osteon_fit_sample, valid, 48);
OSTEON_FIELD(osteon_fit_sample, class_valid, 56);
OSTEON_SIZE(osteon_fit, 48);
OSTEON_FIELD(osteon_fit, flags, 4);
OSTEON_FIELD(osteon_fit, tensors, 8);
OSTEON_FIELD(osteon_fit, begin, 16);
OSTEON_FIELD(osteon_fit, add, 24);
OSTEON_FIELD(osteon_fit, end, 32);
OSTEON_FIELD(osteon_fit, changed, 40);

/* draft/inference_plan.h */
OSTEON_SIZE(osteon_inference_plan, 16);
OSTEON_FIELD(osteon_inference_plan, flags, 4);
OSTEON_FIELD(osteon_inference_plan, describe, 8);

/* draft/weight_names.h */
OSTEON_SIZE(osteon_weight_entry, 32);
OSTEON_FIELD(osteon_weight_entry, flags, 4);
OSTEON_FIELD(osteon_weight_entry, ndim, 8);
OSTEON_FIELD(osteon_weight_entry, reserved, 12);
OSTEON_FIELD(osteon_weight_entry, name, 16);
OSTEON_FIELD(osteon_weight_entry, shape, 24);
OSTEON_SIZE(osteon_weight_part, 40);
OSTEON_FIELD(osteon_weight_part, flags, 4);
OSTEON_FIELD(osteon_weight_part, entry, 8);
OSTEON_FIELD(osteon_weight_part, first_row, 16);
OSTEON_FIELD(osteon_weight_part, n_rows, 24);
OSTEON_FIELD(osteon_weight_part, target, 32);
OSTEON_SIZE(osteon_weight_names, 32);
OSTEON_FIELD(osteon_weight_names, flags, 4);
OSTEON_FIELD(osteon_weight_names, n_dialects, 8);
OSTEON_FIELD(osteon_weight_names, dialects, 16);
OSTEON_FIELD(osteon_weight_names, translate, 24);

#endif
