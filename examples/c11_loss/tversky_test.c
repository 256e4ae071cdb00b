/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient against central differences: 33 classes (two planes, bits 31 and 0), a mask, weights, accumulation. And
 * what a host of another version may send. */
#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* ---- the data ---- */

static _Alignas(64) float logits[COUNT], grad[COUNT], weight[N] = {0.5f, 2.0f}, pixel_weight[N * H * W];
static _Alignas(64) int32_t bits[N * P * H * W];
static _Alignas(64) uint8_t valid[N * H * W];
static int64_t shape[] = {N, K, H, W}, strides[] = {K * H * W, H*W, W, 1};
static int64_t plane_shape[] = {N, P, H, W}, plane_strides[] = {P * H * W, H*W, W, 1};
static int64_t pixel_shape[] = {N, H, W}, pixel_strides[] = {H * W, W, 1}, weight_shape[] = {N}, weight_strides[] = {1};
#define VIEW(of, n, code, size, sizes, steps) \
  { (of), {OSTEON_DEVICE_CPU, 0}, (n), {(code), (size), 1}, (sizes), (steps), 0 }
static const osteon_tensor_view x = VIEW(logits, 4, OSTEON_DTYPE_FLOAT, 32, shape, strides),
                                g = VIEW(grad, 4, OSTEON_DTYPE_FLOAT, 32, shape, strides),
                                t = VIEW(bits, 4, OSTEON_DTYPE_INT, 32, plane_shape, plane_strides),
                                v = VIEW(valid, 3, OSTEON_DTYPE_UINT, 8, pixel_shape, pixel_strides),
                                w = VIEW(weight, 1, OSTEON_DTYPE_FLOAT, 32, weight_shape, weight_strides),
                                pw = VIEW(pixel_weight, 3, OSTEON_DTYPE_FLOAT, 32, pixel_shape, pixel_strides);

static uint32_t next(void) {
  static uint32_t state = 7;
  return state = state * 1664525u + 1013904223u;
}

static void make_data(void) {
  for (int i = 0; i < COUNT; ++i) logits[i] = (float)(next() >> 8) / 16777216.0f * 6 - 3;
  for (int i = 0; i < N * P * H * W; ++i) {
    const uint32_t high = next() >> 16;
    bits[i] = (int32_t)(high << 16 | next() >> 16);
  }
  for (int i = 0; i < N * H * W; ++i) valid[i] = i % 4 != 1;
  for (int i = 0; i < N * H * W; ++i) pixel_weight[i] = (float)(i % 3);
}

/* ---- the loss ---- */

static char text[256];
static osteon_error error = {.struct_size = sizeof error, .text_size = sizeof text, .text = text};
static const osteon_call call = {
    .struct_size = sizeof call, .threads = 1, .device = {OSTEON_DEVICE_CPU, 0}, .cancelled = cancelled};
static const osteon_loss_api* api(void) { return osteon_get_plugin(OSTEON_ABI_VERSION)->components[0]->api; }

static osteon_status created(const osteon_loss_request* request, osteon_loss** loss) {
  const osteon_component* component = osteon_get_plugin(OSTEON_ABI_VERSION)->components[0];
  const osteon_value* values[3];
  for (int i = 0; i < 3; ++i) values[i] = component->params[i]->default_value;
  return api()->create(&call, values, request, loss, &error);
}

static osteon_loss_input whole_input(void) {
  const osteon_loss_input in = {.struct_size = sizeof in,
                                .flags = OSTEON_LOSS_PIXEL_WEIGHT,
                                .logits = &x,
                                .target = &t,
                                .valid = &v,
                                .sample_weight = &w,
                                .grad_scale = 100,
                                .grad = &g,
                                .pixel_weight = &pw};
  return in;
}

static void gradients_are_those_of_differences(osteon_loss* loss) {
  osteon_loss_input in = whole_input();
  double value = 0, worst = 0, largest = 0;
  expect(api()->evaluate(&call, loss, &in, &value, &error) == OSTEON_OK && value > 0 && value < 1, "it has a value");
  in.grad = NULL;
  for (int i = 0; i < COUNT; ++i) {
    const float was = logits[i], above = was + 1e-2f, below = was - 1e-2f;
    double high = 0, low = 0;
    logits[i] = above;
    api()->evaluate(&call, loss, &in, &high, &error);
    logits[i] = below;
    api()->evaluate(&call, loss, &in, &low, &error);
    logits[i] = was;
    const double expected = 100 * (high - low) / ((double)above - (double)below);
    worst = fmax(worst, fabs(expected - (double)grad[i]));
    largest = fmax(largest, fabs((double)grad[i]));
  }
  printf("largest gradient %g, worst difference %g\n", largest, worst);
  expect(largest > 1e-3 && worst < 1e-4 * largest, "gradients are those of central differences");
}

