/* SPDX-License-Identifier: Apache-2.0 */
/* A random shear in plain C11, on nothing but the ABI's headers.
 *
 * A geometric augmentation touches no pixel. It says where each output pixel comes from, and the host resamples image
 * and labels once for a whole run of such steps. Here, with a and b the tangents of two random angles and the centre of
 * the image at (0, 0):
 *   x' = x + a y        y' = y + b x'
 * One shear after the other has determinant 1 whatever the angles are, so that areas stay and nothing is mirrored. */
#include "shear.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <osteon/abi/entry.h>

enum { REFLECT, CONSTANT, IGNORE, N_BORDERS };
struct osteon_augmentation {
  double low, high; /* tangents */
  int horizontal, vertical;
  int border;
  double fill;
};

/* The version that this file is written for: it uses nothing that came later, whatever headers it is compiled with. */
#define WRITTEN_FOR ((uint32_t)0 << 16 | (uint32_t)2)

static osteon_status fail(osteon_error* error, osteon_status status, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
/* The caller may want no text. */
static osteon_status fail(osteon_error* error, osteon_status status, const char* format, ...) {
  if (error != NULL && OSTEON_HAS(error, text) && error->text != NULL && error->text_size > 0) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, error->text_size, format, arguments);
    va_end(arguments);
  }
  return status;
}

/* Every struct that is read passes here first. A later host's may be longer than this file knows it, and none is
 * shorter than it was in 0.2, where `last` was its last field. An unknown flag of the half that must be understood is
 * refused, never guessed at: it says that something in the struct means something else. */
#define CHECK_SENT(pointer, last, what, error)                               \
  ((pointer) != NULL && OSTEON_HAS(pointer, last)                            \
       ? check_flags(OSTEON_FLAGS_UNKNOWN((pointer)->flags, 0), what, error) \
       : fail(error, OSTEON_INVALID_ARGUMENT, "shear: %s is not there, or shorter than in ABI 0.2", what))

static osteon_status check_flags(uint32_t unknown, const char* what, osteon_error* error) {
  if (unknown == 0) return OSTEON_OK;
  return fail(error, OSTEON_UNSUPPORTED, "shear: %s has flags 0x%x, which are unknown here", what, (unsigned)unknown);
}

/* ---- the schema: in the order in which `values` come ---- */

enum { ANGLE, AXIS, BORDER, FILL, N_PARAMS };
enum { HORIZONTAL, VERTICAL, BOTH, N_AXES };
static const char* const kAxes[N_AXES] = {[HORIZONTAL] = "horizontal", [VERTICAL] = "vertical", [BOTH] = "both"};
static const char* const kBorders[N_BORDERS] = {
    [REFLECT] = "reflect_101", [CONSTANT] = "constant", [IGNORE] = "ignore"};
static const double kAngle[2] = {-10, 10}, kFill = 0;
static const osteon_value kAngleDefault = {
    .struct_size = sizeof(osteon_value), .type = OSTEON_PARAM_FLOAT_RANGE, .count = 2, .floats = kAngle};
static const osteon_value kAxisDefault = {
    .struct_size = sizeof(osteon_value), .type = OSTEON_PARAM_CHOICE, .count = 1, .strings = &kAxes[BOTH]};
static const osteon_value kBorderDefault = {
    .struct_size = sizeof(osteon_value), .type = OSTEON_PARAM_CHOICE, .count = 1, .strings = &kBorders[REFLECT]};
static const osteon_value kFillDefault = {
    .struct_size = sizeof(osteon_value), .type = OSTEON_PARAM_FLOAT, .count = 1, .floats = &kFill};
static const osteon_param_spec kSpecs[N_PARAMS] = {
    [ANGLE] = {.struct_size = sizeof(osteon_param_spec),
               .type = OSTEON_PARAM_FLOAT_RANGE,
               .name = "angle",
               .doc = "from where to where a vertical or horizontal line leans",
               .unit = "degrees",
               .default_value = &kAngleDefault,
               .minimum = -60,
               .maximum = 60,
               .min_count = 1,
               .max_count = 1},
    [AXIS] = {.struct_size = sizeof(osteon_param_spec),
              .type = OSTEON_PARAM_CHOICE,
              .name = "axis",
              .doc = "along which pixels move",
              .default_value = &kAxisDefault,
              .minimum = -INFINITY,
              .maximum = INFINITY,
              .min_count = 1,
              .max_count = 1,
              .n_choices = N_AXES,
              .choices = kAxes},
    [BORDER] = {.struct_size = sizeof(osteon_param_spec),
                .type = OSTEON_PARAM_CHOICE,
                .name = "border",
                .doc = "beyond the image: its mirror image, `fill` without any class, or `fill` that does not count",
                .default_value = &kBorderDefault,
                .minimum = -INFINITY,
                .maximum = INFINITY,
                .min_count = 1,
                .max_count = 1,
                .n_choices = N_BORDERS,
                .choices = kBorders},
    [FILL] = {.struct_size = sizeof(osteon_param_spec),
              .type = OSTEON_PARAM_FLOAT,
              .name = "fill",
              .doc = "intensity beyond the image, unless its border is reflect_101",
              .default_value = &kFillDefault,
              .minimum = 0,
              .maximum = 1,
              .min_count = 1,
              .max_count = 1},
};
static const osteon_param_spec* const kParams[N_PARAMS] = {&kSpecs[ANGLE], &kSpecs[AXIS], &kSpecs[BORDER],
                                                           &kSpecs[FILL]};

