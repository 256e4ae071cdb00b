/* SPDX-License-Identifier: Apache-2.0 */
/* What the test sees of shear.c beside its entry. */
#ifndef SHEAR_H
#define SHEAR_H

#include <osteon/abi/augmentation.h>

/* Philox4x32-10, a block cipher as a generator: 128 random bits for each counter of each key. Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011. */
void shear_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
