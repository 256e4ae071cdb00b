// SPDX-License-Identifier: Apache-2.0
// The working calls of fitting, of either kind that can be fitted.
#include "validate/fit/probe.hpp"
#include "validate/harness/working_call.hpp"

namespace osteon::validate {
namespace {

using Body = std::function<Outcome(const osteon_call* call)>;

WorkingCall fit_call(const std::shared_ptr<const void>& owner, const char* name, const std::function<void()>& before,
                     const Body& body) {
  WorkingCall call;
  call.name = name;
  call.make = [owner, before, body](const Manner& manner, const osteon_call* given) {
    before();
    const InManner in(manner);
    return Answered{body(given), {}};
  };
  return call;
}

}  // namespace

std::vector<WorkingCall> fit_calls(const std::shared_ptr<const void>& owner, const FitProbe& fit, const FitPlan& plan) {
  const auto begun = [&fit, plan] { expect_ok(fit.begin(plan), "begin of a fit"); };
  const auto added = [&fit, plan, begun] {
    begun();
    fit.add_all(plan);
  };
  const auto fitted = [&fit, plan] { fit.fit(plan); };
  std::vector<WorkingCall> calls = {
      fit_call(owner, "tensors of a fit", fitted, [&fit](const osteon_call* call) { return fit.try_tensors(call); }),
      fit_call(
          owner, "begin of a fit", [] {}, [&fit, plan](const osteon_call* call) { return fit.begin(plan, call); }),
      fit_call(owner, "add of a sample", begun,
               [&fit, plan](const osteon_call* call) { return fit.add(FitSample(plan, 1, false).raw(), call); }),
      fit_call(owner, "end of a fit", added,
               [&fit](const osteon_call* call) {
                 std::int32_t again = 0;
                 return fit.end(&again, call);
               }),
      fit_call(owner, "add of a member too few", begun, [&fit, plan](const osteon_call* call) {
        FitSample sample(plan, 1, false);
        --sample.raw().n_members;
        return fit.add(sample.raw(), call);
      })};
  calls.back().unfit = true;
  // Whatever the one before left, the next call begins anew; the last leaves it fitted.
  calls.push_back(
      fit_call(owner, "tensors once more", fitted, [&fit](const osteon_call* call) { return fit.try_tensors(call); }));
  return calls;
}

}  // namespace osteon::validate
