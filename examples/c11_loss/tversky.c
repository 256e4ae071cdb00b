/* SPDX-License-Identifier: Apache-2.0 */
/* The Tversky loss in plain C11, on nothing but the ABI's headers.
 *
 * Per class, over the valid pixels of the batch, with p = sigmoid(logit), t the label and w the weight of the sample
 * times that of the pixel:
 *   TP = sum w p t     FP = sum w p (1 - t)     FN = sum w (1 - p) t
 *   loss = mean over classes of 1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth)
 * alpha = beta = 0.5 is Dice; beta above alpha punishes what is missed. Salehi et al., arXiv:1706.05721. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <osteon/abi/entry.h>
#include <osteon/abi/loss.h>

struct osteon_loss {
  int64_t n_classes;
  double alpha, beta, smooth;
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

/* ---- what the host sends ---- */

/* Every struct that is read passes here first. A later host's may be longer than this file knows it, and none is
 * shorter than it was in 0.2, where `last` was its last field. An unknown flag of the half that must be understood is
 * refused, never guessed at: it says that something in the struct means something else. */
#define CHECK_SENT(pointer, last, known, what, error)                            \
  ((pointer) != NULL && OSTEON_HAS(pointer, last)                                \
       ? check_flags(OSTEON_FLAGS_UNKNOWN((pointer)->flags, known), what, error) \
       : fail(error, OSTEON_INVALID_ARGUMENT, "tversky: %s is not there, or shorter than in ABI 0.2", what))

static osteon_status check_flags(uint32_t unknown, const char* what, osteon_error* error) {
  if (unknown == 0) return OSTEON_OK;
  return fail(error, OSTEON_UNSUPPORTED, "tversky: %s has flags 0x%x, which this loss does not know", what,
              (unsigned)unknown);
}

/* ---- the schema: in the order in which `values` come ---- */

enum { ALPHA, BETA, SMOOTH, N_PARAMS };
static const double kAlpha = 0.3, kBeta = 0.7, kSmooth = 1.0;
#define FLOAT_VALUE(pointer) \
  { .struct_size = sizeof(osteon_value), .type = OSTEON_PARAM_FLOAT, .count = 1, .floats = (pointer) }
static const osteon_value kAlphaDefault = FLOAT_VALUE(&kAlpha);
static const osteon_value kBetaDefault = FLOAT_VALUE(&kBeta);
static const osteon_value kSmoothDefault = FLOAT_VALUE(&kSmooth);
#define FLOAT_PARAM(called, text, preset, low, high)                                                       \
  {                                                                                                        \
    .struct_size = sizeof(osteon_param_spec), .type = OSTEON_PARAM_FLOAT, .name = (called), .doc = (text), \
    .default_value = (preset), .minimum = (low), .maximum = (high), .min_count = 1, .max_count = 1         \
  }
static const osteon_param_spec kSpecs[N_PARAMS] = {
    [ALPHA] = FLOAT_PARAM("alpha", "weight of what is marked and should not be", &kAlphaDefault, 0, 10),
    [BETA] = FLOAT_PARAM("beta", "weight of what is missed", &kBetaDefault, 0, 10),
    [SMOOTH] =
        FLOAT_PARAM("smooth", "added above and below the fraction; steadies small classes", &kSmoothDefault, 1e-6, 1e6),
};
static const osteon_param_spec* const kParams[N_PARAMS] = {&kSpecs[ALPHA], &kSpecs[BETA], &kSpecs[SMOOTH]};

static osteon_status read_float(const osteon_value* const* values, int index, double* out, osteon_error* error) {
  const osteon_param_spec* spec = kParams[index];
  const osteon_value* value = values == NULL ? NULL : values[index];
  const osteon_status status = CHECK_SENT(value, predictors, 0, spec->name, error);
  if (status != OSTEON_OK) return status;
  if (value->type != OSTEON_PARAM_FLOAT || value->count != 1 || value->floats == NULL)
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: %s has to be one number", spec->name);
  *out = value->floats[0];
  if (!(*out >= spec->minimum && *out <= spec->maximum))
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: %s is %g; it goes from %g to %g", spec->name, *out,
                spec->minimum, spec->maximum);
  return OSTEON_OK;
}

