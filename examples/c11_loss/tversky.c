/* SPDX-License-Identifier: Apache-2.0 */
/* The Tversky loss in plain C11, on nothing but the ABI's headers.
 *
 * Per class, over the valid pixels of the batch, with p = sigmoid(logit), t the label and w the weight of the sample:
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

static osteon_status fail(osteon_error* error, osteon_status status, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
static osteon_status fail(osteon_error* error, osteon_status status, const char* format, ...) {
  if (error != NULL && error->text != NULL && error->text_size > 0) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, error->text_size, format, arguments);
    va_end(arguments);
  }
  return status;
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
  if (value == NULL || value->type != OSTEON_PARAM_FLOAT || value->count != 1 || value->floats == NULL)
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
  (void)call;
  if (request->labels == OSTEON_LABELS_MULTICLASS)
    return fail(error, OSTEON_UNSUPPORTED,
                "tversky treats classes independently, but this data has exactly one class per pixel; use "
                "cross_entropy or dice");
  if (request->labels != OSTEON_LABELS_MULTILABEL)
    return fail(error, OSTEON_UNSUPPORTED, "tversky: labels of kind %u are unknown", (unsigned)request->labels);
  if (request->n_classes < 1) return fail(error, OSTEON_INVALID_ARGUMENT, "tversky needs at least one class");
  osteon_loss made = {.n_classes = request->n_classes};
  osteon_status status = read_float(values, ALPHA, &made.alpha, error);
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
  for (int32_t d = 0; d < ndim; ++d)
    if (shape[d] >= 0 && view->shape[d] != shape[d])
      return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: dimension %d of %s is %lld, not %lld", (int)d, what,
                  (long long)view->shape[d], (long long)shape[d]);
  if (view->strides == NULL || view->byte_offset != 0)
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky: the view of %s is not canonical (strides, byte_offset 0)",
                what);
  return OSTEON_OK;
}

static osteon_status check_input(const osteon_loss* loss, const osteon_loss_input* in, osteon_error* error) {
  static const osteon_dtype kFloat = {OSTEON_DTYPE_FLOAT, 32, 1}, kInt = {OSTEON_DTYPE_INT, 32, 1},
                            kByte = {OSTEON_DTYPE_UINT, 8, 1};
  if ((in->flags & ~(uint32_t)OSTEON_LOSS_ACCUMULATE) != 0)
    return fail(error, OSTEON_UNSUPPORTED, "tversky: loss flags %u are unknown", (unsigned)in->flags);
  if (in->logits == NULL || in->target == NULL)
    return fail(error, OSTEON_INVALID_ARGUMENT, "tversky needs logits and a target");
  const int64_t free_shape[4] = {-1, loss->n_classes, -1, -1};
  osteon_status status = check_view(in->logits, "logits", kFloat, 4, free_shape, error);
  if (status != OSTEON_OK) return status;
  const int64_t* shape = in->logits->shape;
  const int64_t planes[4] = {shape[0], (shape[1] + 31) / 32, shape[2], shape[3]};
  const int64_t pixels[3] = {shape[0], shape[2], shape[3]};
  status = check_view(in->target, "target planes", kInt, 4, planes, error);
  if (status == OSTEON_OK && in->valid != NULL) status = check_view(in->valid, "valid pixels", kByte, 3, pixels, error);
  if (status == OSTEON_OK && in->sample_weight != NULL)
    status = check_view(in->sample_weight, "sample weights", kFloat, 1, shape, error);
  if (status == OSTEON_OK && in->grad != NULL) status = check_view(in->grad, "gradients", kFloat, 4, shape, error);
  return status;
}

static double sigmoid(double x) {
  if (x >= 0) return 1 / (1 + exp(-x));
  const double e = exp(x);
  return e / (1 + e);
}

static float weight_of(const osteon_loss_input* in, int64_t n) {
  return in->sample_weight == NULL ? 1.0f : ((const float*)in->sample_weight->data)[n * in->sample_weight->strides[0]];
}

/* A row of one class; index x * step of each pointer is pixel x. `valid` is NULL where all are. */
typedef struct row {
  const float* logit;
  const int32_t* bits;
  const uint8_t* valid;
  float* grad;
  int64_t logit_step, bits_step, valid_step, grad_step;
} row;