static void gradients_add_up(osteon_loss* loss) {
  osteon_loss_input in = whole_input();
  double value = 0;
  api()->evaluate(&call, loss, &in, &value, &error);
  const float once = grad[2];
  in.flags |= OSTEON_LOSS_ACCUMULATE;
  api()->evaluate(&call, loss, &in, &value, &error);
  expect(once != 0 && fabsf(grad[2] - 2 * once) <= 1e-6f * fabsf(once), "gradients add up when asked to");
}

static void it_stops(osteon_loss* loss) {
  osteon_loss_input in = whole_input();
  double value = 0;
  stop = 1;
  expect(api()->evaluate(&call, loss, &in, &value, &error) == OSTEON_CANCELLED, "it stops when it is asked to");
  stop = 0;
}

static void nothing_valid_gives_nothing(osteon_loss* loss) {
  osteon_loss_input in = whole_input();
  double value = 1;
  memset(valid, 0, sizeof valid);
  int zeros = api()->evaluate(&call, loss, &in, &value, &error) == OSTEON_OK && value == 0;
  for (int i = 0; i < COUNT; ++i) zeros = zeros && grad[i] == 0;
  expect(zeros, "with no valid pixel the value and the gradient are 0");
}

/* ---- versions ---- */

static void what_it_does_not_know_is_refused(osteon_loss* loss) {
  osteon_loss_input in = whole_input();
  double value = 0;
  for (uint32_t bit = 0; bit < 32; ++bit) {
    const uint32_t flag = 1u << bit;
    if (flag == OSTEON_LOSS_ACCUMULATE || flag == OSTEON_LOSS_PIXEL_WEIGHT) continue;
    in.flags = OSTEON_LOSS_PIXEL_WEIGHT | flag;
    text[0] = '\0';
    const osteon_status status = api()->evaluate(&call, loss, &in, &value, &error);
    if ((flag & OSTEON_FLAGS_MUST) != 0 ? status != OSTEON_UNSUPPORTED || text[0] == '\0' : status != OSTEON_OK) {
      printf("flag %u gave status %d\n", (unsigned)bit, (int)status);
      ++failures;
    }
  }
  in = whole_input();
  in.flags = 0;
  expect(api()->evaluate(&call, loss, &in, &value, &error) == OSTEON_INVALID_ARGUMENT, "weights need their flag");
  expect(api()->evaluate(&call, loss, &in, &value, NULL) == OSTEON_INVALID_ARGUMENT, "nobody has to want the text");
  in = whole_input();
  in.struct_size = offsetof(osteon_loss_input, soft_target);
  expect(api()->evaluate(&call, loss, &in, &value, &error) == OSTEON_INVALID_ARGUMENT, "a short input is refused");
  in = whole_input();
  int64_t gaps[] = {2 * K * H * W, 2 * H * W, 2 * W, 2};
  osteon_tensor_view apart = x;
  apart.strides = gaps;
  in.logits = &apart;
  expect(api()->evaluate(&call, loss, &in, &value, &error) == OSTEON_INVALID_ARGUMENT, "gaps are refused");
}

static void a_longer_input_is_taken(osteon_loss* loss) {
  struct {
    osteon_loss_input known;
    uint64_t later[4];
  } longer = {whole_input(), {1, 2, 3, 4}};
  longer.known.struct_size = sizeof longer;
  double value = 0;
  expect(api()->evaluate(&call, loss, &longer.known, &value, &error) == OSTEON_OK, "a longer input is taken");
}

static void hosts_get_what_they_know(void) {
  const uint32_t first = 2;
  expect(osteon_get_plugin(first - 1) == NULL, "a host before 0.2 gets nothing");
  expect(osteon_get_plugin((uint32_t)1 << 16) == NULL, "a host of another major number gets nothing");
  expect(osteon_get_plugin(first)->abi_version == first && osteon_get_plugin(first + 7)->abi_version == first,
         "hosts from 0.2 on get what they know");
}

int main(void) {
  make_data();
  osteon_loss_request request = {.struct_size = sizeof request, .labels = OSTEON_LABELS_MULTICLASS, .n_classes = K};
  osteon_loss* loss = NULL;
  expect(created(&request, &loss) == OSTEON_UNSUPPORTED && text[0], "multiclass is refused");
  request.labels = OSTEON_LABELS_MULTILABEL;
  if (created(&request, &loss) != OSTEON_OK) return 1;
  gradients_are_those_of_differences(loss);
  gradients_add_up(loss);
  it_stops(loss);
  what_it_does_not_know_is_refused(loss);
  a_longer_input_is_taken(loss);
  nothing_valid_gives_nothing(loss);
  hosts_get_what_they_know();
  api()->destroy(loss);
  return failures != 0;
}
