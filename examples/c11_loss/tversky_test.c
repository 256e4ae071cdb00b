/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient against central differences: 33 classes (two planes, bits 31 and 0), a mask, weights, accumulation. */
#include <math.h>
#include <stdio.h>

#include <osteon/abi/entry.h>
#include <osteon/abi/loss.h>

enum { N = 2, K = 33, P = 2, H = 3, W = 5, COUNT = N * K * H * W };

static int stop = 0;
static int32_t cancelled(const osteon_call* call) {
  (void)call;
  return stop;
}

static int failures = 0;
static void expect(int holds, const char* what) {
  printf("%s: %s\n", holds ? "ok" : "FAILED", what);
  failures += !holds;
}

int main(void) {
  static _Alignas(64) float logits[COUNT], grad[COUNT], weight[N] = {0.5f, 2.0f};
  static _Alignas(64) int32_t bits[N * P * H * W];
  static _Alignas(64) uint8_t valid[N * H * W];
  uint32_t state = 7;
#define NEXT() (state = state * 1664525u + 1013904223u, state)
  for (int i = 0; i < COUNT; ++i) logits[i] = (float)(NEXT() >> 8) / 16777216.0f * 6 - 3;
  for (int i = 0; i < N * P * H * W; ++i) bits[i] = (int32_t)((NEXT() >> 16) << 16 | NEXT() >> 16);
  for (int i = 0; i < N * H * W; ++i) valid[i] = i % 4 != 1;

  int64_t shape[] = {N, K, H, W}, strides[] = {K * H * W, H * W, W, 1};
  int64_t plane_shape[] = {N, P, H, W}, plane_strides[] = {P * H * W, H * W, W, 1};
  int64_t valid_shape[] = {N, H, W}, valid_strides[] = {H * W, W, 1}, weight_shape[] = {N}, weight_strides[] = {1};
  const osteon_device cpu = {OSTEON_DEVICE_CPU, 0};
  const osteon_dtype f32 = {OSTEON_DTYPE_FLOAT, 32, 1}, i32 = {OSTEON_DTYPE_INT, 32, 1}, u8 = {OSTEON_DTYPE_UINT, 8, 1};
  const osteon_tensor_view x = {logits, cpu, 4, f32, shape, strides, 0}, g = {grad, cpu, 4, f32, shape, strides, 0},
                           t = {bits, cpu, 4, i32, plane_shape, plane_strides, 0},
                           v = {valid, cpu, 3, u8, valid_shape, valid_strides, 0},
                           w = {weight, cpu, 1, f32, weight_shape, weight_strides, 0};

  const osteon_component* component = osteon_get_plugin(OSTEON_ABI_VERSION)->components[0];
  const osteon_loss_api* api = component->api;
  const osteon_value* values[3];
  for (int i = 0; i < 3; ++i) values[i] = component->params[i]->default_value;
  char text[256] = "";
  osteon_error error = {sizeof error, sizeof text, text};
  const osteon_call call = {.struct_size = sizeof call, .threads = 1, .device = cpu, .cancelled = cancelled};
  osteon_loss_request request = {.struct_size = sizeof request, .labels = OSTEON_LABELS_MULTICLASS, .n_classes = K};
  osteon_loss* loss = NULL;
  expect(api->create(&call, values, &request, &loss, &error) == OSTEON_UNSUPPORTED && text[0], "multiclass is refused");
  request.labels = OSTEON_LABELS_MULTILABEL;
  if (api->create(&call, values, &request, &loss, &error) != OSTEON_OK) return 1;

  osteon_loss_input in = {.struct_size = sizeof in,
                          .logits = &x,
                          .target = &t,
                          .valid = &v,
                          .sample_weight = &w,
                          .grad_scale = 100,
                          .grad = &g};
  double value = 0;
  expect(api->evaluate(&call, loss, &in, &value, &error) == OSTEON_OK && value > 0 && value < 1, "it has a value");
  double worst = 0, largest = 0;
  in.grad = NULL;
  for (int i = 0; i < COUNT; ++i) {
    const float was = logits[i], above = was + 1e-2f, below = was - 1e-2f;
    double high = 0, low = 0;
    logits[i] = above;
    api->evaluate(&call, loss, &in, &high, &error);
    logits[i] = below;
    api->evaluate(&call, loss, &in, &low, &error);
    logits[i] = was;
    const double expected = 100 * (high - low) / ((double)above - (double)below);
    worst = fmax(worst, fabs(expected - (double)grad[i]));
    largest = fmax(largest, fabs((double)grad[i]));
  }
  printf("largest gradient %g, worst difference %g\n", largest, worst);
  expect(largest > 1e-3 && worst < 1e-4 * largest, "gradients are those of central differences");

  const float once = grad[0];
  in.grad = &g;
  in.flags = OSTEON_LOSS_ACCUMULATE;
  api->evaluate(&call, loss, &in, &value, &error);
  expect(fabsf(grad[0] - 2 * once) <= 1e-6f * fabsf(once), "gradients add up when asked to");
  in.flags = 2;
  expect(api->evaluate(&call, loss, &in, &value, &error) == OSTEON_UNSUPPORTED, "an unknown flag is refused");
  in.flags = 0;
  stop = 1;
  expect(api->evaluate(&call, loss, &in, &value, &error) == OSTEON_CANCELLED, "it stops when it is asked to");
  stop = 0;
  for (int i = 0; i < N * H * W; ++i) valid[i] = 0;
  int zeros = api->evaluate(&call, loss, &in, &value, &error) == OSTEON_OK && value == 0;
  for (int i = 0; i < COUNT; ++i) zeros = zeros && grad[i] == 0;
  expect(zeros, "with no valid pixel the value and the gradient are 0");
  api->destroy(loss);
  return failures != 0;
}
