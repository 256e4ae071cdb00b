// SPDX-License-Identifier: Apache-2.0
// In place of the checks of kinds that are left out, which tables name and nobody calls. Weak: where the checks are
// there, they are taken.
#include <cstdlib>

#include "predict/resample.hpp"
#include "predict/tensor_cache.hpp"
#include "validate/check.hpp"
#include "validate/harness/working_call.hpp"

#define OSTEON_LEFT_OUT __attribute__((weak))

namespace osteon::predict {

OSTEON_LEFT_OUT void install_cache_service() { std::abort(); }
OSTEON_LEFT_OUT void install_resample_service() { std::abort(); }

}  // namespace osteon::predict

namespace osteon::validate {

OSTEON_LEFT_OUT const std::vector<Check>& model_checks() { std::abort(); }
OSTEON_LEFT_OUT const std::vector<Check>& loss_checks() { std::abort(); }
OSTEON_LEFT_OUT const std::vector<Check>& augmentation_checks() { std::abort(); }
OSTEON_LEFT_OUT const std::vector<Check>& postprocessor_checks() { std::abort(); }
OSTEON_LEFT_OUT const std::vector<Check>& ensembler_checks() { std::abort(); }
OSTEON_LEFT_OUT const std::vector<Check>& fit_checks() { std::abort(); }
OSTEON_LEFT_OUT std::vector<WorkingCall> model_calls(const Subject&, std::int64_t) { std::abort(); }
OSTEON_LEFT_OUT std::vector<WorkingCall> loss_calls(const Subject&) { std::abort(); }
OSTEON_LEFT_OUT std::vector<WorkingCall> augmentation_calls(const Subject&) { std::abort(); }
OSTEON_LEFT_OUT std::vector<WorkingCall> postprocessor_calls(const Subject&) { std::abort(); }
OSTEON_LEFT_OUT std::vector<WorkingCall> ensembler_calls(const Subject&) { std::abort(); }

}  // namespace osteon::validate
