/* SPDX-License-Identifier: Apache-2.0 */
/* A loss of ABI 0.1, as it was written then: old_plugins.sh builds it with the headers of 0.1, and a host of today
 * refuses it before any of this runs. */
#include <stdlib.h>

#include <osteon/abi/all.h>

__attribute__((constructor)) static void must_not_run(void) { abort(); }

static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                            const osteon_loss_request* request, osteon_loss** out, osteon_error* error) {
  (void)call, (void)values, (void)request, (void)out, (void)error;
  return OSTEON_FAILED;
}
static void destroy(osteon_loss* loss) { (void)loss; }
static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* input, double* value,
                              osteon_error* error) {
  (void)call, (void)loss, (void)input, (void)value, (void)error;
  return OSTEON_FAILED;
}

static const osteon_loss_api kApi = {sizeof(osteon_loss_api), 0, create, destroy, evaluate};
static const osteon_component kComponent = {.struct_size = sizeof(osteon_component),
                                            .kind = OSTEON_KIND_LOSS,
                                            .name = "old",
                                            .version = "1.0.0",
                                            .doc = "A loss of ABI 0.1.",
                                            .api = &kApi};
static const osteon_component* const kComponents[] = {&kComponent};
static const osteon_plugin kPlugin = {sizeof(osteon_plugin), OSTEON_ABI_VERSION, "old", "1.0.0", 1, kComponents};

const osteon_plugin* osteon_get_plugin(uint32_t host_abi) { return host_abi == OSTEON_ABI_VERSION ? &kPlugin : NULL; }

#define WHAT                                                                                                      \
  "{\"abi\": [0, 1], \"name\": \"old\", \"version\": \"1.0.0\", \"components\": [{\"kind\": \"loss\", \"name\": " \
  "\"old\"}], \"libtorch\": \"\", \"stdlib_abi\": \"\"}"
__attribute__((section(".note.osteon"), used, aligned(4))) static const struct {
  uint32_t name_size, descriptor_size, type;
  char name[8], descriptor[sizeof WHAT];
} note = {sizeof "Osteon", sizeof WHAT - 1, 1, "Osteon", WHAT};
