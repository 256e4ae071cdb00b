// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "validate/harness/probe.hpp"

// The calls of a component that do its work, each on a small input, to be made again with one thing about them changed:
// a flag, the length of a struct, the call that they get, a parameter. What holds for all functions of all kinds is
// checked on these.
namespace osteon::validate {

/// What a working call gave.
struct Answered {
  Outcome outcome;
  std::vector<float> values;  ///< its numbers; empty after a failure
};

struct WorkingCall {
  std::string name;       ///< "forward in training"
  bool main = false;      ///< its numbers are what the component is for
  bool unfit = false;     ///< it is given something that does not fit, and has to refuse it
  std::int64_t cost = 0;  ///< weights that it goes through
  double tolerance = 0;   ///< by how much its numbers differ from one time to the next, as a share of the greatest
  /// Makes the call in a manner, with this osteon_call or, when that is null, one of its own. What comes before it, and
  /// what ends what it made, is as usual.
  std::function<Answered(const Manner& manner, const osteon_call* call)> make;

  Answered make_as_usual() const { return make(Manner(), nullptr); }
};

/// Of the subject's component, with the subject's parameters: creation first. Empty where these cannot be created, with
/// the reason in `why`; fails where creation fails as it may not. Skips a model of more weights.
std::vector<WorkingCall> working_calls(const Subject& subject, Outcome* why, std::int64_t most_weights = INT64_MAX);
/// Those that work: fails for one that does not, and leaves those out that are not offered (UNSUPPORTED).
struct Offered {
  WorkingCall call;
  Answered usual;  ///< what it gives
};
std::vector<Offered> offered_calls(const Subject& subject);

/// Fails unless `got` is what the call gives as usual; `what` says how it was made: "with longer structs".
void expect_as_usual(const Offered& offered, const Answered& got, const std::string& what);

/// Those of one kind; creation is working_calls' own.
std::vector<WorkingCall> model_calls(const Subject& subject, std::int64_t most_weights);
std::vector<WorkingCall> loss_calls(const Subject& subject);
std::vector<WorkingCall> augmentation_calls(const Subject& subject);
std::vector<WorkingCall> postprocessor_calls(const Subject& subject);
std::vector<WorkingCall> ensembler_calls(const Subject& subject);

class FitProbe;
struct FitPlan;
/// Those of fitting; `owner` keeps alive what `fit` is of.
std::vector<WorkingCall> fit_calls(const std::shared_ptr<const void>& owner, const FitProbe& fit, const FitPlan& plan);

}  // namespace osteon::validate
