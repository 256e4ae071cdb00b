/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * The whole ABI. Optional capabilities that are not proven yet live in draft/ and are not part of it. */
#ifndef OSTEON_ABI_ALL_H
#define OSTEON_ABI_ALL_H

#include "augmentation.h"
#include "band.h"
#include "call.h"
#include "ensembler.h"
#include "entry.h"
#include "fit.h"
#include "labels.h"
#include "loss.h"
#include "model.h"
#include "named_tensor.h"
#include "params.h"
#include "postprocessor.h"
#include "predictor.h"
#include "sizes.h"
#include "tensor.h"
#include "version.h"

#endif
