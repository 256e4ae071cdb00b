/* SPDX-License-Identifier: Apache-2.0 */
/* The headers as a C11 compiler sees them; that this file compiles is half of the test. */
#include "unit/abi/layout.h"

uint32_t osteon_test_abi_version_in_c(void) { return OSTEON_ABI_VERSION; }

uint32_t osteon_test_set_in_c(uint32_t form) { return OSTEON_SET(form); }