/* ---- life ---- */

static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                            const osteon_loss_request* request, osteon_loss** out, osteon_error* error) {
  osteon_status status = CHECK_SENT(call, note, 0, "the call", error);
  if (status == OSTEON_OK) status = CHECK_SENT(request, class_names, 0, "the request", error);
  if (status != OSTEON_OK) return status;
  if (request->labels == OSTEON_LABELS_MULTICLASS)
    return fail(error, OSTEON_UNSUPPORTED,
                "tversky treats classes independently, but this data has exactly one class per pixel; use "
                "cross_entropy or dice");
  if (request->labels != OSTEON_LABELS_MULTILABEL)
    return fail(error, OSTEON_UNSUPPORTED, "tversky: labels of kind %u are unknown", (unsigned)request->labels);
  if (request->n_classes < 1) return fail(error, OSTEON_INVALID_ARGUMENT, "tversky needs at least one class");
  osteon_loss made = {.n_classes = request->n_classes};
  status = read_float(values, ALPHA, &made.alpha, error);
  if (status == OSTEON_OK) status = read_float(values, BETA, &made.beta, error);
  if (status == OSTEON_OK) status = read_float(values, SMOOTH, &made.smooth, error);
  if (status != OSTEON_OK) return status;
  if (made.alpha + made.beta <= 0)
    return fail(error, OSTEON_INVALID_ARGUMENT,
                "tversky: alpha and beta are both 0, so that every prediction is perfect");
  osteon_loss* loss = malloc(sizeof *loss);
  if (loss == NULL) return fail(error, OSTEON_OUT_OF_MEMORY, "tversky: no memory for an instance");
  *loss = made;
  *out = loss;
  return OSTEON_OK;
}

static void destroy(osteon_loss* loss) { free(loss); }

/* ---- evaluation ---- */

/* Tensors that cross are contiguous; what is not is refused, for it would be read wrongly. -1 in `shape`: any size. */
static osteon_status check_view(const osteon_tensor_view* view, const char* what, osteon_dtype dtype, int32_t ndim,
                                const int64_t* shape, osteon_error* error) {
  if (view->device.type != OSTEON_DEVICE_CPU)
    return fail(error, OSTEON_UNSUPPORTED, "tversky: %s are not in the CPU's memory", what);
  if (view->dtype.code != dtype.code || view->dtype.bits != dtype.bits || view->dtype.lanes != dtype.lanes)
    return fail(error, OSTEON_UNSUPPORTED, "tversky: %s have dtype code %d of %d bits; code %d of %d bits is offered",
                what, view->dtype.code, view->dtype.bits, dtype.code, dtype.bits);
  if (view->ndim != ndim)
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: %s have %d dimensions, not %d", what, (int)view->ndim,
                (int)ndim);
  if (view->strides == NULL || view->byte_offset != 0)
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: the view of %s is not canonical (strides, byte_offset 0)",
                what);
  int64_t step = 1;
  for (int32_t d = ndim - 1; d >= 0; --d) {
    if (shape[d] >= 0 && view->shape[d] != shape[d])
      return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: dimension %d of %s is %lld, not %lld", (int)d, what,
                  (long long)view->shape[d], (long long)shape[d]);
    if (step > 0 && view->shape[d] > 1 && view->strides[d] != step)
      return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: %s have gaps between their elements", what);
    step *= view->shape[d];
  }
  return OSTEON_OK;
}

