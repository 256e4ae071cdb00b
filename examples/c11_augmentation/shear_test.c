/* SPDX-License-Identifier: Apache-2.0 */
/* The generator against its paper's known answers, warps against what a shear is, and what a host of another version
 * may send. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <osteon/abi/entry.h>

#include "shear.h"

static int failures = 0;
static void expect(int holds, const char* what) {
  printf("%s: %s\n", holds ? "ok" : "FAILED", what);
  failures += !holds;
}

static void philox_gives_the_known_answers(void) {
  static const struct {
    uint32_t counter[4], key[2], expected[4];
  } kKnown[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof kKnown / sizeof kKnown[0]; ++i) {
    uint32_t out[4];
    shear_philox(kKnown[i].counter, kKnown[i].key, out);
    expect(memcmp(out, kKnown[i].expected, sizeof out) == 0, "philox gives a known answer");
  }
}

static const osteon_component* component(void) { return osteon_get_plugin(OSTEON_ABI_VERSION)->components[0]; }
static const osteon_augmentation_api* api(void) { return component()->api; }
/* Nothing of it is used, so that nothing else has to be in it. */
static const osteon_call call = {.struct_size = sizeof call, .threads = 1, .device = {OSTEON_DEVICE_CPU, 0}};

/* A shear between these angles along this axis; all else as recipes have it by default. */
static osteon_augmentation* made(double low, double high, const char* axis) {
  const double angles[2] = {low, high};
  osteon_value angle = *component()->params[0]->default_value, along = *component()->params[1]->default_value;
  angle.floats = angles;
  along.strings = &axis;
  const osteon_value* values[] = {&angle, &along, component()->params[2]->default_value,
                                  component()->params[3]->default_value};
  const osteon_augmentation_request request = {.struct_size = sizeof request, .n_classes = 29};
  osteon_augmentation* shear = NULL;
  expect(api()->create(&call, values, &request, &shear, NULL) == OSTEON_OK, "it is created");
  return shear;
}

enum { HEIGHT = 41, WIDTH = 81 };
/* What the host presets a warp with, and the request for one. */
static const osteon_warp kIdentity = {.struct_size = sizeof kIdentity,
                                      .border = OSTEON_BORDER_REFLECT_101,
                                      .height = HEIGHT,
                                      .width = WIDTH,
                                      .matrix = {1, 0, 0, 0, 1, 0}};
static const osteon_warp_request kRequest = {
    .struct_size = sizeof kRequest, .height = HEIGHT, .width = WIDTH, .view_height = HEIGHT, .view_width = WIDTH};
static osteon_warp drawn(const osteon_augmentation* shear, uint64_t key) {
  const osteon_random_key random_key = {{key, 5}};
  osteon_warp warp = kIdentity;
  if (api()->sample_warp(&call, shear, &random_key, &kRequest, &warp, NULL) != OSTEON_OK) warp.kind = 99;
  return warp;
}

/* Where output pixel (x, y) comes from. */
static void from(const osteon_warp* warp, double x, double y, double out[2]) {
  const double* m = warp->matrix;
  out[0] = m[0] * x + m[1] * y + m[2];
  out[1] = m[3] * x + m[4] * y + m[5];
}

static void warps_are_shears(void) {
  osteon_augmentation* both = made(-30, 30, "both");
  int centre = 1, area = 1, limit = 1, lean[2] = {0, 0};
  for (uint64_t key = 0; key < 1000; ++key) {
    const osteon_warp warp = drawn(both, key);
    const double* m = warp.matrix;
    double p[2];
    from(&warp, WIDTH / 2, HEIGHT / 2, p);
    centre = centre && fabs(p[0] - WIDTH / 2) < 1e-12 && fabs(p[1] - HEIGHT / 2) < 1e-12;
    area = area && fabs(m[0] * m[4] - m[1] * m[3] - 1) < 1e-12;
    limit = limit && fabs(m[1]) <= tan(30 * acos(-1) / 180) && fabs(m[3]) <= tan(30 * acos(-1) / 180);
    ++lean[m[1] > 0];
  }
  expect(centre, "the centre stays where it is");
  expect(area, "areas stay as they are");
  expect(limit, "no angle is beyond its limit");
  expect(lean[0] > 400 && lean[1] > 400, "both directions are as likely");
  api()->destroy(both);
}

static void an_axis_can_be_left_alone(void) {
  osteon_augmentation *horizontal = made(45, 45, "horizontal"), *vertical = made(45, 45, "vertical");
  double p[2];
  osteon_warp warp = drawn(horizontal, 1);
  from(&warp, 10, 30, p);
  expect(fabs(p[0] - 20) < 1e-12 && p[1] == 30, "at 45 degrees a row goes sideways by its distance from the centre");
  warp = drawn(vertical, 1);
  from(&warp, 10, 30, p);
  expect(p[0] == 10 && fabs(p[1] - 0) < 1e-12, "at 45 degrees a column goes up by its distance from the centre");
  api()->destroy(horizontal);
  api()->destroy(vertical);
}

static void nothing_to_do_is_said(void) {
  osteon_augmentation* none = made(0, 0, "both");
  expect(drawn(none, 1).kind == OSTEON_WARP_IDENTITY, "without an angle the host need not resample");
  api()->destroy(none);
}

static void what_it_does_not_know_is_refused(void) {
  osteon_augmentation* shear = made(-30, 30, "both");
  const osteon_random_key key = {{1, 5}};
  char text[128] = "";
  osteon_error error = {.struct_size = sizeof error, .text_size = sizeof text, .text = text};
  osteon_warp_request request = kRequest;
  osteon_warp warp = kIdentity;
  request.flags = 1u << 3;
  expect(api()->sample_warp(&call, shear, &key, &request, &warp, &error) == OSTEON_UNSUPPORTED && text[0],
         "a flag that must be understood is refused");
  request.flags = 1u << 19;
  expect(api()->sample_warp(&call, shear, &key, &request, &warp, &error) == OSTEON_OK,
         "one that need not be is passed over");
  request = kRequest;
  request.struct_size = offsetof(osteon_warp_request, class_boxes);
  expect(api()->sample_warp(&call, shear, &key, &request, &warp, NULL) == OSTEON_INVALID_ARGUMENT,
         "a short request is refused");
  api()->destroy(shear);
}

static void hosts_get_what_they_know(void) {
  const uint32_t first = 2;
  expect(osteon_get_plugin(first - 1) == NULL, "a host before 0.2 gets nothing");
  expect(osteon_get_plugin((uint32_t)1 << 16) == NULL, "a host of another major number gets nothing");
  expect(osteon_get_plugin(first)->abi_version == first && osteon_get_plugin(first + 7)->abi_version == first,
         "hosts from 0.2 on get what they know");
}

int main(void) {
  philox_gives_the_known_answers();
  warps_are_shears();
  an_axis_can_be_left_alone();
  nothing_to_do_is_said();
  what_it_does_not_know_is_refused();
  hosts_get_what_they_know();
  return failures != 0;
}