/* The host has looked at what a recipe says; this makes no assumption about who calls. */
static osteon_status read_floats(const osteon_value* const* values, int index, uint64_t count, double* out,
                                 osteon_error* error) {
  const osteon_param_spec* spec = kParams[index];
  const osteon_value* value = values == NULL ? NULL : values[index];
  const osteon_status status = CHECK_SENT(value, predictors, spec->name, error);
  if (status != OSTEON_OK) return status;
  if (value->type != spec->type || value->count != count || value->floats == NULL)
    return fail(error, OSTEON_INVALID_ARGUMENT, "shear: %s has to be %d number(s)", spec->name, (int)count);
  for (uint64_t i = 0; i < count; ++i) {
    out[i] = value->floats[i];
    if (!(out[i] >= spec->minimum && out[i] <= spec->maximum))
      return fail(error, OSTEON_INVALID_ARGUMENT, "shear: %s is %g; it goes from %g to %g", spec->name, out[i],
                  spec->minimum, spec->maximum);
  }
  if (count == 2 && out[0] > out[1])
    return fail(error, OSTEON_INVALID_ARGUMENT, "shear: %s goes from %g down to %g", spec->name, out[0], out[1]);
  return OSTEON_OK;
}

static osteon_status read_choice(const osteon_value* const* values, int index, int* out, osteon_error* error) {
  const osteon_param_spec* spec = kParams[index];
  const osteon_value* value = values == NULL ? NULL : values[index];
  const osteon_status status = CHECK_SENT(value, predictors, spec->name, error);
  if (status != OSTEON_OK) return status;
  if (value->type != spec->type || value->count != 1 || value->strings == NULL || value->strings[0] == NULL)
    return fail(error, OSTEON_INVALID_ARGUMENT, "shear: %s has to be one text", spec->name);
  for (uint64_t i = 0; i < spec->n_choices; ++i)
    if (strcmp(spec->choices[i], value->strings[0]) == 0) {
      *out = (int)i;
      return OSTEON_OK;
    }
  return fail(error, OSTEON_INVALID_ARGUMENT, "shear: %s is '%s', which is none of its choices", spec->name,
              value->strings[0]);
}

/* ---- life ---- */

static double tangent(double degrees) { return tan(degrees * (3.14159265358979323846 / 180)); }

static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                            const osteon_augmentation_request* request, osteon_augmentation** out,
                            osteon_error* error) {
  osteon_status status = CHECK_SENT(call, note, "the call", error);
  if (status == OSTEON_OK) status = CHECK_SENT(request, mirrored, "the request", error);
  if (status != OSTEON_OK) return status;
  double angle[2] = {0, 0};
  int axis = 0;
  osteon_augmentation made = {0};
  status = read_floats(values, ANGLE, 2, angle, error);
  if (status == OSTEON_OK) status = read_choice(values, AXIS, &axis, error);
  if (status == OSTEON_OK) status = read_choice(values, BORDER, &made.border, error);
  if (status == OSTEON_OK) status = read_floats(values, FILL, 1, &made.fill, error);
  if (status != OSTEON_OK) return status;
  made.low = tangent(angle[0]);
  made.high = tangent(angle[1]);
  made.horizontal = axis != VERTICAL;
  made.vertical = axis != HORIZONTAL;
  osteon_augmentation* shear = malloc(sizeof *shear);
  if (shear == NULL) return fail(error, OSTEON_OUT_OF_MEMORY, "shear: no memory for an instance");
  *shear = made;
  *out = shear;
  return OSTEON_OK;
}

static void destroy(osteon_augmentation* shear) { free(shear); }

static const osteon_augmentation_info* info(const osteon_augmentation* shear) {
  static const osteon_augmentation_info kInfo = {.struct_size = sizeof(osteon_augmentation_info),
                                                 .way = OSTEON_AUGMENTATION_GEOMETRIC};
  (void)shear;
  return &kInfo;
}

/* ---- random numbers ---- */