static osteon_status check_input(const osteon_loss* loss, const osteon_loss_input* in, osteon_error* error) {
  static const osteon_dtype kFloat = {OSTEON_DTYPE_FLOAT, 32, 1}, kInt = {OSTEON_DTYPE_INT, 32, 1},
                            kByte = {OSTEON_DTYPE_UINT, 8, 1};
  /* Classes that are unknown and targets between 0 and 1 are not among these: data that has them is refused. */
  osteon_status status =
      CHECK_SENT(in, soft_target, OSTEON_LOSS_ACCUMULATE | OSTEON_LOSS_PIXEL_WEIGHT, "the input of the loss", error);
  if (status != OSTEON_OK) return status;
  if (in->logits == NULL || in->target == NULL)
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky needs logits and a target");
  if ((in->pixel_weight != NULL) != ((in->flags & OSTEON_LOSS_PIXEL_WEIGHT) != 0))
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: weights of pixels and their flag come together");
  const int64_t free_shape[4] = {-1, loss->n_classes, -1, -1};
  status = check_view(in->logits, "logits", kFloat, 4, free_shape, error);
  if (status != OSTEON_OK) return status;
  const int64_t* shape = in->logits->shape;
  const int64_t planes[4] = {shape[0], (shape[1] + 31) / 32, shape[2], shape[3]};
  const int64_t pixels[3] = {shape[0], shape[2], shape[3]};
  status = check_view(in->target, "target planes", kInt, 4, planes, error);
  if (status == OSTEON_OK && in->valid != NULL) status = check_view(in->valid, "valid pixels", kByte, 3, pixels, error);
  if (status == OSTEON_OK && in->sample_weight != NULL)
    status = check_view(in->sample_weight, "sample weights", kFloat, 1, shape, error);
  if (status == OSTEON_OK && in->pixel_weight != NULL)
    status = check_view(in->pixel_weight, "weights of pixels", kFloat, 3, pixels, error);
  if (status == OSTEON_OK && in->grad != NULL) status = check_view(in->grad, "gradients", kFloat, 4, shape, error);
  return status;
}

static double sigmoid(double x) {
  if (x >= 0) return 1 / (1 + exp(-x));
  const double e = exp(x);
  return e / (1 + e);
}

/* A row of one class. */
typedef struct row {
  const float* logit;
  const int32_t* bits;
  const uint8_t* valid; /* NULL: all are */
  const float* weight;  /* NULL: all 1 */
  float sample_weight;
  int shift; /* of the class in `bits` */
  float* grad;
} row;

static row row_of(const osteon_loss_input* in, int64_t n, int64_t c, int64_t y) {
  const int64_t *shape = in->logits->shape, planes = in->target->shape[1];
  const int64_t pixel = (n * shape[2] + y) * shape[3], logit = ((n * shape[1] + c) * shape[2] + y) * shape[3];
  row r = {.logit = (const float*)in->logits->data + logit,
           .bits = (const int32_t*)in->target->data + ((n * planes + c / 32) * shape[2] + y) * shape[3],
           .sample_weight = 1,
           .shift = (int)(c % 32)};
  if (in->valid != NULL) r.valid = (const uint8_t*)in->valid->data + pixel;
  if (in->pixel_weight != NULL) r.weight = (const float*)in->pixel_weight->data + pixel;
  if (in->sample_weight != NULL) r.sample_weight = ((const float*)in->sample_weight->data)[n];
  if (in->grad != NULL) r.grad = (float*)in->grad->data + logit;
  return r;
}

/* What a pixel counts. */
static double weight_of(const row* r, int64_t x) {
  if (r->valid != NULL && r->valid[x] == 0) return 0;
  return (double)r->sample_weight * (r->weight == NULL ? 1.0 : (double)r->weight[x]);
}
/* Unsigned, for bit 31 is a class like any other. */
static int is_set(const row* r, int64_t x) { return ((uint32_t)r->bits[x] >> r->shift) & 1u; }

