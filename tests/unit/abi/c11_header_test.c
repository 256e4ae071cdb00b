/* SPDX-License-Identifier: Apache-2.0 */
/* The headers as a C11 compiler sees them; that this file compiles is half of the test. */
#include "unit/abi/layout_kinds.h"
#include "unit/abi/numbers.h"

uint32_t osteon_test_abi_version_in_c(void) { return OSTEON_ABI_VERSION; }

uint32_t osteon_test_set_in_c(uint32_t form) { return OSTEON_SET(form); }

uint32_t osteon_test_unknown_flags_in_c(uint32_t flags, uint32_t known) { return OSTEON_FLAGS_UNKNOWN(flags, known); }

int osteon_test_has_extension_in_c(const osteon_component* component) { return OSTEON_HAS(component, extension); }

/* The host's reserved keys as C sees them, a closed list that ends with NULL. */
const char* const* osteon_test_reserved_keys_in_c(void) {
  static const char* const kKeys[] = {OSTEON_RESERVED_KEYS, NULL};
  return kKeys;
}