static row row_of(const osteon_loss_input* in, int64_t n, int64_t c, int64_t y) {
  const int64_t *l = in->logits->strides, *t = in->target->strides;
  row r = {.logit = (const float*)in->logits->data + (n * l[0] + c * l[1] + y * l[2]),
           .bits = (const int32_t*)in->target->data + (n * t[0] + c / 32 * t[1] + y * t[2]),
           .logit_step = l[3],
           .bits_step = t[3]};
  if (in->valid != NULL) {
    const int64_t* v = in->valid->strides;
    r.valid = (const uint8_t*)in->valid->data + (n * v[0] + y * v[1]);
    r.valid_step = v[2];
  }
  if (in->grad != NULL) {
    const int64_t* g = in->grad->strides;
    r.grad = (float*)in->grad->data + (n * g[0] + c * g[1] + y * g[2]);
    r.grad_step = g[3];
  }
  return r;
}

static int is_valid(const row* r, int64_t x) { return r->valid == NULL || r->valid[x * r->valid_step] != 0; }
/* Unsigned, for bit 31 is a class like any other. */
static int is_set(const row* r, int64_t x, int64_t c) {
  return (((uint32_t)r->bits[x * r->bits_step]) >> (c % 32)) & 1u;
}

/* The value of class c, and how it changes with the probability of a pixel [t] of weight 1. False: cancelled. */
static int class_loss(const osteon_call* call, const osteon_loss* loss, const osteon_loss_input* in, int64_t c,
                      double* value, double slope[2]) {
  const int64_t* shape = in->logits->shape;
  double hit = 0, extra = 0, missed = 0;
  int64_t n_valid = 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    const double weight = weight_of(in, n);
    for (int64_t y = 0; y < shape[2]; ++y) {
      if (call->cancelled(call)) return 0;
      const row r = row_of(in, n, c, y);
      for (int64_t x = 0; x < shape[3]; ++x) {
        if (!is_valid(&r, x)) continue;
        const double p = sigmoid((double)r.logit[x * r.logit_step]);
        ++n_valid;
        if (is_set(&r, x, c)) {
          hit += weight * p;
          missed += weight * (1 - p);
        } else {
          extra += weight * p;
        }
      }
    }
  }
  const double above = hit + loss->smooth, below = above + loss->alpha * extra + loss->beta * missed;
  *value = n_valid == 0 ? 0 : 1 - above / below;
  slope[0] = above * loss->alpha / (below * below);
  slope[1] = -(below - above * (1 - loss->beta)) / (below * below);
  return 1;
}

/* Invalid pixels get 0, whatever their logit is. False: cancelled. */
static int class_gradient(const osteon_call* call, const osteon_loss_input* in, int64_t c, const double slope[2],
                          double scale) {
  const int64_t* shape = in->logits->shape;
  const int add = (in->flags & OSTEON_LOSS_ACCUMULATE) != 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    const double factor = scale * (double)weight_of(in, n);
    for (int64_t y = 0; y < shape[2]; ++y) {
      if (call->cancelled(call)) return 0;
      const row r = row_of(in, n, c, y);
      for (int64_t x = 0; x < shape[3]; ++x) {
        double g = 0;
        if (is_valid(&r, x)) {
          const double p = sigmoid((double)r.logit[x * r.logit_step]);
          g = factor * slope[is_set(&r, x, c)] * p * (1 - p);
        }
        float* out = &r.grad[x * r.grad_step];
        *out = (float)(add ? (double)*out + g : g);
      }
    }
  }
  return 1;
}

static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* in, double* value,
                              osteon_error* error) {
  const osteon_status status = check_input(loss, in, error);
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
    .name = "tversky",
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
                                      .abi_version = OSTEON_ABI_VERSION,
                                      .name = "tversky",
                                      .version = "1.0.0",
                                      .n_components = 1,
                                      .components = kComponents};

const osteon_plugin* osteon_get_plugin(uint32_t host_abi) {
  /* While the major number is 0, minor numbers have to agree too. */
  return host_abi == OSTEON_ABI_VERSION ? &kPlugin : NULL;
}