/* The value of class c, and how it changes with the probability of a pixel [t] of weight 1. False: cancelled. */
static int class_loss(const osteon_call* call, const osteon_loss* loss, const osteon_loss_input* in, int64_t c,
                      double* value, double slope[2]) {
  const int64_t* shape = in->logits->shape;
  double hit = 0, extra = 0, missed = 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t y = 0; y < shape[2]; ++y) {
      if (call->cancelled(call)) return 0;
      const row r = row_of(in, n, c, y);
      for (int64_t x = 0; x < shape[3]; ++x) {
        const double weight = weight_of(&r, x);
        if (weight == 0) continue; /* whatever its logit is, NaN included */
        const double p = sigmoid((double)r.logit[x]);
        if (is_set(&r, x)) {
          hit += weight * p;
          missed += weight * (1 - p);
        } else {
          extra += weight * p;
        }
      }
    }
  }
  const double above = hit + loss->smooth, below = above + loss->alpha * extra + loss->beta * missed;
  *value = 1 - above / below; /* 0 where nothing counts, for smooth is above 0 */
  slope[0] = above * loss->alpha / (below * below);
  slope[1] = -(below - above * (1 - loss->beta)) / (below * below);
  return 1;
}

/* What does not count gets 0. False: cancelled. */
static int class_gradient(const osteon_call* call, const osteon_loss_input* in, int64_t c, const double slope[2],
                          double scale) {
  const int64_t* shape = in->logits->shape;
  const int add = (in->flags & OSTEON_LOSS_ACCUMULATE) != 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t y = 0; y < shape[2]; ++y) {
      if (call->cancelled(call)) return 0;
      const row r = row_of(in, n, c, y);
      for (int64_t x = 0; x < shape[3]; ++x) {
        const double weight = weight_of(&r, x);
        double g = 0;
        if (weight != 0) {
          const double p = sigmoid((double)r.logit[x]);
          g = scale * weight * slope[is_set(&r, x)] * p * (1 - p);
        }
        r.grad[x] = (float)(add ? (double)r.grad[x] + g : g);
      }
    }
  }
  return 1;
}

static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* in, double* value,
                              osteon_error* error) {
  osteon_status status = CHECK_SENT(call, note, 0, "the call", error);
  if (status == OSTEON_OK) status = check_input(loss, in, error);
  if (status != OSTEON_OK) return status;
  const double share = 1 / (double)loss->n_classes;
  double sum = 0;
  for (int64_t c = 0; c < loss->n_classes; ++c) {
    double one = 0, slope[2];
    int finished = class_loss(call, loss, in, c, &one, slope);
    if (finished && in->grad != NULL) finished = class_gradient(call, in, c, slope, in->grad_scale * share);
    if (!finished) return fail(error, OSTEON_CANCELLED, "tversky was asked to stop");
    sum += share * one;
  }
  *value = sum;
  return OSTEON_OK;
}

/* ---- what the library says of itself ---- */

static const osteon_loss_api kApi = {
    .struct_size = sizeof(osteon_loss_api), .create = create, .destroy = destroy, .evaluate = evaluate};
static const int32_t kDevices[] = {OSTEON_DEVICE_CPU};
static const osteon_dtype kDtypes[] = {{OSTEON_DTYPE_FLOAT, 32, 1}};
static const osteon_component kTversky = {
    .struct_size = sizeof(osteon_component),
    .kind = OSTEON_KIND_LOSS,
    .name = "tversky_c",
    .version = "1.0.0",
    .doc = "Overlap of each class with what is missed and what is too much weighed apart, over the batch.",
    .reference = "Salehi et al., arXiv:1706.05721",
    .n_params = N_PARAMS,
    .params = kParams,
    .n_devices = 1,
    .devices = kDevices,
    .n_dtypes = 1,
    .dtypes = kDtypes,
    .api = &kApi};
static const osteon_component* const kComponents[] = {&kTversky};
static const osteon_plugin kPlugin = {.struct_size = sizeof(osteon_plugin),
                                      .abi_version = WRITTEN_FOR,
                                      .name = "tversky_c",
                                      .version = "1.0.0",
                                      .n_components = 1,
                                      .components = kComponents};

const osteon_plugin* osteon_get_plugin(uint32_t host_abi) {
  /* A later host of the same major number knows all that is used here; an earlier one does not. */
  return host_abi >> 16 == WRITTEN_FOR >> 16 && host_abi >= WRITTEN_FOR ? &kPlugin : NULL;
}