void shear_philox(const uint32_t start[4], const uint32_t start_key[2], uint32_t out[4]) {
  uint32_t x[4], key[2] = {start_key[0], start_key[1]};
  memcpy(x, start, sizeof x);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = (uint64_t)0xD2511F53u * x[0], b = (uint64_t)0xCD9E8D57u * x[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ x[1] ^ key[0], (uint32_t)b, (uint32_t)(a >> 32) ^ x[3] ^ key[1],
                              (uint32_t)a};
    memcpy(x, next, sizeof x);
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  memcpy(out, x, sizeof x);
}

/* Two numbers in [0, 1) that a key decides, and nothing else: all of its bits go in, half as the generator's key, half
 * as its counter. There is no state, so that threads need no lock and a resumed run draws as the first one did. */
static void two_uniforms(const osteon_random_key* key, double out[2]) {
  const uint32_t counter[4] = {0, 0, (uint32_t)key->words[1], (uint32_t)(key->words[1] >> 32)};
  const uint32_t words[2] = {(uint32_t)key->words[0], (uint32_t)(key->words[0] >> 32)};
  uint32_t bits[4];
  shear_philox(counter, words, bits);
  for (int i = 0; i < 2; ++i) out[i] = (double)(((uint64_t)bits[2 * i] << 32 | bits[2 * i + 1]) >> 11) * 0x1.0p-53;
}

/* ---- the warp ---- */

static osteon_status sample_warp(const osteon_call* call, const osteon_augmentation* shear,
                                 const osteon_random_key* key, const osteon_warp_request* request, osteon_warp* warp,
                                 osteon_error* error) {
  /* Far too short to ask whether the call is cancelled. */
  osteon_status status = CHECK_SENT(call, note, "the call", error);
  if (status == OSTEON_OK) status = CHECK_SENT(request, class_boxes, "the request of a warp", error);
  if (status == OSTEON_OK) status = CHECK_SENT(warp, state, "the warp", error);
  if (status != OSTEON_OK) return status;
  if (request->height < 1 || request->width < 1)
    return fail(error, OSTEON_INVALID_ARGUMENT, "shear: an image of %lld x %lld pixels cannot be warped",
                (long long)request->height, (long long)request->width);
  double u[2];
  two_uniforms(key, u);
  const double a = shear->horizontal ? shear->low + (shear->high - shear->low) * u[0] : 0;
  const double b = shear->vertical ? shear->low + (shear->high - shear->low) * u[1] : 0;
  if (a == 0 && b == 0) return OSTEON_OK; /* what the host preset is the identity */
  const double x = (double)(request->width - 1) / 2, y = (double)(request->height - 1) / 2;
  const double matrix[6] = {1, a, -a * y, b, 1 + a * b, -b * x - a * b * y};
  warp->kind = OSTEON_WARP_AFFINE;
  memcpy(warp->matrix, matrix, sizeof matrix);
  if (shear->border == REFLECT) {
    warp->border = OSTEON_BORDER_REFLECT_101;
  } else {
    warp->border = OSTEON_BORDER_CONSTANT;
    warp->image_fill = shear->fill;
    if (shear->border == IGNORE) warp->flags = OSTEON_WARP_IGNORE_OUTSIDE;
  }
  return OSTEON_OK;
}

/* ---- what the library says of itself ---- */

/* No map_points, for no warp is free, and no end_warp, for warps own nothing. */
static const osteon_augmentation_api kApi = {.struct_size = sizeof(osteon_augmentation_api),
                                             .create = create,
                                             .destroy = destroy,
                                             .info = info,
                                             .sample_warp = sample_warp};
static const int32_t kDevices[] = {OSTEON_DEVICE_CPU};
static const osteon_dtype kDtypes[] = {
    {OSTEON_DTYPE_UINT, 8, 1}, {OSTEON_DTYPE_UINT, 16, 1}, {OSTEON_DTYPE_FLOAT, 32, 1}};
static const osteon_component kShear = {
    .struct_size = sizeof(osteon_component),
    .kind = OSTEON_KIND_AUGMENTATION,
    .name = "shear",
    .version = "1.0.0",
    .doc = "Shears the image about its centre by a random angle, along one axis or both. Areas stay.",
    .n_params = N_PARAMS,
    .params = kParams,
    .n_devices = sizeof kDevices / sizeof kDevices[0],
    .devices = kDevices,
    .n_dtypes = sizeof kDtypes / sizeof kDtypes[0],
    .dtypes = kDtypes,
    .api = &kApi};
static const osteon_component* const kComponents[] = {&kShear};
static const osteon_plugin kPlugin = {.struct_size = sizeof(osteon_plugin),
                                      .abi_version = WRITTEN_FOR,
                                      .name = "shear",
                                      .version = "1.0.0",
                                      .n_components = 1,
                                      .components = kComponents};

const osteon_plugin* osteon_get_plugin(uint32_t host_abi) {
  /* A later host of the same major number knows all that is used here; an earlier one does not. */
  return host_abi >> 16 == WRITTEN_FOR >> 16 && host_abi >= WRITTEN_FOR ? &kPlugin : NULL;
}
